"""A Transformer over films: each place of a frame looks at the others of its frame, and back in time at itself."""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.models.layers import valid_steps
from rnnjax.models.sequence_layer import Blocks, Reading, SelfAttending

Array = jax.Array


class FrameAttending(nn.Module):
    """Blocks of self-attention over frames, called like a layer of a convolutional cell. For each block

        x = x + attend(x_{t, p} to all places of frame t),     x = x + attend(x_{t, p} to x_{1, p} .. x_{t, p})

    without the first sum in the first block, which brings the channels to the width. Each `attend` is a
    `SelfAttending` of one layer: positions in a frame are counted row by row. Attention divided into one over space
    and one over time is that of Bertasius, Wang & Torresani 2021, arXiv:2102.05095, there over time first.

    Attributes:
      blocks: of what shape; its span counts frames.
    """

    blocks: Blocks

    @nn.compact
    def __call__(
        self, inputs: Array, lengths: Array | None = None, carry: tuple[Reading, ...] | None = None
    ) -> tuple[tuple[Reading, ...] | None, Array]:
        """`[*batch, time, height, width, channels]` to the state and `[*batch, time, height, width, features]`.

        Args:
          inputs: frames.
          lengths: `[*batch]`, or `None` where every film is full; outputs past them are zero.
          carry: the state in which an earlier call ended, of `initial_carry` at first: frames are then read one after
            the other, without dropout. `None` reads all at once, and gives no state.

        Raises:
          InputError: a state beside lengths.
        """
        *batch, time, height, width, channels = inputs.shape
        single = dataclasses.replace(self.blocks, layers=1)
        own = None if lengths is None else jnp.broadcast_to(jnp.asarray(lengths)[..., None], (*batch, height * width))
        xs = inputs.reshape(*batch, time, height * width, channels)
        valid = valid_steps(xs[..., 0, :], None if lengths is None else jnp.asarray(lengths))[..., None]
        xs, ends = jnp.where(valid, xs, 0), []  # no NaN of the padding goes on
        for block in range(self.blocks.layers):
            _, seen = SelfAttending(single, causal=False, name=f"space_{block}")(xs)
            xs = xs + seen if block else seen
            before = None if carry is None else carry[block]
            end, past = SelfAttending(single, name=f"time_{block}")(jnp.swapaxes(xs, -3, -2), own, before)
            xs = xs + jnp.swapaxes(past, -3, -2)
            ends.append(end)
        ys = jnp.where(valid, xs, 0).reshape(*batch, time, height, width, -1)
        return None if carry is None else tuple(ends), ys

    @nn.nowrap
    def initial_carry(self, batch_shape: tuple[int, ...], height: int, width: int) -> tuple[Reading, ...]:
        """The state before the first frame of `height` by `width` places, to read frame by frame.

        Raises:
          InputError: blocks without a span, see `Blocks.initial_carry`.
        """
        single = dataclasses.replace(self.blocks, layers=1)
        return (single.initial_carry((*batch_shape, height * width)),) * self.blocks.layers
