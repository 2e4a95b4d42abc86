"""A label for a sequence of words or characters: embedding, recurrent layer, pooling over time, readout."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.models.layers import Dropout, Embedding, pool, valid_steps
from rnnjax.models.sequence_layer import Blocks, sequence_layer, side_by_side

Array = jax.Array
PyTree = Any


class SequenceClassifier(nn.Module):
    """Many to one over words: what a text is about, of which language a name is.

        x_t = E[word_t],   y_t = cell(x_1 .. x_t),   logits = V pool(y_1 .. y_n) + c

    With `filters` a convolution over five steps, a rectifier and the largest of each two steps come first (C-LSTM, Zhou
    et al. 2015, arXiv:1511.08630): the cell then sees half as many steps.

    A random stream "dropout" draws all masks; without it the model is deterministic. What the first layer reads passes
    through `perturb("features", ...)`. Among the "intermediates" are sown the "vectors" of the words, what the cell has
    "read", and its outputs, the "states".

    Attributes:
      cell: any cell or wrapper, or `Blocks`; its parameters lie under "recurrent" (in it "forward" and "backward",
        where it reads in both directions) and there under "cell".
      words: the number of words; number 0 is the padding.
      classes: the number of labels.
      embedding: the width of a word's vector.
      bidirectional: whether another cell of its kind reads from the end; of blocks, whether a step sees later ones.
      filters: features of the convolution; 0 is none.
      pooling: "last", "mean" or "max" over the outputs, as `pool` has it.
      input_dropout: the rate on the vectors of words.
      output_dropout: the rate on what the readout reads.
      word_dropout: the rate at which whole words are left out.
    """

    cell: Cell | Blocks
    words: int
    classes: int
    embedding: int = 64
    bidirectional: bool = False
    filters: int = 0
    pooling: str = "max"
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    word_dropout: float = 0.0

    @nn.compact
    def __call__(self, inputs: Array, lengths: Array | None = None, carry: PyTree | None = None) -> tuple[None, Array]:
        """Runs the model.

        Args:
          inputs: `[*batch, time]` ints, the numbers of the words.
          lengths: `[*batch]`, or `None` where every row is full.
          carry: not read: a text starts from the initial state.

        Returns:
          `None`, and logits `[*batch, classes]`.
        """
        del carry
        xs = Embedding(self.words, self.embedding, name="embedding")(inputs)
        xs = self.perturb("features", xs)
        self.sow("intermediates", "vectors", xs)
        xs = Dropout(self.word_dropout, shared=(-1,), name="word_masks")(xs)
        xs = Dropout(self.input_dropout, name="input_masks")(xs)
        if self.filters:
            xs, lengths = ConvolutionAndPooling(self.filters, name="convolution")(xs, lengths)
        self.sow("intermediates", "read", xs)
        _, ys = sequence_layer(self.cell, bidirectional=self.bidirectional, name="recurrent")(xs, lengths)
        self.sow("intermediates", "states", ys)
        pooled = pool(ys, lengths, self.pooling, both=side_by_side(self.cell, self.bidirectional))
        pooled = Dropout(self.output_dropout, name="output_masks")(pooled)
        return None, nn.Dense(self.classes, name="readout", param_dtype=pooled.dtype)(pooled)


class ConvolutionAndPooling(nn.Module):
    """A convolution over time, a rectifier, and the largest of each `stride` steps.

    Padding is zero before and after, so that a padded row gives what the row itself gives.

    Attributes:
      features: the number of filters.
      width: steps that a filter sees.
      stride: steps of which the largest value is kept.
    """

    features: int
    width: int = 5
    stride: int = 2

    @nn.compact
    def __call__(self, xs: Array, lengths: Array | None = None) -> tuple[Array, Array | None]:
        """`[*batch, time, in]` to `[*batch, ceil(time / stride), features]`, and the lengths that go with it."""
        xs = jnp.where(valid_steps(xs, lengths), xs, 0)
        ys = nn.relu(nn.Conv(self.features, (self.width,), padding="SAME", name="filters")(xs))
        ys = jnp.where(valid_steps(ys, lengths), ys, 0)
        rest = -ys.shape[-2] % self.stride
        ys = jnp.pad(ys, [(0, 0)] * (ys.ndim - 2) + [(0, rest), (0, 0)])  # zero is the least that a rectifier gives
        ys = ys.reshape(*ys.shape[:-2], -1, self.stride, ys.shape[-1]).max(-2)
        return ys, None if lengths is None else -(-lengths // self.stride)
