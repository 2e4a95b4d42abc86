"""Kernels written as a length times a direction."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from sequences import BATCH, LENGTHS, TIME, assert_same, drawn_like, evaluate, run

from rnnjax import GRU, LSTM, Elman, InputError, MinGRU, Stack, unroll
from rnnjax.cell import abstract_params
from rnnjax.wrappers import WeightNorm

x64 = pytest.mark.usefixtures("x64")
KEY = jax.random.key(0)


@x64
@pytest.mark.parametrize("cell", [GRU(4, precision=FLOAT64), LSTM(4, heads=2, precision=FLOAT64)], ids=repr)
def test_kernels_are_directions_times_lengths(cell):
    """The cell computes with w = g v / |v|, column by column, and head by head."""
    wrapped = WeightNorm(cell)
    params = drawn_like(abstract_params(wrapped, 5), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), np.float64), 1)
    inner = dict(params["cell"])
    assert set(params["scale"]) == {"kernel", "recurrent_kernel"}
    for name, scale in params["scale"].items():
        v = inner[name]
        inner[name] = np.expand_dims(scale, -2) * v / np.sqrt((v**2).sum(-2, keepdims=True))
    assert_same(run(wrapped, params, xs, lengths=LENGTHS), run(cell, inner, xs, lengths=LENGTHS))


@x64
@pytest.mark.parametrize("cell", [LSTM(4), Stack((GRU(3), Elman(4)))], ids=repr)
def test_at_the_start_nothing_changes(cell):
    """At the initial parameters outputs are those of the cell without, layers of a stack included."""
    params = WeightNorm(cell).init(KEY, 5)
    xs = np.random.default_rng(0).normal(size=(BATCH, TIME, 5)).astype(np.float32)
    assert_same(run(WeightNorm(cell), params, xs)[1], run(cell, params["cell"], xs)[1], 1e-5)


@x64
def test_length_of_a_direction_has_no_effect():
    """Outputs do not change when all v are twice as long, and the gradient of v is orthogonal to it."""
    cell = WeightNorm(GRU(4, precision=FLOAT64))
    params = drawn_like(abstract_params(cell, 5), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), np.float64), 1)
    longer = {**params, "cell": {k: v * (2 if k in params["scale"] else 1) for k, v in params["cell"].items()}}
    assert_same(run(cell, longer, xs), run(cell, params, xs))
    gradient = evaluate(cell, params, xs, cell.initial_carry((BATCH,))).params["cell"]
    for name in params["scale"]:
        assert np.any(gradient[name])
        np.testing.assert_allclose((gradient[name] * params["cell"][name]).sum(-2), 0, atol=1e-12)


def test_a_column_of_zeros_has_finite_gradients():
    cell = WeightNorm(GRU(4))
    params = jax.tree.map(jnp.zeros_like, cell.init(KEY, 5))
    gradients = jax.grad(lambda params: unroll(cell, params, jnp.ones((TIME, 5)))[1].sum())(params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_kernels_by_name():
    """Only what is named is normalised; a list is as good as a tuple."""
    cell = WeightNorm(GRU(4), kernels=["recurrent_kernel"])
    assert set(cell.init(KEY, 5)["scale"]) == {"recurrent_kernel"}
    assert hash(cell) == hash(WeightNorm(GRU(4), kernels=("recurrent_kernel",)))


@pytest.mark.parametrize(
    ("make", "argument", "given"),
    [
        (lambda: WeightNorm(GRU(3), kernels="kernel"), "WeightNorm.kernels", "'kernel'"),
        (lambda: WeightNorm(GRU(3), kernels=()), "WeightNorm.kernels", r"\(\)"),
        (lambda: WeightNorm(GRU(3), kernels=("bias",)).init(KEY, 5), "WeightNorm.kernels", "'bias'"),
        (lambda: WeightNorm(MinGRU(3), kernels=("kernel", "U")).init(KEY, 5), "WeightNorm.kernels", "'U'"),
    ],
)
def test_bad_weight_norm_is_named(make, argument, given):
    with pytest.raises(InputError, match=given) as error:
        make()
    assert error.value.argument == argument
