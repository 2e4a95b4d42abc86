"""Normalised inputs and outputs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_same, drawn_like, padded, run

from rnnjax import GRU, LRU, InputError, unroll
from rnnjax.cell import abstract_params
from rnnjax.inputs import Timed
from rnnjax.wrappers import LayerNorm

x64 = pytest.mark.usefixtures("x64")
KEY = jax.random.key(0)


def norm(x, scale, bias):
    return scale * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) + bias


@x64
@pytest.mark.parametrize("cls", [GRU, LRU])
@pytest.mark.parametrize(("given", "comes"), [(True, False), (False, True), (True, True)])
def test_ends_are_normalised(cls, given, comes):
    """The cell runs on normalised inputs, its outputs are normalised, or both; padding stays zero."""
    cell = cls(4, precision=FLOAT64)
    wrapped = LayerNorm(cell, input=given, output=comes)
    params = drawn_like(abstract_params(wrapped, 5), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), np.float64), 1)
    inner = norm(xs, params["input_scale"], params["input_bias"]) if given else xs
    final, ys = run(cell, params["cell"], inner, lengths=LENGTHS, resets=RESETS)
    if comes:
        ys = np.where(padded()[..., None], 0, norm(ys, params["output_scale"], params["output_bias"]))
    assert len(params) == 1 + 2 * given + 2 * comes
    assert_same(run(wrapped, params, xs, lengths=LENGTHS, resets=RESETS), (final, ys))


def test_equal_features_have_a_finite_gradient():
    """Inputs that are all the same have no variance, and a gradient all the same."""
    cell = LayerNorm(GRU(4), input=True)
    params = cell.init(KEY, 5)
    gradient = jax.grad(lambda xs: unroll(cell, params, xs)[1].sum())(jnp.zeros((TIME, 5)))
    assert np.isfinite(gradient).all()


def test_times_are_not_normalised():
    """Of timed inputs the features are normalised; a time, a feature by itself, would become zero."""
    cell = LayerNorm(Clock(3), input=True, output=False)
    params = cell.init(KEY, Timed(5, 1))
    xs = Timed(jnp.ones((TIME, 5)), jnp.full((TIME, 1), 7.0))
    assert np.all(unroll(cell, params, xs)[1] == 7.0)


class Clock(GRU):
    """Shows the time that passed."""

    def project(self, weights, xs):
        return {"elapsed": xs.elapsed}

    def init(self, key, in_features):
        return super().init(key, in_features.x)

    def recur(self, weights, carry, drive):
        return carry, jnp.broadcast_to(drive["elapsed"], carry.h.shape)


def test_means_are_computed_in_single_precision_at_least():
    """In bfloat16 a mean of a thousand numbers around 3 would be off by far more than its spacing."""
    cell = LayerNorm(GRU(4))
    x = 3 + jax.random.normal(KEY, (1, 1000))
    weights = {"output_scale": jnp.ones(1000, jnp.bfloat16), "output_bias": jnp.zeros(1000, jnp.bfloat16)}
    got = cell._normalised(weights, "output", x.astype(jnp.bfloat16)).astype(jnp.float32)
    np.testing.assert_allclose(got, norm(np.asarray(x.astype(jnp.bfloat16), np.float64), 1, 0), atol=0.02)


@pytest.mark.parametrize(
    ("fields", "argument", "given"),
    [
        (dict(output=False), "LayerNorm.output", "False"),
        (dict(epsilon=0.0), "LayerNorm.epsilon", "0.0"),
        (dict(epsilon="small"), "LayerNorm.epsilon", "'small'"),
    ],
)
def test_bad_layer_norm_is_named(fields, argument, given):
    with pytest.raises(InputError, match=given) as error:
        LayerNorm(GRU(3), **fields)
    assert error.value.argument == argument
