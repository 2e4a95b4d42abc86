"""Attention of a cell over its own last outputs."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.errors import check, check_choice
from rnnjax.initializers import Lecun
from rnnjax.kernel import dot
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array
PyTree = Any

_KERNELS = ("key_kernel", "query_kernel", "context_kernel", "output_kernel")


class PastAttentionState(NamedTuple):
    """`cell`: the carry of the cell; its last outputs, oldest first, and their keys, `[*batch, window, features]`.

    `filled [*batch, window]`: one where there is an output, zero where the sequence had not begun.
    """

    cell: Any
    values: Array
    keys: Array
    filled: Array


@dataclasses.dataclass(frozen=True, repr=False)
class PastAttention(Wrapper):
    """Lets a cell look back: an attention over its last outputs, joined with the one of this step.

        h_t = cell(x_t)
        e_i = v . tanh(K h_i + Q h_t)   (additive),   or   (K h_i) . h_t   (dot),      i = t - window ... t - 1
        r_t = sum_i softmax(e)_i h_i
        y_t = tanh(R r_t + W h_t)

    Daniluk, Rocktaschel, Welbl & Riedel 2017, arXiv:1702.04521, with the scores of Bahdanau, Cho & Bengio 2014,
    arXiv:1409.0473, or of Luong, Pham & Manning 2015, arXiv:1508.04025 ("general"). In the first step r is zero. The
    attention reads the outputs of the cell and does not feed back into it.

    Parameters: `cell`, those of the cell; `key_kernel`, `query_kernel` (additive only), `context_kernel` and
    `output_kernel [features, features]`, the K, Q, R and W, drawn LeCun-normal; `score [features]`, the v, additive
    only, drawn N(0, 1 / features).

    Args:
      cell: the cell inside.
      window: how many outputs it can look back at.
      score: "additive" or "dot".

    Raises:
      InputError: a window that is no positive int, another score, or a cell with axes of places.
    """

    has_parameters: ClassVar = True

    _: dataclasses.KW_ONLY
    window: int = 16
    score: str = "additive"

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.window, int) and not isinstance(self.window, bool) and self.window >= 1
        check(valid, "PastAttention.window", self.window, "a positive int")
        check_choice("PastAttention.score", self.score, ("additive", "dot"))
        check(self.cell.spatial_axes == 0, "PastAttention.cell", self.cell, "a cell without axes of places")

    @property
    def affine_in_state(self) -> bool:  # type: ignore[override]
        return False

    @property
    def _kernels(self) -> tuple[str, ...]:
        return tuple(name for name in _KERNELS if self.score == "additive" or name != "query_kernel")

    def init(self, key: Array, in_features: PyTree) -> PyTree:
        width, dtype = self.output_features, self.precision.dtype("params")
        cell_key, score_key, *keys = jax.random.split(key, 2 + len(self._kernels))
        drawn = {name: Lecun()(k, (width, width), dtype) for name, k in zip(self._kernels, keys, strict=True)}
        if self.score == "additive":
            drawn["score"] = width**-0.5 * jax.random.normal(score_key, (width,), dtype)
        return {"cell": self.cell.init(cell_key, in_features), **drawn}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> PastAttentionState:
        dtype, width = self.precision.dtype("carry"), self.output_features
        past = jnp.zeros((*batch_shape, self.window, width), dtype)
        return PastAttentionState(self.cell.initial_carry(batch_shape), past, past, jnp.zeros(past.shape[:-1], dtype))

    def prepare(self, params, *, key=None, batch_shape=()):
        dtype = self.precision.dtype("compute")
        own = {name: leaf.astype(dtype) for name, leaf in params.items() if name != "cell"}
        return own | {"cell": self.cell.prepare(params["cell"], key=key, batch_shape=batch_shape)}

    def project(self, weights, xs):
        return self.cell.project(weights["cell"], xs)

    def recur(self, weights, carry, drive):
        dtype = self.precision.dtype("compute")
        inner, h = self.cell.advance(weights["cell"], carry.cell, drive)
        h = h.astype(dtype)
        keys, values = carry.keys.astype(dtype), carry.values.astype(dtype)
        if self.score == "additive":
            query = dot(h, weights["query_kernel"])
            scores = jnp.sum(jnp.tanh(keys + query[..., None, :]) * weights["score"], axis=-1)
        else:
            scores = jnp.sum(keys * h[..., None, :], axis=-1)
        shares = _softmax(scores, carry.filled > 0.5)
        context = jnp.sum(shares[..., None] * values, axis=-2)
        y = jnp.tanh(dot(context, weights["context_kernel"]) + dot(h, weights["output_kernel"]))
        after = PastAttentionState(
            inner,
            _shifted(carry.values, h),
            _shifted(carry.keys, dot(h, weights["key_kernel"])),
            jnp.concatenate([carry.filled[..., 1:], jnp.ones_like(carry.filled[..., :1])], axis=-1),
        )
        return after, y


def _softmax(scores: Array, there: Array) -> Array:
    """The softmax over what is there; zero throughout where nothing is."""
    lowest = jnp.finfo(scores.dtype).min
    highest = jax.lax.stop_gradient(jnp.max(jnp.where(there, scores, lowest), axis=-1, keepdims=True))
    # Selected before the exponential, so that no gradient of an infinite one is multiplied with zero.
    grown = jnp.where(there, jnp.exp(jnp.where(there, scores - highest, 0)), 0)
    return grown / jnp.maximum(jnp.sum(grown, axis=-1, keepdims=True), jnp.asarray(0.5, scores.dtype))


def _shifted(past: Array, latest: Array) -> Array:
    """The past without its oldest, and with the latest."""
    return jnp.concatenate([past[..., 1:, :], latest[..., None, :].astype(past.dtype)], axis=-2)
