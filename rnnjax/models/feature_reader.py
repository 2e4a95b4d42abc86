"""A recurrent network over sequences of real-valued features: one output a sequence, or one a step."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.models.layers import Dropout, pool
from rnnjax.models.sequence_layer import Blocks, sequence_layer, side_by_side

Array = jax.Array
PyTree = Any


class FeatureReader(nn.Module):
    """A cell over features, in one direction or both, and an affine map of its outputs.

        z_t = [cell(x_1 .. x_t); cell(x_T .. x_t)],   output = V pool(z) + c   or   output_t = V z_t + c

    The features pass through `self.perturb("features", x)`, so that a gradient with respect to them can be had. With a
    random stream "dropout" the model is that of training: features are augmented and masks drawn.

    Attributes:
      cell: any cell or wrapper, or `Blocks`.
      outputs: the width of the output.
      pooling: "last", "mean" or "max" over the valid steps; "" gives an output a step.
      bidirectional: whether a second cell reads backwards; of blocks, whether a step sees later ones.
      dropout: probability of a zero in what the readout reads.
      noise: in training, the standard deviation of white noise that is added to the features.
      shift: in training, the most steps by which a sequence is moved forwards or backwards; what moves in is zero.
    """

    cell: Cell | Blocks
    outputs: int
    pooling: str = "mean"
    bidirectional: bool = False
    dropout: float = 0.0
    noise: float = 0.0
    shift: int = 0

    @nn.compact
    def __call__(
        self, inputs: Array, lengths: Array | None = None, carry: PyTree | None = None
    ) -> tuple[PyTree, Array]:
        """`[batch, time, features]` to the final carry, and `[batch, outputs]` or `[batch, time, outputs]`."""
        features = self.perturb("features", inputs)
        if self.has_rng("dropout"):
            features = self._augmented(features)
        layer = sequence_layer(self.cell, bidirectional=self.bidirectional, name="recurrent")
        carry, ys = layer(features, lengths, carry)
        both = side_by_side(self.cell, self.bidirectional)
        ys = pool(ys, lengths, self.pooling, both=both) if self.pooling else ys
        ys = Dropout(self.dropout)(ys) if self.dropout else ys
        return carry, nn.Dense(self.outputs, name="readout")(ys)

    def _augmented(self, features: Array) -> Array:
        if self.noise:
            features += self.noise * jax.random.normal(self.make_rng("dropout"), features.shape, features.dtype)
        if self.shift:
            steps = jax.random.randint(self.make_rng("dropout"), features.shape[:1], -self.shift, self.shift + 1)
            features = moved(features, steps)
        return features


def moved(xs: Array, steps: Array) -> Array:
    """Each row moved by so many steps towards the end: `[batch, time, features], [batch]`; what moves in is zero."""
    source = jnp.arange(xs.shape[1]) - steps[:, None]
    inside = (source >= 0) & (source < xs.shape[1])
    rows = jnp.take_along_axis(xs, jnp.clip(source, 0, xs.shape[1] - 1)[..., None], axis=1)
    return jnp.where(inside[..., None], rows, 0)
