"""Forecasts of a series: a recurrent layer over the past, and a head for all steps ahead at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.attention import additive, init, init_heads, multi_head
from rnnjax.cell import Cell
from rnnjax.models.layers import Dropout
from rnnjax.models.sequence_layer import Blocks, sequence_layer

Array = jax.Array
PyTree = Any

ATTENTIONS = ("none", "additive", "multi_head")


class Forecaster(nn.Module):
    """A cell over the past, read out once for each step ahead together with what is known of that step.

        s = cell(past)_T,   z_h = W_h s + (context of the query W_h s over all states) + U known_h
        output_h = V tanh(z_h) + D known_h + A past_{T-k+1 .. T}

    The last term is the linear autoregression of LSTNet (Lai et al. 2018, arXiv:1703.07015, sec. 3.6), on the first
    feature, where `linear` is above 0. V, D and A start at zero: an untrained model forecasts the base that targets are
    measured from. Of several outputs the middle one is free, and each further out is apart from the one before by a
    softplus, so that quantiles do not cross.

    Attributes:
      cell: any cell or wrapper, or `Blocks`; its parameters lie under "recurrent", "cell".
      horizon: steps ahead.
      outputs: numbers a step ahead: 1, or an odd number of quantiles in ascending order.
      attention: over the states of the window: "none", "additive" (Bahdanau et al. 2015, arXiv:1409.0473) or
        "multi_head" (Vaswani et al. 2017, arXiv:1706.03762).
      width: of the head's hidden layer.
      heads: of "multi_head"; a divisor of the width.
      linear: how many last steps the autoregression reads, k.
      dropout: of the state that is read out.
    """

    cell: Cell | Blocks
    horizon: int
    outputs: int = 1
    attention: str = "none"
    width: int = 32
    heads: int = 4
    linear: int = 0
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self, inputs: Mapping[str, Array], lengths: Array | None = None, carry: PyTree | None = None
    ) -> tuple[PyTree, Array]:
        """Runs the model.

        Args:
          inputs: "past" `[batch, time, features]` and "known" `[batch, horizon, features]`; other entries are not read.
          lengths: not read: every row is full.
          carry: the state before the first step, or `None`.

        Returns:
          The final carry, and `[batch, horizon, outputs]`.
        """
        del lengths
        past, known = self.perturb("features", inputs["past"]), inputs["known"]
        carry, states = sequence_layer(self.cell, name="recurrent")(past, None, carry)
        last = Dropout(self.dropout)(states[:, -1])
        queries = nn.Dense(self.horizon * self.width, name="ahead")(last).reshape(-1, self.horizon, self.width)
        hidden = queries + nn.Dense(self.width, use_bias=False, name="known")(known)
        if self.attention != "none":
            hidden += self._context(queries, states)
        zeros = nn.initializers.zeros
        raw = nn.Dense(self.outputs, name="readout", kernel_init=zeros)(jnp.tanh(hidden))
        raw += nn.Dense(self.outputs, use_bias=False, name="direct", kernel_init=zeros)(known)
        if self.linear:
            recent = past[:, -self.linear :, 0]
            sums = nn.Dense(self.horizon * self.outputs, use_bias=False, name="linear", kernel_init=zeros)(recent)
            raw += sums.reshape(raw.shape)
        return carry, ordered(raw)

    def _context(self, queries: Array, states: Array) -> Array:
        """What attention over the states adds to the hidden layer, `[batch, horizon, width]`."""
        features = states.shape[-1]
        if self.attention == "additive":
            params = self.param("attention", init, "additive", self.width, features)
            return nn.Dense(self.width, name="context")(additive(params, queries, states).context)
        params = self.param("attention", init_heads, self.width, features)
        return multi_head(params, queries, states, heads=self.heads).context


def ordered(raw: Array) -> Array:
    """An odd number of free values in the last axis as ascending ones; a single one stays as it is.

    The middle value stays; each further out is apart from its inner neighbour by `softplus(raw)`.
    """
    middle = raw.shape[-1] // 2
    centre = raw[..., middle : middle + 1]
    below = jnp.cumsum(jax.nn.softplus(raw[..., :middle][..., ::-1]), axis=-1)[..., ::-1]
    above = jnp.cumsum(jax.nn.softplus(raw[..., middle + 1 :]), axis=-1)
    return jnp.concatenate([centre - below, centre, centre + above], axis=-1)
