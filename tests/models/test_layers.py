"""Layers: a recurrent layer is `unroll`, padding has no effect, masks are drawn where a key is given."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import GRU, InputError
from rnnjax.models.layers import Bidirectional, Dropout, Embedding, Recurrent, pool

CELL = GRU(3)
LENGTHS = np.array([5, 0, 2], np.int32)
XS = jax.random.normal(jax.random.key(0), (3, 5, 2))
VALID = np.arange(5) < LENGTHS[:, None]


def drawn(module):
    shapes = jax.eval_shape(module.init, jax.random.key(0), XS)
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)


def test_a_recurrent_layer_is_an_unroll():
    for reverse in (False, True):
        layer = Recurrent(CELL, reverse)
        params = drawn(layer)
        assert set(params["params"]) == {"cell"}
        found = layer.apply(params, XS, LENGTHS)
        expected = rnnjax.unroll(CELL, params["params"]["cell"], XS, lengths=LENGTHS, reverse=reverse)
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_both_directions_stand_side_by_side():
    layer = Bidirectional(CELL)
    params = drawn(layer)
    own = params["params"]
    assert {name: set(part) for name, part in own.items()} == {"forward": {"cell"}, "backward": {"cell"}}
    found = layer.apply(params, XS, LENGTHS)
    pair = own["forward"]["cell"], own["backward"]["cell"]
    expected = rnnjax.bidirectional(CELL, CELL, pair, XS, lengths=LENGTHS)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_an_embedding_looks_up_its_table():
    layer = Embedding(7, 4)
    params = layer.init(jax.random.key(0), jnp.zeros((1, 1), jnp.int32))
    ids = np.array([[3, 0, 6]])
    np.testing.assert_array_equal(layer.apply(params, ids), params["params"]["table"]["embedding"][ids])


def test_dropout_needs_a_stream_and_keeps_the_mean():
    ones = jnp.ones((4, 50, 60))
    np.testing.assert_array_equal(Dropout(0.3).apply({}, ones), ones)
    masked = np.asarray(Dropout(0.3).apply({}, ones, rngs={"dropout": jax.random.key(0)}))
    np.testing.assert_allclose(np.unique(masked), [0, 1 / 0.7], rtol=1e-6)
    assert abs(masked.mean() - 1) < 5 * np.sqrt(0.3 / 0.7 / masked.size)  # five standard errors
    for axis in (-1, -2):
        shared = np.asarray(Dropout(0.3, (axis,)).apply({}, ones, rngs={"dropout": jax.random.key(0)}))
        assert (shared == shared.take([0], axis)).all() and 0 < (shared == 0).mean() < 1


@pytest.mark.parametrize("how", ["last", "mean", "max"])
def test_pooling_sees_the_valid_steps_alone(how):
    ys = jnp.where(VALID[..., None], XS, jnp.nan if how != "last" else 0)
    rows = [np.asarray(row[:length]) for row, length in zip(XS, LENGTHS, strict=True)]
    by_hand = {"last": lambda row: row[-1], "mean": lambda row: row.mean(0), "max": lambda row: row.max(0)}[how]
    expected = [by_hand(row) if len(row) else np.zeros(2, np.float32) for row in rows]
    np.testing.assert_allclose(pool(ys, LENGTHS, how), expected, rtol=1e-6)
    np.testing.assert_allclose(pool(XS, None, how), [by_hand(np.asarray(row)) for row in XS], rtol=1e-6)
    slope = jax.grad(lambda ys: pool(ys, LENGTHS, how).sum())(XS)
    assert np.isfinite(slope).all() and not np.asarray(slope)[~VALID].any()


def test_the_last_of_both_directions_has_read_all():
    """The forward half is that of the last valid step, the backward half that of the first."""
    ys = jnp.where(VALID[..., None], XS, 0)
    expected = [[row[max(length - 1, 0), 0], row[0, 1]] for row, length in zip(ys, LENGTHS, strict=True)]
    np.testing.assert_array_equal(pool(ys, LENGTHS, "last", both=True), expected)


def test_an_unknown_pooling_is_refused():
    with pytest.raises(InputError, match="how: got 'sum'"):
        pool(XS, None, "sum")
