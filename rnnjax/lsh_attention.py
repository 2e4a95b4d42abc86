"""Self-attention within buckets of a locality-sensitive hash: each step attends to those that resemble it."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import InputError, check

Array = jax.Array

_ITSELF = -1e5  # a score so low that a step attends to itself only where there is no other


def lsh_attention(
    query: Array,
    value: Array,
    key: Array,
    *,
    buckets: int,
    chunk: int,
    rounds: int = 1,
    lengths: Any = None,
    causal: bool = False,
) -> Array:
    """Attention with shared queries and keys, over those steps alone that fall into the same bucket.

        bucket(x) = argmax [x R; -x R],   R random [width, buckets / 2]
        y_i = sum over j of softmax_j(q_i . q_j / (|q_j| sqrt(width))) v_j,     bucket(q_j) = bucket(q_i)

    Kitaev, Kaiser & Levskaya 2020 (Reformer), arXiv:2001.04451, section 2. Steps are sorted by bucket and then by time,
    and cut into chunks; a chunk is compared with itself and the chunk before it, and with that after it unless
    `causal` (the paper's is). With several rounds a step sees what shares its bucket in any of them, each step once.
    A step attends to itself only where it sees no other. Where all fall into one bucket that is in reach, as with
    `buckets=1` and a chunk as long as time, this is full attention with shared queries and keys.

    Args:
      query: `[*batch, time, heads, width]`; keys are the queries, at length 1.
      value: `[*batch, time, heads, any]`.
      key: from `jax.random.key`; draws R, one a head and round, the same for all rows.
      buckets: how many; 1, or an even number.
      chunk: steps of a chunk.
      rounds: how many times everything is hashed.
      lengths: `[*batch]` ints; what lies at or past a row's length is not attended to, and its outputs are zero.
      causal: whether a step sees no later ones.

    Returns:
      `[*batch, time, heads, any]`.

    Raises:
      InputError: a number out of range, or shapes that do not fit each other.
    """
    if jnp.ndim(query) < 3 or query.shape[-3] < 1:
        raise InputError("query", f"shape {jnp.shape(query)}", "[*batch, time, heads, width]")
    if jnp.shape(value)[:-1] != query.shape[:-1]:
        raise InputError("value", f"shape {jnp.shape(value)}", f"shape {query.shape[:-1]} and a width of its own")
    valid = isinstance(buckets, int) and (buckets == 1 or (buckets > 0 and buckets % 2 == 0))
    check(valid, "buckets", buckets, "1, or an even number")
    for name, given in (("chunk", chunk), ("rounds", rounds)):
        check(isinstance(given, int) and given >= 1, name, given, "an int >= 1")
    *batch, time, heads, width = query.shape
    rotations = jax.random.normal(key, (heads, rounds, width, buckets // 2), query.dtype)
    ends = jnp.full(batch, time) if lengths is None else jnp.asarray(lengths)
    one = functools.partial(_attend, buckets=buckets, chunk=min(chunk, time), causal=causal)
    over_heads = jax.vmap(one, in_axes=(1, 1, 0, None), out_axes=1)
    over_rows = jax.vmap(over_heads, in_axes=(0, 0, None, 0))
    rows = query.reshape(-1, time, heads, width), value.reshape(-1, time, heads, value.shape[-1])
    return over_rows(*rows, rotations, ends.reshape(-1)).reshape(value.shape)


def lsh_scores(time: int, chunk: int, rounds: int = 1, causal: bool = False) -> int:
    """How many scores `lsh_attention` computes for a row and a head: linear in time for a given chunk."""
    chunk = min(chunk, time)
    chunks = -(-time // chunk)
    return rounds * chunks * chunk * chunk * (1 if chunks == 1 else 2 if causal else 3)


def hash_buckets(query: Array, rotations: Array, buckets: int) -> Array:
    """The bucket of each step in each round: `[time, width]`, `[rounds, width, buckets / 2]` to `[rounds, time]`."""
    if buckets == 1:
        return jnp.zeros((rotations.shape[0], query.shape[0]), jnp.int32)
    turned = jnp.einsum("td,rdb->rtb", query, rotations)
    return jnp.argmax(jnp.concatenate([turned, -turned], axis=-1), axis=-1)


def _attend(query, value, rotations, end, *, buckets: int, chunk: int, causal: bool):
    """One row and one head: `[time, width]` and `[time, any]` to `[time, any]`."""
    time, width = query.shape
    rounds = rotations.shape[0]
    chunks = -(-time // chunk)
    padded = chunks * chunk
    query, value = (jnp.pad(leaf, ((0, padded - time), (0, 0))) for leaf in (query, value))
    squared = jnp.sum(jnp.square(query), axis=-1, keepdims=True)
    unit = query * jax.lax.rsqrt(jnp.maximum(squared, 1e-12))
    place = jnp.arange(padded)
    bucket = jnp.where(place < end, hash_buckets(query, rotations, buckets), buckets)  # the rest has one of its own
    order = jnp.argsort(bucket * padded + place, axis=-1)
    rank = jnp.argsort(order, axis=-1)
    around = ((-1, 0) if causal else (-1, 0, 1)) if chunks > 1 else (0,)

    def cut(leaf):
        """`[rounds, padded, ...]` in sorted order to `[rounds, chunks, chunk, ...]`."""
        return leaf.reshape(rounds, chunks, chunk, *leaf.shape[2:])

    def beside(leaf, fill):
        """Each chunk with its neighbours: `[rounds, chunks, chunk * neighbours, ...]`."""
        wide = jnp.pad(leaf, [(0, 0), (1, 1)] + [(0, 0)] * (leaf.ndim - 2), constant_values=fill)
        return jnp.concatenate([wide[:, 1 + step : 1 + step + chunks] for step in around], axis=2)

    near, held = cut(query[order]), beside(cut(value[order]), 0)
    scores = jnp.einsum("rcqd,rckd->rcqk", near, beside(cut(unit[order]), 0)) * width**-0.5
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    own = cut(order)
    other = beside(own, -1)
    there = jnp.maximum(other, 0)

    def shared(labels, spare):
        """Labels `[rounds, padded]` of both sides of each pair: `[rounds (of the label), rounds, chunks, q or k]`."""
        return labels[:, own][..., :, None], jnp.where(other >= 0, labels[:, there], spare)[..., None, :]

    mine, theirs = shared(bucket, -1)
    my_chunk, their_chunk = shared(rank // chunk, -9)
    gap = their_chunk - my_chunk
    met = (mine == theirs) & (mine < buckets) & (gap >= -1) & (gap <= (0 if causal else 1))
    later = other[..., None, :] > own[..., :, None]
    met = met & ~(later & causal)
    seen = jnp.diagonal(met, axis1=0, axis2=1)  # of a round, what is met in it
    seen = jnp.moveaxis(seen, -1, 0)
    times = jnp.sum(met, axis=0)  # rounds in which a pair meets: it counts once
    scores = jnp.where(own[..., :, None] == other[..., None, :], _ITSELF, scores) - jnp.log(jnp.maximum(times, 1))
    scores = jnp.where(seen, scores, -jnp.inf)

    highest = jax.lax.stop_gradient(jnp.max(scores, axis=-1))
    highest = jnp.where(jnp.isfinite(highest), highest, jnp.finfo(scores.dtype).min)
    weights = jnp.exp(scores - highest[..., None])
    total = jnp.sum(weights, axis=-1)
    mixed = jnp.einsum("rcqk,rckd->rcqd", weights, held.astype(weights.dtype))
    # Back in the order of time, the rounds are joined as if all their pairs stood in one softmax.
    highest, total = (jnp.take_along_axis(leaf.reshape(rounds, padded), rank, axis=1) for leaf in (highest, total))
    mixed = jnp.take_along_axis(mixed.reshape(rounds, padded, -1), rank[..., None], axis=1)
    share = jnp.exp(highest - jnp.max(highest, axis=0))
    whole = jnp.sum(share * total, axis=0)
    found = jnp.sum(share[..., None] * mixed, axis=0) / jnp.maximum(whole, 1e-30)[..., None]
    return found[:time].astype(value.dtype)
