"""The laws of the Newton engine: it gives what the scan engine gives."""

from __future__ import annotations

import dataclasses
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64, entry_of, every_computation, every_registered_computation
from sequences import (
    BATCH,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    drawn_like,
    elman,
    evaluate,
    example,
    padded,
    row,
    run,
    weighed,
    with_nan_padding,
)

from rnnjax import GRU, LSTM, Elman, MinGRU, Precision, UnitCell, unroll
from rnnjax.engines.carry_layout import CarryLayout
from rnnjax.engines.linear_recurrence import linear_recurrence
from rnnjax.engines.newton import Newton

x64 = pytest.mark.usefixtures("x64")


@dataclasses.dataclass(frozen=True)
class Unaided(Newton):
    """The Newton engine, with NaN for the outputs of rows that it did not solve but left to be run step by step."""

    def run(self, cell, weights, carry, xs, call):
        states, ys, report = self.solve(cell, weights, carry, xs, call)
        final = jax.tree.map(lambda leaf: leaf[0 if call.reverse else -1], states)
        solved = report.converged.reshape(*report.converged.shape, *(1,) * (ys.ndim - 1 - report.converged.ndim))
        return final, jnp.where(solved, ys, jnp.nan), states if call.return_carries else None


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


# --- axes, ends and resets ---------------------------------------------------------------------------------------


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
