"""A recurrent network over features: padding, both directions, what training adds, and the gradient of its inputs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import GRU
from rnnjax.models import FeatureReader
from rnnjax.models.feature_reader import moved

XS = np.random.default_rng(0).standard_normal((3, 6, 2)).astype(np.float32)
LENGTHS = np.array([6, 2, 4], np.int32)
CELL = GRU(3)


@functools.lru_cache
def made(**options):
    model = FeatureReader(CELL, 4, **options)
    shapes = jax.eval_shape(model.init, jax.random.key(0), XS, LENGTHS)["params"]
    random = np.random.default_rng(1)
    return model, jax.tree.map(lambda leaf: random.standard_normal(leaf.shape, np.float32), shapes)


@functools.partial(jax.jit, static_argnames=("pooling", "bidirectional", "dropout", "noise", "shift"))
def run(xs, lengths, key=None, **options):
    model, params = made(**options)
    return model.apply({"params": params}, xs, lengths, rngs=None if key is None else {"dropout": key})[1]


def test_it_is_the_cell_in_both_directions_and_an_affine_map():
    """An output a step, from the outputs of `rnnjax.bidirectional`."""
    params = made(pooling="", bidirectional=True)[1]
    cells = tuple(params["recurrent"][way]["cell"] for way in ("forward", "backward"))
    _, ys = rnnjax.bidirectional(CELL, CELL, cells, XS, lengths=LENGTHS)
    expected = ys @ params["readout"]["kernel"] + params["readout"]["bias"]
    np.testing.assert_allclose(run(XS, LENGTHS, pooling="", bidirectional=True), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_padding_has_no_effect(pooling):
    """What stands beyond a row's length, and how much of it, changes nothing."""
    other = np.where(np.arange(6)[:, None] < LENGTHS[:, None, None], XS, np.nan)
    options = dict(pooling=pooling, bidirectional=True)
    whole = run(other, LENGTHS, **options)
    np.testing.assert_allclose(whole, run(XS, LENGTHS, **options), rtol=1e-5, atol=1e-6)
    if pooling == "last":
        np.testing.assert_allclose(whole[1:2], run(XS[1:2, :2], LENGTHS[1:2], **options), rtol=1e-5, atol=1e-6)


def test_noise_and_shifts_come_with_a_key_alone():
    options = dict(noise=0.5, shift=2, dropout=0.5)
    plain = run(XS, LENGTHS)
    np.testing.assert_array_equal(run(XS, LENGTHS, **options), plain)
    one, again, other = (run(XS, LENGTHS, jax.random.key(seed), **options) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, plain) and not np.allclose(one, other)


def test_rows_move_by_their_own_steps():
    found = np.asarray(moved(jnp.asarray(XS), jnp.array([2, -1, 0])))
    np.testing.assert_array_equal(found[0], np.concatenate([np.zeros((2, 2)), XS[0, :4]]))
    np.testing.assert_array_equal(found[1], np.concatenate([XS[1, 1:], np.zeros((1, 2))]))
    np.testing.assert_array_equal(found[2], XS[2])


def test_features_can_be_perturbed():
    """The gradient with respect to the perturbation is that with respect to the inputs."""
    model, params = made()

    def loss(perturbation, xs):
        outcome = model.apply({"params": params, "perturbations": {"features": perturbation}}, xs, LENGTHS)
        return jnp.sum(jnp.square(outcome[1]))

    one, other = jax.jit(jax.grad(loss, (0, 1)))(jnp.zeros_like(XS), XS)
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert np.abs(one).max() > 0
