"""Attention as a layer: the functions of `rnnjax.attention` with parameters of its own."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from rnnjax import attention
from rnnjax.models import Attention

RNG = np.random.default_rng(0)
QUERIES, STATES = RNG.standard_normal((2, 3, 4), np.float32), RNG.standard_normal((2, 5, 6), np.float32)


@pytest.mark.parametrize("kind", ["additive", "general"])
def test_it_is_the_function(kind):
    """Parameters are those of `attention.init` in names and shapes, and the result is that of `attend` with them."""
    mask = attention.key_mask(np.array([5, 2]), 5)
    module = Attention(kind)
    found, variables = module.init_with_output(jax.random.key(0), QUERIES, STATES, mask=mask)
    params = variables["params"]
    expected = jax.eval_shape(lambda key: attention.init(key, kind, 4, 6), jax.random.key(0))
    assert jax.tree.map(lambda leaf: leaf.shape, params) == jax.tree.map(lambda leaf: leaf.shape, expected)
    by_hand = attention.attend(kind, params, QUERIES, STATES, mask=mask)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, by_hand)


def test_dot_has_no_parameters():
    found, variables = Attention("dot").init_with_output(jax.random.key(0), QUERIES, QUERIES)
    assert not jax.tree.leaves(variables)
    np.testing.assert_allclose(found.weights.sum(-1), 1, rtol=1e-6)
