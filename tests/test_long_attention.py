"""Attention for long inputs: full attention where the window or the buckets cover everything, and linear in time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.local_attention import local_attention, local_scores
from rnnjax.lsh_attention import hash_buckets, lsh_attention, lsh_scores

BATCH, TIME, HEADS, WIDTH = 2, 11, 2, 4
LENGTHS = np.array([11, 7])
RNG = np.random.default_rng(0)
QUERY, KEY = (RNG.standard_normal((BATCH, TIME, HEADS, WIDTH)).astype(np.float32) for _ in range(2))
VALUE = RNG.standard_normal((BATCH, TIME, HEADS, 3)).astype(np.float32)

local = jax.jit(local_attention, static_argnames=("window", "causal"))
lsh = jax.jit(lsh_attention, static_argnames=("buckets", "chunk", "rounds", "causal"))


def looped(scores, seen):
    """Attention by a loop: `scores(row, head, i, j)` and `seen(row, head, i, j)`; zeros where nothing is seen."""
    found = np.zeros(VALUE.shape)
    for row, head, i in np.ndindex(BATCH, HEADS, TIME):
        places = [j for j in range(TIME) if seen(row, head, i, j)]
        if places:
            weights = np.array([scores(row, head, i, j) for j in places])
            weights = np.exp(weights - weights.max())
            found[row, i, head] = weights @ VALUE[row, places, head] / weights.sum()
    return found


def dot(row, head, i, j):
    return QUERY[row, i, head] @ KEY[row, j, head] / np.sqrt(WIDTH)


def valid(row, i, j):
    return i < LENGTHS[row] and j < LENGTHS[row]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [1, 3, 40])
def test_a_window_is_a_band_of_full_attention(window, causal):
    """The last window covers everything."""
    near = lambda row, head, i, j: valid(row, i, j) and abs(i - j) <= window and (j <= i or not causal)  # noqa: E731
    found = local(QUERY, KEY, VALUE, window=window, lengths=LENGTHS, causal=causal)
    np.testing.assert_allclose(found, looped(dot, near), atol=2e-6)


def shared(row, head, i, j):
    key = QUERY[row, j, head]
    return -1e5 if i == j else QUERY[row, i, head] @ key / np.linalg.norm(key) / np.sqrt(WIDTH)


@pytest.mark.parametrize("causal", [False, True])
def test_one_bucket_is_full_attention_with_shared_queries(causal):
    """However often it is hashed: a pair that meets in several rounds counts once."""
    found = lsh(QUERY, VALUE, jax.random.key(0), buckets=1, chunk=40, rounds=3, lengths=LENGTHS, causal=causal)
    every = lambda row, head, i, j: valid(row, i, j) and (j <= i or not causal)  # noqa: E731
    apart = lambda row, head, i, j: every(row, head, i, j) and (i != j or (causal and i == 0))  # noqa: E731
    np.testing.assert_allclose(found, looped(shared, apart), atol=3e-6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("chunk", "rounds"), [(11, 3), (3, 2)])
def test_a_step_attends_to_those_in_its_bucket_that_are_in_reach(chunk, rounds, causal):
    """Sorted by bucket and place, those in its chunk and the ones beside it, in any round."""
    buckets, key = 4, jax.random.key(1)
    rotations = jax.random.normal(key, (HEADS, rounds, WIDTH, buckets // 2), np.float32)
    met = np.zeros((BATCH, HEADS, TIME, TIME), bool)
    for row, head in np.ndindex(BATCH, HEADS):
        count = LENGTHS[row]
        for labels in np.asarray(hash_buckets(QUERY[row, :count, head], rotations[head], buckets)):
            order = np.lexsort([np.arange(count), labels])
            place = np.empty(count, int)
            place[order] = np.arange(count) // chunk
            gap = place - place[:, None]
            met[row, head, :count, :count] |= (labels == labels[:, None]) & (gap >= -1) & (gap <= (0 if causal else 1))
    seen = np.tril(met) if causal else met
    alone = seen.sum(-1) == 1  # sees itself alone
    reach = lambda row, head, i, j: seen[row, head, i, j] and (i != j or alone[row, head, i])  # noqa: E731
    found = lsh(QUERY, VALUE, key, buckets=buckets, chunk=chunk, rounds=rounds, lengths=LENGTHS, causal=causal)
    np.testing.assert_allclose(found, looped(shared, reach), atol=3e-6)
    assert seen.sum() < (met.shape[1] * (LENGTHS**2).sum())


def test_alike_steps_share_a_bucket_and_opposite_ones_do_not():
    rotations = jax.random.normal(jax.random.key(0), (50, 8, 4))
    one = RNG.standard_normal(8).astype(np.float32)
    rows = np.stack([one, 1.7 * one, -one, RNG.standard_normal(8)])
    labels = np.asarray(hash_buckets(rows, rotations, 8))
    assert (labels[:, 0] == labels[:, 1]).all() and (labels[:, 0] != labels[:, 2]).all()
    assert 0 < (labels[:, 0] == labels[:, 3]).mean() < 0.6 and labels.min() >= 0 and labels.max() < 8


def test_padding_means_nothing_and_rows_do_not_touch():
    options = dict(buckets=4, chunk=3, rounds=2, lengths=LENGTHS)
    spoiled = [leaf.copy() for leaf in (QUERY, KEY, VALUE)]
    for leaf in spoiled:
        leaf[1, LENGTHS[1] :] = 50.0
        leaf[0] += 1.0
    for call in (
        lambda q, k, v: local(q, k, v, window=3, lengths=LENGTHS),
        lambda q, k, v: lsh(q, v, jax.random.key(0), **options),
    ):
        found, other = call(QUERY, KEY, VALUE), call(*spoiled)
        np.testing.assert_array_equal(found[1], other[1])
        assert not np.asarray(found[1, LENGTHS[1] :]).any() and np.asarray(found[1, : LENGTHS[1]]).any()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_gradients_are_those_of_full_attention():
    """However often it is hashed; finite where steps see themselves alone."""

    def gradient(**options):
        found = functools.partial(lsh_attention, value=VALUE, key=jax.random.key(0), lengths=LENGTHS, chunk=11)
        return jax.jit(jax.grad(lambda query: jnp.sum(jnp.sin(found(query, **options)))))(QUERY)

    np.testing.assert_allclose(gradient(buckets=1), gradient(buckets=1, rounds=3), atol=1e-5)
    sparse = np.asarray(gradient(buckets=8))
    assert np.isfinite(sparse).all() and sparse.any()


def test_the_cost_is_linear_in_time():
    """Twice the time, twice the scores; full attention has four times as many."""
    for scores in (
        functools.partial(local_scores, window=16),
        functools.partial(local_scores, window=16, causal=True),
        functools.partial(lsh_scores, chunk=16, rounds=2),
    ):
        assert scores(2048) == 2 * scores(1024) < 1024**2
    assert local_scores(10, 16) == lsh_scores(10, 16) == 100
    shapes = jax.make_jaxpr(lambda q, k, v: local_attention(q, k, v, window=4))(*[np.zeros((1024, 1, 2))] * 3)
    sizes = [np.prod(var.aval.shape) for eqn in shapes.jaxpr.eqns for var in eqn.outvars]
    assert max(sizes) < 1024 * 4 * 3 * 2 * 2


def test_errors_name_the_argument():
    with pytest.raises(InputError, match="window"):
        local_attention(QUERY, KEY, VALUE, window=0)
    with pytest.raises(InputError, match="key"):
        local_attention(QUERY, KEY[:, 1:], VALUE, window=2)
    with pytest.raises(InputError, match="buckets"):
        lsh_attention(QUERY, VALUE, jax.random.key(0), buckets=3, chunk=2)
    with pytest.raises(InputError, match="value"):
        lsh_attention(QUERY, VALUE[:1], jax.random.key(0), buckets=2, chunk=2)
