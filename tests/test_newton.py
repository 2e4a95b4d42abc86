"""The laws of the Newton engine: it gives what the scan engine gives, and it says when it could not by itself."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64, IN_FEATURES, Entry, every_computation, every_registered_computation
from sequences import (
    BATCH,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    drawn_like,
    evaluate,
    example,
    padded,
    row,
    run,
    weighed,
    with_nan_padding,
)

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, MinGRU, Precision, UnitCell, unroll
from rnnjax.engines.carry_layout import CarryLayout
from rnnjax.engines.engine import Call
from rnnjax.engines.linear_recurrence import linear_recurrence
from rnnjax.engines.newton import Newton, convergence

x64 = pytest.mark.usefixtures("x64")


@dataclasses.dataclass(frozen=True)
class Unaided(Newton):
    """The Newton engine, with NaN for the outputs of rows that it did not solve but left to be run step by step."""

    def run(self, cell, weights, carry, xs, call):
        states, ys, report = self.solve(cell, weights, carry, xs, call)
        final = jax.tree.map(lambda leaf: leaf[0 if call.reverse else -1], states)
        solved = report.converged.reshape(*report.converged.shape, *(1,) * (ys.ndim - 1 - report.converged.ndim))
        return final, jnp.where(solved, ys, jnp.nan), states if call.return_carries else None


def entry_of(make) -> Entry:
    """An entry for a cell class with four features."""
    return Entry(make.__name__, lambda precision: make(4, precision=precision))


def elman():
    """A cell, its parameters, inputs and carry: the cheapest to compile."""
    return example(entry_of(Elman)).start


# --- the same as the scan ----------------------------------------------------------------------------------------


@x64
@every_computation
def test_newton_equals_scan(entry):
    """Outputs, carries and gradients of parameters, inputs and carry, with NaN in the padding, resets and dropout."""
    cell, params, xs, carry, key = example(entry)
    options = dict(lengths=LENGTHS, resets=RESETS, key=key, through_carries=1.0)
    got = evaluate(cell, params, with_nan_padding(xs), carry, engine=Unaided(), **options)
    assert_same(got, evaluate(cell, params, xs, carry, engine="scan", **options), 1e-11)
    final, ys, _ = got.outcome
    assert not np.any(ys[padded()]), "padded outputs are exactly zero"
    assert not np.any(got.xs[padded()]), "no gradient flows into padding"
    assert_identical(row(final, 1), row(carry, 1))


@x64
@pytest.mark.parametrize("make", [Elman, LSTM], ids=lambda make: make.__name__)
def test_newton_equals_scan_in_reverse(make):
    """The same of rows that run backwards, each within its own length."""
    cell, params, xs, carry, _ = example(entry_of(make))
    options = dict(lengths=LENGTHS, resets=RESETS, reverse=True, through_carries=1.0)
    got = evaluate(cell, params, with_nan_padding(xs), carry, engine=Unaided(), **options)
    assert_same(got, evaluate(cell, params, xs, carry, engine="scan", **options), 1e-11)
    final, _, carries = got.outcome
    assert_identical(row(final, 1), row(carry, 1))
    assert_identical(row(carries, (slice(None), 0)), final)
    assert_identical(row(carries, (2, LENGTHS[2])), row(carry, 2))


@x64
@pytest.mark.parametrize(
    ("make", "engine"),
    [
        (Elman, Unaided(jacobian="diagonal")),
        (LSTM, Unaided(jacobian="diagonal")),
        (MinGRU, Unaided(jacobian="full")),
        (Elman, Unaided(damping=0.2)),
        (Elman, Unaided(jacobian="none", tolerance=1e-12)),
    ],
    ids=str,
)
def test_every_iteration_has_the_same_solution(make, engine):
    """Less than the whole Jacobian, and damping, change the way to the solution, not the solution or its gradients."""
    cell, params, xs, carry, _ = example(entry_of(make))
    options = dict(resets=RESETS, through_carries=1.0)
    got = evaluate(cell, params, xs, carry, engine=engine, **options)
    assert_same(got, evaluate(cell, params, xs, carry, engine="scan", **options), 1e-11)


@every_registered_computation
def test_single_precision_over_some_hundred_steps(entry):
    """From the initial weights and over 300 steps, every cell equals the scan to 1e-5 of its largest number (float32).

    The first cells are solved by the iteration alone. In the zoo are some that it does not solve in time, whose states
    are too wide for Jacobians or hold still too long; they come from the scan.
    """
    cell = entry.cell(Precision())
    params = cell.init(jax.random.key(0), entry.in_features)
    xs = np.asarray(jax.random.normal(jax.random.key(1), (2, 300, *entry.places, entry.in_features)))
    engine = Newton() if entry.zoo else Unaided()
    expected = run(cell, params, xs, engine="scan")
    scales = jax.tree.map(lambda leaf: max(1.0, np.abs(leaf).max()), expected)
    shares = (jax.tree.map(np.divide, each, scales) for each in (run(cell, params, xs, engine=engine), expected))
    assert_same(*shares, 1e-5)


def test_wide_states_are_solved_without_jacobians():
    """Where the state is too wide for Jacobians, the engine chooses an iteration without, and solves every row."""
    cell = Elman(80)
    params = cell.init(jax.random.key(0), 5)
    xs = drawn_like(jax.ShapeDtypeStruct((2, 60, 5), jnp.float32), 1)
    assert_same(run(cell, params, xs, engine=Unaided()), run(cell, params, xs, engine="scan"), 1e-5)
    loss = lambda params: unroll(cell, params, xs, engine=Newton())[1].sum()  # noqa: E731
    widest = re.findall(r"f32\[60,2,80,80\]|f32\[59,2,80,80\]", str(jax.make_jaxpr(jax.grad(loss))(params)))
    assert not widest, "no Jacobian of every step is ever computed"


@x64
def test_wide_carry_of_a_narrow_computation():
    """A float64 state that is computed in float32 is solved as well as float32 allows."""
    cell = GRU(4, precision=Precision("float32", carry="float64"))
    params = cell.init(
        jax.random.key(0),
        5,
    )
    xs = drawn_like(jax.ShapeDtypeStruct((2, 50, 5), jnp.float32), 1)
    got = run(cell, params, xs, engine=Unaided())
    assert got[0].h.dtype == jnp.float64
    assert_same(got, run(cell, params, xs, engine="scan"), 1e-5)


@x64
def test_second_derivatives():
    """A Hessian times a direction, by reverse over reverse mode, is that of the scan."""
    cell, params, xs, carry = elman()
    direction = drawn_like(params, seed=7)

    def product(engine):
        def slope(params):
            loss = lambda params: weighed(unroll(cell, params, xs, carry, engine=engine), np.ones(BATCH))  # noqa: E731
            gradient = jax.grad(loss)(params)
            return sum(jnp.vdot(gradient[name], direction[name]) for name in direction)

        return jax.device_get(jax.jit(jax.grad(slope))(params))

    assert_same(product(Newton()), product("scan"), 1e-10)


@x64
def test_mapped_over_rows():
    """Under `vmap`, over rows and parameters, gradients included."""
    cell, params, xs, carry = elman()
    own = jax.tree.map(lambda leaf: np.stack([leaf * factor for factor in (0.5, 0.7, 1.0)]), params)

    def rows(engine):
        def loss(params, xs, carry, lengths):
            return weighed(unroll(cell, params, xs, carry, lengths=lengths, engine=engine), 1.0)

        return jax.device_get(jax.jit(jax.vmap(jax.value_and_grad(loss, argnums=(0, 1, 2))))(own, xs, carry, LENGTHS))

    assert_same(rows(Newton()), rows("scan"), 1e-11)


# --- axes and ends -----------------------------------------------------------------------------------------------


@x64
def test_any_number_of_batch_axes():
    """No batch axis, or two, with lengths and resets, give the rows of the scan."""
    cell, params, xs, carry, _ = example(entry_of(Elman), batch_shape=(2, BATCH))
    options = dict(lengths=np.stack([LENGTHS, LENGTHS[::-1]]), resets=np.stack([RESETS, ~RESETS]), return_carries=True)
    two = run(cell, params, xs, carry, engine="scan", **options)
    assert_same(run(cell, params, xs, carry, engine=Unaided(), **options), two)
    options = dict(lengths=LENGTHS[2], resets=RESETS[2], return_carries=True)
    none = run(cell, params, xs[0, 2], row(carry, (0, 2)), engine=Unaided(), **options)
    assert_same(none, row(two, (0, 2)))


@x64
@pytest.mark.parametrize("time", [0, 1])
def test_shortest_sequences(time):
    """No step at all, and a single one, with gradients."""
    cell, params, xs, carry = elman()
    expected = evaluate(cell, params, xs[:, :time], carry, engine="scan")
    assert_same(evaluate(cell, params, xs[:, :time], carry, engine=Newton()), expected)


class ComplexState(NamedTuple):
    z: jax.Array
    count: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Spinning(UnitCell):
    """A cell outside the library with a complex leaf in its carry, and one of another shape."""

    def init(self, key, in_features):
        dtype = self.precision.dtype("params")
        return {"kernel": jax.random.normal(key, (in_features, self.features), dtype), "bias": jnp.ones(3, dtype)}

    def initial_carry(self, batch_shape=()):
        return ComplexState(self.zeros(batch_shape) + 0.5j, self.zeros(batch_shape, 2, 3))

    def project(self, weights, xs):
        return xs @ weights["kernel"]

    def recur(self, weights, carry, drive):
        z = carry.z * jnp.exp(0.5j) + drive
        z = z / (1 + jnp.abs(z) ** 2)
        count = jnp.tanh(0.5 * carry.count + z.real[..., None, :3] + weights["bias"])
        return ComplexState(z, count), z.imag + count.sum((-1, -2))[..., None]


@x64
def test_carry_of_complex_numbers_and_matrices():
    """A carry with a complex leaf and a matrix leaf, from an initial carry that is not zero, with gradients."""
    cell = Spinning(4, precision=FLOAT64)
    params = cell.init(jax.random.key(0), 5)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), jnp.float64), 1)

    def evaluated(engine):
        def loss(params, xs, carry):
            options = dict(lengths=LENGTHS, resets=RESETS, engine=engine)
            final, ys = outcome = unroll(cell, params, xs, carry, **options)
            return weighed((ys, final.count, final.z.real, final.z.imag), np.ones(BATCH)), outcome

        differentiated = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))
        return jax.device_get(differentiated(params, xs, cell.initial_carry((BATCH,))))

    assert_same(evaluated(Unaided()), evaluated("scan"), 1e-11)


# --- what cannot be solved ---------------------------------------------------------------------------------------


@x64
def test_unsolved_rows_are_run_step_by_step():
    """Given up after one iteration, every row equals the scan all the same, gradients included."""
    cell, params, xs, carry = elman()
    options = dict(lengths=LENGTHS, resets=RESETS, through_carries=1.0)
    hasty = Newton(max_iterations=1)
    assert_same(
        evaluate(cell, params, xs, carry, engine=hasty, **options), evaluate(*elman(), engine="scan", **options)
    )
    report = convergence(cell, params, np.moveaxis(xs, 1, 0), carry, engine=hasty)
    assert not np.any(report.converged)
    np.testing.assert_array_equal(report.iterations, 1)


@x64
def test_chaos_is_not_taken_for_convergence():
    """A network whose trajectories part from each other is never said to be solved; what comes out is a trajectory."""
    cell = Elman(16, precision=FLOAT64)
    params = cell.init(jax.random.key(0), 2)
    params = params | {"recurrent_kernel": 3 * params["recurrent_kernel"], "kernel": 0.1 * params["kernel"]}
    xs = np.asarray(jax.random.normal(jax.random.key(1), (100, 3, 2), jnp.float64))
    for engine in (Newton(), Newton(jacobian="diagonal", max_iterations=200)):
        report = jax.device_get(convergence(cell, params, xs, engine=engine))
        assert np.all(report.residual < 1e-15), "every equation holds"
        assert np.all(report.rounding > 1e-9) and not np.any(report.converged)
    # Two programs may round differently and end far apart; for either, each step follows from the one before.
    _, ys, carries = run(cell, params, xs, time_major=True, return_carries=True, engine=Newton())
    before = np.concatenate([np.zeros((1, 3, 16)), carries.h[:-1]])
    _, expected = cell.step(params, type(carries)(before.reshape(-1, 16)), xs.reshape(-1, 2))
    assert_same(ys.reshape(-1, 16), np.asarray(expected))


class Number(NamedTuple):
    h: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Sine(UnitCell):
    """The map `h' = sin(4 h + x)`, under which errors grow by 4 cos(4 h + x) with every step."""

    jacobian = "diagonal"

    def init(self, key, in_features):
        dtype = self.precision.dtype("params")
        return {"kernel": jnp.ones((in_features, self.features), dtype), "bias": jnp.zeros(self.features, dtype)}

    def initial_carry(self, batch_shape=()):
        return Number(self.zeros(batch_shape) + 0.3)

    def recur(self, weights, carry, drive):
        h = jnp.sin(4 * carry.h + drive)
        return Number(h), h


@x64
def test_rounding_is_followed_along_time():
    """What roundings add up to, as the engine sees it, grows as a small error in the first state does."""
    cell = Sine(1, precision=FLOAT64)
    params = cell.init(jax.random.key(0), 1)
    growths, roundings, errors = [], [], []
    for time, solved in ((5, True), (10, True), (20, False)):
        report = convergence(cell, params, np.zeros((time, 1, 1)))
        assert report.converged[0] == solved and report.residual[0] < 1e-14
        _, ys = run(cell, params, np.zeros((time, 1, 1)), time_major=True, engine=Newton())
        h, growth, largest = 0.3, 1.0, 1.0
        for y in ys[:, 0, 0]:
            growth, h = growth * 4 * math.cos(4 * h), math.sin(4 * h)
            largest = max(largest, abs(growth))
            errors.append(abs(y - h) / largest)
        growths.append(largest)
        roundings.append(report.rounding[0])
    np.testing.assert_allclose(np.log(roundings), np.log(np.array(growths) * 2.2e-16), atol=math.log(30))
    assert growths[-1] > 1e7 and max(errors) < 1e-14


@x64
def test_rows_do_not_touch_each_other():
    """NaN in other rows, which then are run step by step, changes nothing in a row, bit for bit."""
    cell, params, xs, carry = elman()
    options = dict(lengths=LENGTHS, resets=RESETS, engine=Newton())
    alone = evaluate(cell, params, xs, carry, **options)
    for kept in (0, 2):
        others = np.arange(BATCH) != kept
        crowded = evaluate(
            cell,
            params,
            np.where(others[:, None, None], np.nan, xs),
            jax.tree.map(lambda leaf, others=others: np.where(others[:, None], 9.0, leaf), carry),
            lengths=np.where(others, TIME, LENGTHS),
            resets=np.where(others[:, None], ~RESETS, RESETS),
            engine=Newton(),
        )
        assert_identical(row(crowded.outcome, kept), row(alone.outcome, kept))
        assert_identical(row((crowded.xs, crowded.carry), kept), row((alone.xs, alone.carry), kept))
        assert np.isnan(crowded.outcome[1][others]).any()


@x64
def test_trap_nan_does_not_outlive_a_reset():
    """A carry of NaN changes nothing after a reset: at the first step it is not seen at all, gradients included."""
    cell, params, xs, carry = elman()
    nan = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), carry)
    first, late = np.zeros((2, BATCH, TIME), bool)
    first[:, 0] = late[:, 3] = True
    clean = evaluate(cell, params, xs, carry, resets=first, engine=Unaided())
    assert_identical(evaluate(cell, params, xs, nan, resets=first, engine=Unaided()), clean)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(clean.carry)), "no gradient flows through a reset"
    _, ys, _ = evaluate(cell, params, xs, nan, resets=late, engine=Newton()).outcome
    assert_same(ys[:, 3:], evaluate(cell, params, xs, carry, resets=late, engine="scan").outcome[1][:, 3:])
    assert np.isnan(ys[:, :3]).all()


# --- convergence -------------------------------------------------------------------------------------------------


@x64
def test_linear_recurrences_take_two_iterations():
    """One update solves a cell that is affine in its state, and a second one sees that nothing is left."""
    cell, params, xs, carry, _ = example(entry_of(MinGRU))
    report = convergence(cell, params, np.moveaxis(xs, 1, 0), carry)
    assert np.all(report.converged)
    np.testing.assert_array_equal(report.iterations, 2)


@x64
def test_convergence_sees_padding_and_resets():
    """Each row counts for itself, within its own length: chaos in padding, or cut by resets, is none."""
    cell = Elman(4, precision=FLOAT64)
    params = cell.init(jax.random.key(0), 2)
    params["recurrent_kernel"] = 5 * params["recurrent_kernel"]
    xs = np.asarray(jax.random.normal(jax.random.key(1), (60, 3, 2), jnp.float64))
    valid = np.arange(60)[:, None] < np.array([60, 0, 60])
    resets = np.zeros((60, 3), bool)
    resets[::3, 2] = True
    call = Call(valid=jnp.asarray(valid), resets=jnp.asarray(resets))
    report = convergence(cell, params, xs, call=call, engine=Newton(max_iterations=20))
    np.testing.assert_array_equal(report.converged, [False, True, True])
    assert report.iterations[0] == 20 and report.iterations[1] == 1 and report.iterations[2] <= 4


def test_products_are_computed_in_full_precision():
    """Where JAX is told to round operands of matrix products, those inside the iteration still are not."""
    cell = Elman(4)
    params = cell.init(jax.random.key(0), IN_FEATURES)
    loss = lambda params: unroll(cell, params, jnp.ones((6, IN_FEATURES)), engine=Newton())[1].sum()  # noqa: E731
    with jax.default_matmul_precision("bfloat16"):
        text = str(jax.make_jaxpr(jax.grad(loss))(params))
    precisions = re.findall(r"dot_general\[[^=]*=[^=]*precision=\(?(Precision\.\w+)", text)
    assert len(precisions) == text.count("dot_general[")
    assert precisions.count("Precision.HIGHEST") == len(precisions) - 2, "all but the projection and its gradient"
    assert len(precisions) > 10


# --- its parts ---------------------------------------------------------------------------------------------------


@x64
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("diagonal", [False, True])
def test_linear_recurrence_equals_a_loop(diagonal, reverse):
    """The states of a linear recurrence, one after the other, for two columns and a batch axis."""
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((7, 2, 3) if diagonal else (7, 2, 3, 3))
    terms = rng.standard_normal((7, 2, 3, 2))
    expected, state = np.zeros_like(terms), np.zeros((2, 3, 2))
    for t in reversed(range(7)) if reverse else range(7):
        state = (factors[t][..., None] * state if diagonal else factors[t] @ state) + terms[t]
        expected[t] = state
    assert_same(np.asarray(linear_recurrence(jnp.asarray(factors), terms, reverse=reverse)), expected)


def test_layout_of_a_carry():
    """A carry of leaves of any shape and kind comes back from its vector as it was, with any leading axes."""
    rng = np.random.default_rng(0)
    real = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    carry = {"complex": real[..., 0] + 1j * real[..., 1], "matrix": real, "scalar": real[..., 0, 0]}
    layout = CarryLayout.of(row(carry, 0), batch_axes=1)
    assert layout.widths == (8, 20, 1) and layout.width == 29 and layout.has_complex
    vector = layout.vector(carry)
    assert vector.shape == (2, 3, 29)
    assert_identical(jax.device_get(layout.carry(vector)), carry)


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        (dict(tolerance=0.0), "Newton.tolerance"),
        (dict(tolerance=1.0), "Newton.tolerance"),
        (dict(tolerance="small"), "Newton.tolerance"),
        (dict(max_iterations=0), "Newton.max_iterations"),
        (dict(max_iterations=2.0), "Newton.max_iterations"),
        (dict(jacobian="block"), "Newton.jacobian"),
        (dict(damping=-0.1), "Newton.damping"),
        (dict(damping=1.0), "Newton.damping"),
        (dict(damping=True), "Newton.damping"),
    ],
    ids=str,
)
def test_bad_options_are_named(options, argument):
    """An option out of range is one error that names it."""
    with pytest.raises(InputError) as error:
        Newton(**options)
    assert error.value.argument == argument


class Counting(NamedTuple):
    steps: jax.Array


class Counter(Sine):
    """A cell that counts its steps."""

    def initial_carry(self, batch_shape=()):
        return Counting(jnp.zeros((*batch_shape, 1), jnp.int32))


@pytest.mark.parametrize(
    ("cell", "options", "reason"),
    [
        (LSTM(4), dict(remat="sqrt"), "`remat`"),
        (LSTM(4), dict(unroll=2), "`unroll`"),
        (LSTM(4), dict(hoist=False), "reverse mode"),
        (LSTM(4, precision=Precision("bfloat16")), {}, "bfloat16"),
        (GRU(4, precision=Precision("float32", "bfloat16", "float32")), {}, "bfloat16"),
        (Dropout(GRU(4, precision=Precision("float16")), recurrent=0.5), {}, "float16"),
        (Counter(1), {}, "int32"),
    ],
    ids=str,
)
def test_calls_it_cannot_serve_are_refused(cell, options, reason):
    """One error that names the engine and says why, while tracing; float32 and float64 are served."""
    params = cell.init(jax.random.key(0), 5)
    xs = np.zeros((3, 7, 5), np.float32)
    with pytest.raises(InputError, match="an engine that can serve this call") as error:
        jax.eval_shape(lambda: unroll(cell, params, xs, engine=Newton(), **options))
    assert error.value.argument == "engine" and reason in str(error.value)


def test_bad_calls_of_convergence_are_named():
    """What does not fit is named, as by `unroll`."""
    cell = Elman(4)
    params = cell.init(jax.random.key(0), 5)
    xs = np.zeros((7, 3, 5), np.float32)
    cases = [
        ("engine", dict(engine="newton"), xs),
        ("engine", dict(call=Call(hoist=False)), xs),
        ("xs", {}, xs[:0]),
        ("xs", {}, xs.astype(np.int32)),
        ("params['kernel']", {}, xs[..., :4]),
        ("carry.h", dict(carry=cell.initial_carry((2,))), xs),
    ]
    for argument, options, inputs in cases:
        with pytest.raises(InputError) as error:
            convergence(cell, params, inputs, **options)
        assert error.value.argument == argument
