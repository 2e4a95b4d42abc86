"""Attention of queries over keys: additive, multiplicative, and scaled dot products in several heads.

Pure functions of parameters (dicts of arrays) and arrays. Queries are `[*batch, queries, features]`, keys and values
`[*batch, time, features]`, masks bools that broadcast to `[*batch, queries, time]`, true where a query may look. Batch
axes broadcast too. Weights sum to one over what the mask leaves, and are all zero where it leaves nothing; what a mask
hides has no effect, as long as it is finite.

What depends on the keys alone (`project_keys`) can be computed once, ahead of a loop over queries.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.errors import check, check_choice
from rnnjax.initializers import Lecun

Array = jax.Array
Params = dict[str, Array]

KINDS = ("additive", "dot", "general", "concat")
"""The scores of `attend`: of Bahdanau et al. 2015, and the three of Luong et al. 2015."""


class Attended(NamedTuple):
    """What attention gives.

    Attributes:
      context: the weighted means of the values, `[*batch, queries, features]`.
      weights: `[*batch, queries, time]`; with several heads `[*batch, heads, queries, time]`.
    """

    context: Array
    weights: Array


def key_mask(lengths: Array, time: int) -> Array:
    """Which keys are no padding, from the lengths of the rows: `[*batch] -> [*batch, 1, time]`."""
    return (jnp.arange(time) < jnp.asarray(lengths)[..., None])[..., None, :]


def causal_mask(time: int) -> Array:
    """Each step sees itself and what came before it, `[time, time]`, queries by keys."""
    steps = jnp.arange(time)
    return steps[:, None] >= steps


def masked_softmax(scores: Array, mask: Array | None = None) -> Array:
    """The softmax over the last axis of what the mask leaves, zero elsewhere; all zero where it leaves nothing."""
    if mask is None:
        return jax.nn.softmax(scores, axis=-1)
    lowest = jnp.finfo(scores.dtype).min
    highest = jax.lax.stop_gradient(jnp.max(jnp.where(mask, scores, lowest), axis=-1, keepdims=True))
    # Selected before the exponential, so that no gradient of an infinite one is multiplied with zero.
    grown = jnp.where(mask, jnp.exp(jnp.where(mask, scores - highest, 0)), 0)
    # The largest of what is left counts one: a sum below that is a row of which nothing is left.
    return grown / jnp.maximum(jnp.sum(grown, axis=-1, keepdims=True), 0.5)


def init(key: Array, kind: str, query_features: int, key_features: int, units: int | None = None) -> Params:
    """The parameters of `attend`.

    Args:
      key: from `jax.random.key`.
      kind: one of `KINDS`.
      query_features: the width of the queries.
      key_features: the width of the keys.
      units: the width of the hidden layer of "additive" and "concat"; `None` is that of the queries.

    Returns:
      For "additive" and "concat" `query_kernel [query_features, units]`, `key_kernel [key_features, units]`, drawn
      LeCun-normal ("concat": as the one kernel over both that they are), and `score [units]`, drawn N(0, 1 / units);
      for "general" `key_kernel [key_features, query_features]`; for "dot" nothing.

    Raises:
      InputError: an unknown kind, or widths that "dot" cannot multiply.
    """
    check_choice("kind", kind, KINDS)
    query_key, key_key, score_key = jax.random.split(key, 3)
    if kind == "dot":
        expected = f"{query_features}, the width of the queries"
        check(query_features == key_features, "key_features", key_features, expected)
        return {}
    if kind == "general":
        return {"key_kernel": Lecun()(key_key, (key_features, query_features), jnp.float32)}
    units = query_features if units is None else units
    score = units**-0.5 * jax.random.normal(score_key, (units,))
    if kind == "concat":
        joined = Lecun()(query_key, (query_features + key_features, units), jnp.float32)
        return {"query_kernel": joined[:query_features], "key_kernel": joined[query_features:], "score": score}
    return {
        "query_kernel": Lecun()(query_key, (query_features, units), jnp.float32),
        "key_kernel": Lecun()(key_key, (key_features, units), jnp.float32),
        "score": score,
    }


def project_keys(kind: str, params: Params, keys: Array) -> Array:
    """What the scores need of the keys, `[*batch, time, units]`; it depends on no query."""
    check_choice("kind", kind, KINDS)
    return keys if kind == "dot" else keys @ params["key_kernel"]


def attend(
    kind: str,
    params: Params,
    queries: Array,
    keys: Array,
    values: Array | None = None,
    *,
    mask: Array | None = None,
    projected: Array | None = None,
) -> Attended:
    """The weighted means of the values, with weights `softmax(score(q_i, k_j))` over j.

        additive   v . tanh(Q q + K k)      dot   q . k      general   q . K k      concat   v . tanh(W [q; k])

    Args:
      kind: one of `KINDS`.
      params: from `init`.
      queries: `[*batch, queries, query_features]`.
      keys: `[*batch, time, key_features]`.
      values: `[*batch, time, features]`; `None` takes the keys.
      mask: bools that broadcast to `[*batch, queries, time]`, as from `key_mask`; `None` hides nothing.
      projected: `project_keys(kind, params, keys)`, where it is at hand already.

    Raises:
      InputError: an unknown kind.
    """
    projected = project_keys(kind, params, keys) if projected is None else projected
    if kind in ("additive", "concat"):
        hidden = jnp.tanh((queries @ params["query_kernel"])[..., :, None, :] + projected[..., None, :, :])
        scores = hidden @ params["score"]
    else:
        scores = jnp.einsum("...qf,...tf->...qt", queries, projected)
    return _weighted(scores, keys if values is None else values, mask)


def additive(
    params: Params, queries: Array, keys: Array, values: Array | None = None, *, mask: Array | None = None
) -> Attended:
    """Attention with the score `v . tanh(Q q + K k)`: `attend` of the kind "additive".

    Bahdanau, Cho & Bengio 2015, arXiv:1409.0473.
    """
    return attend("additive", params, queries, keys, values, mask=mask)


def multiplicative(
    params: Params,
    queries: Array,
    keys: Array,
    values: Array | None = None,
    *,
    kind: str = "general",
    mask: Array | None = None,
) -> Attended:
    """Attention with the score `q . k` ("dot"), `q . K k` ("general") or `v . tanh(W [q; k])` ("concat").

    Luong, Pham & Manning 2015, arXiv:1508.04025, sec. 3.1.

    Raises:
      InputError: another kind.
    """
    check_choice("kind", kind, KINDS[1:])
    return attend(kind, params, queries, keys, values, mask=mask)


def init_heads(
    key: Array, query_features: int, key_features: int, units: int | None = None, outputs: int | None = None
) -> Params:
    """The parameters of `multi_head`, drawn LeCun-normal.

    Args:
      key: from `jax.random.key`.
      query_features: the width of the queries.
      key_features: the width of keys and values.
      units: the width of all heads together; `None` is that of the queries.
      outputs: the width of the result; `None` is that of the queries.

    Returns:
      `query_kernel`, `key_kernel` and `value_kernel [features, units]`, and `output_kernel [units, outputs]`.
    """
    units, outputs = units or query_features, outputs or query_features
    shapes = {
        "query_kernel": (query_features, units),
        "key_kernel": (key_features, units),
        "value_kernel": (key_features, units),
        "output_kernel": (units, outputs),
    }
    keys = jax.random.split(key, len(shapes))
    return {name: Lecun()(k, shape, jnp.float32) for k, (name, shape) in zip(keys, shapes.items(), strict=True)}


def multi_head(
    params: Params,
    queries: Array,
    keys: Array,
    values: Array | None = None,
    *,
    heads: int,
    mask: Array | None = None,
) -> Attended:
    """Scaled dot products in several heads, each over its own projections, side by side, and projected again.

        head_i = softmax((Q_i q) . (K_i k) / sqrt(d)) V_i v,      context = O [head_1; ...; head_n]

    Vaswani et al. 2017, arXiv:1706.03762, sec. 3.2, without biases. Queries and keys of the same states are
    self-attention.

    Args:
      params: from `init_heads`.
      queries: `[*batch, queries, query_features]`.
      keys: `[*batch, time, key_features]`.
      values: `[*batch, time, key_features]`; `None` takes the keys.
      heads: how many; a divisor of the kernels' `units`.
      mask: bools that broadcast to `[*batch, queries, time]`; `None` hides nothing.

    Returns:
      `context [*batch, queries, outputs]` and `weights [*batch, heads, queries, time]`.

    Raises:
      InputError: heads that do not divide the width.
    """
    values = keys if values is None else values
    attended = dot_product(
        split_heads(queries @ params["query_kernel"], heads),
        split_heads(keys @ params["key_kernel"], heads),
        split_heads(values @ params["value_kernel"], heads),
        mask=mask,
    )
    return Attended(join_heads(attended.context) @ params["output_kernel"], attended.weights)


def dot_product(queries: Array, keys: Array, values: Array, *, mask: Array | None = None) -> Attended:
    """`softmax(q . k / sqrt(features)) v` in each head.

    Args:
      queries: `[*batch, heads, queries, features]`, as from `split_heads`.
      keys: `[*batch, heads, time, features]`.
      values: `[*batch, heads, time, features]`.
      mask: bools that broadcast to `[*batch, queries, time]`, the same in each head.

    Returns:
      `context [*batch, heads, queries, features]` and `weights [*batch, heads, queries, time]`.
    """
    scores = jnp.einsum("...qf,...tf->...qt", queries, keys) * queries.shape[-1] ** -0.5
    return _weighted(scores, values, None if mask is None else _over_heads(mask))


def split_heads(xs: Array, heads: int) -> Array:
    """`[*batch, time, heads * features] -> [*batch, heads, time, features]`.

    Raises:
      InputError: heads that do not divide the width.
    """
    width = xs.shape[-1]
    check(heads > 0 and width % heads == 0, "heads", heads, f"a divisor of the width {width}")
    return jnp.moveaxis(xs.reshape(*xs.shape[:-1], heads, width // heads), -2, -3)


def join_heads(xs: Array) -> Array:
    """`[*batch, heads, time, features] -> [*batch, time, heads * features]`."""
    joined = jnp.moveaxis(xs, -3, -2)
    return joined.reshape(*joined.shape[:-2], -1)


def _weighted(scores: Array, values: Array, mask: Array | None) -> Attended:
    weights = masked_softmax(scores, mask)
    return Attended(jnp.einsum("...qt,...tf->...qf", weights, values), weights)


def _over_heads(mask: Array) -> Any:
    """A mask with an axis for the heads, where it has batch axes."""
    return mask[..., None, :, :] if mask.ndim > 2 else mask
