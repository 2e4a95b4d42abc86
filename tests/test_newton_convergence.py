"""The laws of the Newton engine where it does not solve a row, of what it says of that, and of bad input."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64, IN_FEATURES, entry_of
from sequences import (
    BATCH,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    elman,
    evaluate,
    example,
    row,
    run,
)

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, MinGRU, Precision, UnitCell, unroll
from rnnjax.engines.engine import Call
from rnnjax.engines.newton import Newton, convergence

x64 = pytest.mark.usefixtures("x64")


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
