"""What the next frame of a film shows: a convolutional cell over its frames, or a Transformer in its place."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.errors import check
from rnnjax.models.frame_attention import FrameAttending
from rnnjax.models.layers import Recurrent
from rnnjax.models.sequence_layer import Blocks

Array = jax.Array
PyTree = Any


class FramePredictor(nn.Module):
    """A cell on images, and a convolution of its outputs to the logits of the next frame.

        h_t = cell(patches(frame_1) .. patches(frame_t)),   logits_{t+1} = unpatch(V * h_t + c)

    Squares of `patch` by `patch` places become channels before the cell, and places again after it, as in Shi et al.
    2015, arXiv:1506.04214, section 5.1. Frames pass through `self.perturb("features", frames)`.

    Attributes:
      cell: a cell on images: one with two axes of places, such as `ConvLSTM2D`; or `Blocks`, which `FrameAttending`
        makes a Transformer over frames of.
      patch: side of the squares, a divisor of height and width.
      window: places along each side of the last convolution's window.
    """

    cell: Cell | Blocks
    patch: int = 2
    window: int = 3

    @nn.compact
    def __call__(
        self, inputs: Array, lengths: Array | None = None, carry: PyTree | None = None
    ) -> tuple[PyTree, Array]:
        """`[batch, time, height, width, channels]` to the final carry and logits of the same shape as the frames.

        Raises:
          InputError: a cell that is not on images, or frames that squares do not divide.
        """
        height, width, channels = inputs.shape[-3:]
        divides = height % self.patch == 0 and width % self.patch == 0
        check(divides, "patch", self.patch, f"a divisor of {height} and {width}, the sides of a frame")
        frames = self.perturb("features", inputs)
        carry, ys = self._layer()(patches(frames, self.patch), lengths, carry)
        window = (self.window, self.window)
        logits = nn.Conv(channels * self.patch**2, window, name="readout")(ys.reshape(-1, *ys.shape[-3:]))
        return carry, unpatched(logits.reshape(*ys.shape[:-1], -1), self.patch)

    @nn.nowrap
    def initial_carry(self, films: tuple[int, ...]) -> PyTree:
        """The state before the first frame of films `[batch, time, height, width, channels]`, to be handed on.

        `None` for a cell, whose own is taken then.

        Raises:
          InputError: blocks without a span.
        """
        if not isinstance(self.cell, Blocks):
            return None
        batch, _, height, width, _ = films
        return FrameAttending(self.cell, parent=None).initial_carry((batch,), height // self.patch, width // self.patch)

    def _layer(self) -> nn.Module:
        if isinstance(self.cell, Blocks):
            return FrameAttending(self.cell, name="recurrent")
        check(self.cell.spatial_axes == 2, "cell", self.cell, "a cell on images, such as ConvLSTM2D")
        return Recurrent(self.cell, name="recurrent")


def patches(frames: Array, side: int) -> Array:
    """Squares as channels: `[..., height, width, c] -> [..., height / side, width / side, side * side * c]`."""
    *batch, height, width, channels = frames.shape
    cut = frames.reshape(*batch, height // side, side, width // side, side, channels)
    return jnp.moveaxis(cut, -4, -3).reshape(*batch, height // side, width // side, side * side * channels)


def unpatched(frames: Array, side: int) -> Array:
    """Channels as squares: what `patches` undoes."""
    *batch, height, width, channels = frames.shape
    cut = frames.reshape(*batch, height, width, side, side, channels // side**2)
    return jnp.moveaxis(cut, -3, -4).reshape(*batch, height * side, width * side, channels // side**2)


def roll_out(model: FramePredictor, params: PyTree, frames: Array, count: int) -> Array:
    """The frames that follow, each predicted from those before it, the model's own among them. Jittable.

    Args:
      model: a frame predictor.
      params: its parameters.
      frames: `[batch, time, height, width, channels]`, in 0..1.
      count: how many frames to predict.

    Returns:
      `[batch, count, height, width, channels]`, in 0..1.

    Raises:
      InputError: a count below 1.
    """
    check(isinstance(count, int) and count > 0, "count", count, "a positive int")
    outcome: Any = model.apply({"params": params}, frames, None, model.initial_carry(frames.shape))
    carry, logits = outcome
    first = jax.nn.sigmoid(logits[:, -1:])

    def advance(state, _):
        carry, frame = state
        outcome: Any = model.apply({"params": params}, frame, None, carry)
        carry, logits = outcome
        following = jax.nn.sigmoid(logits)
        return (carry, following), frame[:, 0]

    _, made = jax.lax.scan(advance, (carry, first), length=count)
    return jnp.moveaxis(made, 0, 1)
