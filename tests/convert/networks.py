"""Networks of equal cells, as one thing that is run, whatever its layers and directions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax
from rnnjax.cell import Cell

BATCH, TIME, INPUTS, FEATURES = 2, 5, 3, 4
TOLERANCE = 1e-6

SHAPES = {"one": (1, 1), "deep": (3, 1), "both_ways": (1, 2), "deep_both_ways": (2, 2)}
"""Layers and directions."""


def network(make, layers, directions):
    """`make()` is one cell; what the converters take for so many."""
    pairs = [tuple(make() for _ in range(directions)) for _ in range(layers)]
    if directions == 2:
        return pairs if layers > 1 else pairs[0]
    return rnnjax.Stack([cell for (cell,) in pairs]) if layers > 1 else pairs[0][0]


def drawn(cell, in_features=INPUTS, seed=0):
    """Parameters of a network, none of which is zero."""
    if isinstance(cell, Cell):
        shapes = jax.eval_shape(lambda key: cell.init(key, in_features), jax.random.key(0))
        rng = np.random.default_rng(seed)
        return jax.tree.map(lambda leaf: np.float32(0.5 * rng.standard_normal(leaf.shape)), shapes)
    if isinstance(cell, tuple):
        return tuple(drawn(each, in_features, seed + index) for index, each in enumerate(cell))
    widths = [in_features, *(sum(each.output_features for each in pair) for pair in cell)]
    return [
        drawn(pair, width, seed + 10 * index) for index, (pair, width) in enumerate(zip(cell, widths, strict=False))
    ]


def run(cell, params, xs):
    """The outputs."""
    if isinstance(cell, Cell):
        return rnnjax.unroll(cell, params, xs)[1]
    if isinstance(cell, tuple):
        return rnnjax.bidirectional(*cell, params, xs)[1]
    for pair, own in zip(cell, params, strict=True):
        xs = run(pair, own, xs)
    return xs


def inputs():
    return np.float32(np.random.default_rng(1).standard_normal((BATCH, TIME, INPUTS)))


def assert_close(ours, theirs):
    assert np.ptp(ours) > 0.01
    np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE)


def assert_equal_trees(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert all(jnp.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(other))
