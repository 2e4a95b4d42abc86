"""The next of a sequence of bit vectors: a recurrent layer, and the vector before as a second input of the readout."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.models.layers import Dropout
from rnnjax.models.sequence_layer import Blocks, sequence_layer

Array = jax.Array
PyTree = Any


class BitPredictor(nn.Module):
    """Logits of the bits of the next step, each an independent bit given all steps before.

        h_t = cell(x_1 .. x_t),   logits_t = V drop(h_t) + U x_t + b

    U starts at zero, and b at the log odds of each bit or at zero: a network may start from how often each bit is set,
    and what a bit says of itself in the next step need not pass through the recurrent layer.

    Attributes:
      cell: any cell or wrapper, or `Blocks`.
      odds: the b at the start, one a bit.
      output_dropout: the rate at which outputs of the recurrent layer are dropped, a mask a step.
      input_dropout: the rate at which bits of the inputs are, for the recurrent layer alone.
    """

    cell: Cell | Blocks
    odds: tuple[float, ...]
    output_dropout: float = 0.0
    input_dropout: float = 0.0

    @nn.compact
    def __call__(
        self, inputs: Array, lengths: Array | None = None, carry: PyTree | None = None
    ) -> tuple[PyTree, Array]:
        """Runs the model: `[*batch, time, bits]` to the final carry and logits `[*batch, time, bits]`.

        A random stream "dropout" draws the masks; without it the model is deterministic.
        """
        inputs = self.perturb("features", inputs)
        seen = Dropout(self.input_dropout)(inputs)
        carry, ys = sequence_layer(self.cell, name="recurrent")(seen, lengths, carry)
        ys = Dropout(self.output_dropout)(ys)
        start = lambda key, shape, dtype: jnp.asarray(self.odds, dtype).reshape(shape)  # noqa: E731
        logits = nn.Dense(len(self.odds), name="readout", bias_init=start)(ys)
        last = nn.Dense(len(self.odds), use_bias=False, kernel_init=nn.initializers.zeros, name="last_step")
        return carry, logits + last(inputs)
