"""Attention against loops in NumPy and against Flax, and the laws of masks."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import InputError, attention

RNG = np.random.default_rng(0)
QUERIES = RNG.standard_normal((2, 3, 4), np.float32)
KEYS = RNG.standard_normal((2, 5, 4), np.float32)
VALUES = RNG.standard_normal((2, 5, 2), np.float32)
LENGTHS = np.array([5, 2], np.int32)


@functools.lru_cache
def params(kind):
    return attention.init(jax.random.key(1), kind, 4, 4, 3)


def score_by_hand(kind, weights, query, key):
    w = {name: np.asarray(leaf, float) for name, leaf in weights.items()}
    if kind == "dot":
        return query @ key
    if kind == "general":
        return query @ (key @ w["key_kernel"])
    hidden = np.concatenate([query, key]) @ np.concatenate([w["query_kernel"], w["key_kernel"]])
    return np.tanh(hidden) @ w["score"]


@pytest.mark.parametrize("kind", attention.KINDS)
def test_each_kind_is_the_papers_sum(kind):
    """Context and weights, written out for one query and one key at a time; what lies past a length is not there."""
    found = jax.jit(functools.partial(attention.attend, kind))(
        params(kind), QUERIES, KEYS, VALUES, mask=attention.key_mask(LENGTHS, 5)
    )
    for row in range(2):
        keys, values = KEYS[row, : LENGTHS[row]].astype(float), VALUES[row, : LENGTHS[row]].astype(float)
        for place in range(3):
            scores = np.array([score_by_hand(kind, params(kind), QUERIES[row, place], key) for key in keys])
            shares = np.exp(scores) / np.exp(scores).sum()
            np.testing.assert_allclose(found.weights[row, place, : LENGTHS[row]], shares, rtol=1e-5)
            np.testing.assert_allclose(found.context[row, place], shares @ values, rtol=1e-4, atol=1e-6)


def test_names_of_the_papers_are_kinds():
    """`additive` and `multiplicative` are `attend` of their kinds; additive scores are no kind of the other."""
    both = lambda one, other: jax.tree.map(np.testing.assert_array_equal, one, other)  # noqa: E731
    both(
        attention.additive(params("additive"), QUERIES, KEYS),
        attention.attend("additive", params("additive"), QUERIES, KEYS),
    )
    for kind in ("dot", "general", "concat"):
        found = attention.multiplicative(params(kind), QUERIES, KEYS, VALUES, kind=kind)
        both(found, attention.attend(kind, params(kind), QUERIES, KEYS, VALUES))
    with pytest.raises(InputError, match="kind"):
        attention.multiplicative(params("additive"), QUERIES, KEYS, kind="additive")


@pytest.mark.parametrize("kind", ["additive", "general"])
def test_queries_by_themselves(kind):
    """A query's result depends on no other query, and keys projected ahead give the same."""
    whole = attention.attend(kind, params(kind), QUERIES, KEYS)
    projected = attention.project_keys(kind, params(kind), KEYS)
    one = attention.attend(kind, params(kind), QUERIES[:, 1:2], KEYS, projected=projected)
    np.testing.assert_allclose(one.context[:, 0], whole.context[:, 1], rtol=1e-5, atol=1e-6)


def test_weights_sum_to_one_over_what_is_there():
    """Zero where masked, and a row with nothing left is zero throughout, with a gradient that is finite."""
    mask = jnp.array([[True, False, True, False, False], [False] * 5])
    scores = jnp.array([[1.0, 1e30, -3.0, jnp.finfo(jnp.float32).max, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    weights = attention.masked_softmax(scores, mask)
    np.testing.assert_allclose(weights.sum(-1), [1, 0], rtol=1e-6)
    assert not weights[~mask].any()
    gradient = jax.grad(lambda s: (attention.masked_softmax(s, mask) ** 2).sum())(scores)
    assert np.isfinite(gradient).all() and not gradient[~mask].any()
    np.testing.assert_allclose(attention.masked_softmax(scores[1]), nn.softmax(scores[1]), rtol=1e-6)


@functools.partial(jax.jit, static_argnames=("kind",))
def context_of(weights, keys, lengths, kind):
    mask = attention.key_mask(lengths, keys.shape[-2])
    if kind == "heads":
        return attention.multi_head(weights, QUERIES, keys, heads=2, mask=mask).context
    return attention.attend(kind, weights, QUERIES, keys, mask=mask).context


@pytest.mark.parametrize("kind", ["additive", "general", "heads"])
def test_padding_has_no_effect(kind):
    """Other keys past a length change neither the context nor its gradients, and get no gradient."""
    weights = attention.init_heads(jax.random.key(2), 4, 4) if kind == "heads" else params(kind)
    there = np.arange(5)[:, None] < LENGTHS[:, None, None]
    loss = lambda weights, keys: (context_of(weights, keys, LENGTHS, kind) ** 2).sum()  # noqa: E731
    some = jax.value_and_grad(loss, (0, 1))(weights, jnp.where(there, KEYS, 0))
    others = jax.value_and_grad(loss, (0, 1))(weights, jnp.where(there, KEYS, 99))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), some, others)
    assert not np.asarray(others[1][1])[~np.broadcast_to(there, KEYS.shape)].any()


def test_multi_head_is_that_of_flax():
    """The same numbers as `nn.MultiHeadDotProductAttention` without biases, for the same kernels and mask."""
    weights = attention.init_heads(jax.random.key(3), 4, 4, units=6, outputs=5)
    mask = attention.key_mask(LENGTHS, 5) & jnp.ones((3, 1), bool)
    module = nn.MultiHeadDotProductAttention(num_heads=3, qkv_features=6, out_features=5, use_bias=False)
    theirs = {name: {"kernel": weights[f"{name}_kernel"].reshape(4, 3, 2)} for name in ("query", "key", "value")} | {
        "out": {"kernel": weights["output_kernel"].reshape(3, 2, 5)}
    }
    expected = module.apply({"params": theirs}, QUERIES, KEYS, mask=mask[:, None])
    found = attention.multi_head(weights, QUERIES, KEYS, heads=3, mask=mask)
    np.testing.assert_allclose(found.context, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.weights.sum(-1), 1, rtol=1e-6)


def test_causal_mask_hides_the_future():
    weights = attention.init_heads(jax.random.key(4), 4, 4)
    run = lambda xs: attention.multi_head(weights, xs, xs, heads=2, mask=attention.causal_mask(5)).context  # noqa: E731
    changed = jnp.asarray(KEYS).at[:, 3:].set(7.0)
    np.testing.assert_allclose(run(KEYS)[:, :3], run(changed)[:, :3], rtol=1e-6)
    assert not np.allclose(run(KEYS)[:, 3:], run(changed)[:, 3:])


def test_bad_input_is_named():
    with pytest.raises(InputError, match="kind"):
        attention.init(jax.random.key(0), "cosine", 4, 4)
    with pytest.raises(InputError, match="key_features"):
        attention.init(jax.random.key(0), "dot", 4, 5)
    with pytest.raises(InputError, match="heads"):
        attention.split_heads(QUERIES, 3)
