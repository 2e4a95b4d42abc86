"""Self-attention within a window: each step attends to the steps near it, at a cost that grows linearly with time."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import InputError, check

Array = jax.Array


def local_attention(
    query: Array, key: Array, value: Array, *, window: int, lengths: Any = None, causal: bool = False
) -> Array:
    """Scaled dot-product attention of each step over the steps at most `window` away.

        y_i = sum over j of softmax_j(q_i . k_j / sqrt(width)) v_j,     |i - j| <= window

    The banded attention of Longformer, Beltagy, Peters & Cohan 2020, arXiv:2004.05150, section 3.1. Time is cut into
    blocks of `window` steps, and each block is compared with itself and its neighbours: three scores are computed for
    each one that a block of its own would have (two if `causal`), and time * time scores never exist. A window that
    reaches over the whole sequence gives full attention.

    Args:
      query: `[*batch, time, heads, width]`.
      key: the same shape.
      value: `[*batch, time, heads, any]`.
      window: how far a step sees, in steps, to both sides; itself included besides.
      lengths: `[*batch]` ints; what lies at or past a row's length is not attended to, and its outputs are zero.
      causal: whether a step sees no later ones.

    Returns:
      `[*batch, time, heads, any]`.

    Raises:
      InputError: a window below 1, or shapes that do not fit each other.
    """
    check_attention(query, key, value)
    check(isinstance(window, int) and window >= 1, "window", window, "an int >= 1")
    time, width = query.shape[-3], query.shape[-1]
    size, blocks = _blocks(time, window)
    places = jnp.arange(blocks * size).reshape(blocks, size)
    around = (-1, 0) if causal else (-1, 0, 1)
    around = around if blocks > 1 else (0,)

    def cut(leaf):
        padding = [(0, 0)] * (leaf.ndim - 3) + [(0, blocks * size - time), (0, 0), (0, 0)]
        return jnp.pad(leaf, padding).reshape(*leaf.shape[:-3], blocks, size, *leaf.shape[-2:])

    def beside(leaf, axis, fill):
        """Each block with its neighbours, along the axis of its steps."""
        spare = [(0, 0)] * leaf.ndim
        spare[axis] = (1, 1)
        wide = jnp.pad(leaf, spare, constant_values=fill)
        parts = [jax.lax.slice_in_dim(wide, 1 + step, 1 + step + blocks, axis=axis) for step in around]
        return jnp.concatenate(parts, axis=axis + 1)

    query, key, value = cut(query), cut(key), cut(value)
    axis = query.ndim - 4
    key, value = beside(key, axis, 0), beside(value, axis, 0)
    others = beside(places, 0, -1)
    gap = places[:, :, None] - others[:, None, :]
    seen = (jnp.abs(gap) <= window) & (others >= 0)[:, None, :] & ((gap >= 0) | (not causal))
    ends = time if lengths is None else jnp.asarray(lengths)[..., None, None, None]
    seen = seen & (others[:, None, :] < ends) & (places[:, :, None] < ends)
    scores = jnp.einsum("...qhd,...khd->...hqk", query, key) * width**-0.5
    weights = masked_softmax(scores, seen[..., None, :, :])
    found = jnp.einsum("...hqk,...khd->...qhd", weights, value)
    return found.reshape(*found.shape[:-4], blocks * size, *found.shape[-2:])[..., :time, :, :]


def local_scores(time: int, window: int, causal: bool = False) -> int:
    """How many scores `local_attention` computes for a row and a head: linear in time for a given window."""
    size, blocks = _blocks(time, window)
    return blocks * size * size * (1 if blocks == 1 else 2 if causal else 3)


def masked_softmax(scores: Array, seen: Array) -> Array:
    """Softmax over the last axis where `seen`, in float32 or wider; zeros where nothing is seen."""
    wide = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    weights = jax.nn.softmax(jnp.where(seen, wide, jnp.finfo(wide.dtype).min), axis=-1)
    return jnp.where(seen, weights, 0).astype(scores.dtype)


def check_attention(query: Array, key: Array, value: Array) -> None:
    """Raises `InputError` unless shapes are `[*batch, time, heads, width]`, twice, and `[*batch, time, heads, any]`."""
    if jnp.ndim(query) < 3 or query.shape[-3] < 1:
        raise InputError("query", f"shape {jnp.shape(query)}", "[*batch, time, heads, width]")
    if jnp.shape(key) != query.shape:
        raise InputError("key", f"shape {jnp.shape(key)}", f"shape {query.shape}, that of the query")
    if jnp.shape(value)[:-1] != query.shape[:-1]:
        raise InputError("value", f"shape {jnp.shape(value)}", f"shape {query.shape[:-1]} and a width of its own")


def _blocks(time: int, window: int) -> tuple[int, int]:
    """Steps of a block, and the number of blocks."""
    size = min(window, time)
    return size, -(-time // size)
