"""The part of an encoder-decoder that writes: a recurrent layer that attends to what the other part has read."""

from __future__ import annotations

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax import attention
from rnnjax.cell import Cell
from rnnjax.errors import check
from rnnjax.initializers import Lecun
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any

NO_ATTENTION = "none"


class Memory(NamedTuple):
    """What the decoder knows of the source.

    Attributes:
      states: `[batch, time, features]`, the encoder's outputs, zero past each length.
      projected: what the scores of the attention need of them.
      mask: `[batch, 1, time]`, true where they are no padding.
      summary: `[batch, features]`, the output after reading all, in each direction.
      weights: of the decoder, prepared.
    """

    states: Array
    projected: Array
    mask: Array
    summary: Array
    weights: PyTree


class AttentiveDecoder(nn.Module):
    """The recurrent layer that writes. `prepare` declares its parameters; steps are functions of what it gives.

    Attributes:
      cell: any cell or wrapper.
      features: the width of the word vectors that it reads, and of what it gives.
      attention: one of `rnnjax.attention.KINDS`, or "none".
      feed: whether it reads what it gave last, too.
      shared: whether the cell's parameters are given in `prepare`.
    """

    cell: Cell
    features: int
    attention: str
    feed: bool
    shared: bool

    @nn.compact
    def prepare(
        self, states: Array, summary: Array, lengths: Array, key: Array | None = None, known: PyTree | None = None
    ) -> Memory:
        """What all steps need: the parameters, and what can be computed ahead of the first.

        Args:
          states: `[batch, time, features]`, the encoder's outputs.
          summary: `[batch, features]`, the last of them.
          lengths: `[batch]`, of the source.
          key: draws the cell's masks, one a sequence.
          known: the cell's parameters, where they are `shared`.
        """
        width, read = self.cell.output_features, states.shape[-1]
        params = known
        if not self.shared:
            params = self.param("cell", self.cell.init, self.features * (2 if self.feed else 1))
        combine = self.param("combine_kernel", Lecun(), (read + width, self.features))
        score = {}
        if self.attention == "dot":
            expected = f'"general", as "dot" takes outputs of {width} and {read} features for equal'
            check(width == read, "attention", self.attention, expected)
        elif self.attention != NO_ATTENTION:
            score = self.param("attention", lambda key: attention.init(key, self.attention, width, read))
        weights = {
            "cell": self.cell.prepare(params, key=key, batch_shape=states.shape[:1]),
            "combine_kernel": combine,
            "attention": score,
            "params": params,
            "key": key,
        }
        projected = states
        if self.attention != NO_ATTENTION:
            projected = attention.project_keys(self.attention, score, states)
        return Memory(states, projected, attention.key_mask(lengths, states.shape[1]), summary, weights)

    def run(self, memory: Memory, carry: PyTree, xs: Array) -> Array:
        """All steps, `[batch, steps, features] -> [batch, steps, features]`."""
        if not self.feed:
            weights = memory.weights
            _, ys = unroll(self.cell, weights["params"], xs, carry[0], key=weights["key"])
            return self._joined(memory, ys)[0]

        def advance(carry, x):
            carry, vector, _ = self.step(memory, carry, x)
            return carry, vector

        _, vectors = jax.lax.scan(advance, carry, jnp.moveaxis(xs, 1, 0))
        return jnp.moveaxis(vectors, 0, 1)

    def step(self, memory: Memory, carry: PyTree, x: Array) -> tuple[PyTree, Array, Array]:
        """One step, `[*rows, features]`: the carry, a_t `[*rows, features]`, and the weights `[batch, width, time]`."""
        state, fed = carry
        joined = jnp.concatenate([x, fed], axis=-1) if self.feed else x
        weights = memory.weights["cell"]
        state, y = self.cell.advance(weights, state, self.cell.project(weights, joined))
        single = y.ndim == 2
        vector, shares = self._joined(memory, y[:, None] if single else y)
        vector = vector[:, 0] if single else vector
        return (state, vector), vector, shares

    def _joined(self, memory: Memory, ys: Array) -> tuple[Array, Array]:
        """a_t and the weights, for outputs `[batch, steps, features]`."""
        if self.attention == NO_ATTENTION:
            context = jnp.broadcast_to(memory.summary[:, None], (*ys.shape[:-1], memory.summary.shape[-1]))
            shares = jnp.zeros((*ys.shape[:-1], memory.states.shape[1]), ys.dtype)
        else:
            context, shares = attention.attend(
                self.attention,
                memory.weights["attention"],
                ys,
                memory.states,
                mask=memory.mask,
                projected=memory.projected,
            )
        return jnp.tanh(jnp.concatenate([context, ys], axis=-1) @ memory.weights["combine_kernel"]), shares
