"""What comes next: an embedding, recurrent layers, and a softmax over all words or characters."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax.cell import Cell
from rnnjax.models.decoding import sample
from rnnjax.models.layers import Dropout
from rnnjax.models.sequence_layer import Blocks, sequence_layer
from rnnjax.models.softmax import draw, log_uniform, sampled_softmax

Array = jax.Array
PyTree = Any

_ONE_HOT = 512  # up to so many words a product with one-hot vectors is faster than a look-up and its derivative


class LanguageModel(nn.Module):
    """The distribution of the next token, given all before it.

        h_t = cell(.., e(x_1) .. e(x_t)),   p(x_{t+1}) = softmax(W h_t + b)

    Mikolov et al. 2010, doi:10.21437/Interspeech.2010-343; dropout of what is not recurrent: Zaremba et al. 2014,
    arXiv:1409.2329, here with one mask a window (Gal & Ghahramani 2016, arXiv:1512.05287).

    Attributes:
      cell: any cell or wrapper, such as a `Stack`, or `Blocks`.
      tokens: how many different ones there are.
      embedding: the width of a token's vector.
      tied: whether W is the embedding (Press & Wolf 2017, arXiv:1608.05859); where the cell's outputs have another
        width, an affine map brings them to that of the embedding.
      input_dropout: share of a token's vector that is dropped.
      output_dropout: share of the outputs of the last layer that is dropped.
      samples: in training the softmax is estimated from so many other tokens, drawn log-uniformly: tokens are expected
        to be sorted by frequency, the most frequent first. 0 takes all.
    """

    cell: Cell | Blocks
    tokens: int
    embedding: int
    tied: bool = False
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    samples: int = 0

    @nn.compact
    def __call__(
        self, inputs: dict[str, Array], lengths: Array | None = None, carry: PyTree | None = None
    ) -> tuple[PyTree, Array]:
        """Runs the model.

        Args:
          inputs: "tokens" `[*batch, time]` ints; and "targets" `[*batch, time]`, what comes next, where the softmax is
            to be sampled.
          lengths: `[*batch]`, or `None` where every row is full.
          carry: the state before the first step, or `None`.

        Returns:
          The final carry, and logits `[*batch, time, tokens]`; with `samples`, a random stream "dropout", and targets
          among the inputs, the loss of each target instead, `[*batch, time]`, in nats.
        """
        table = self.param("embedding", nn.initializers.normal(0.1), (self.tokens, self.embedding))
        found = inputs["tokens"]
        xs = jax.nn.one_hot(found, self.tokens, dtype=table.dtype) @ table if self.tokens <= _ONE_HOT else table[found]
        xs = Dropout(self.input_dropout, shared=(-2,))(self.perturb("features", xs))
        carry, ys = sequence_layer(self.cell, name="layer")(xs, lengths, carry)
        ys = Dropout(self.output_dropout, shared=(-2,))(ys)
        if self.tied and ys.shape[-1] != self.embedding:
            ys = nn.Dense(self.embedding, name="projection")(ys)
        if self.tied:
            kernel = table
        else:
            start = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal", in_axis=-1, out_axis=-2)
            kernel = self.param("kernel", start, (self.tokens, ys.shape[-1]))
        bias = self.param("bias", nn.initializers.zeros, (self.tokens,))
        if self.samples and self.has_rng("dropout") and "targets" in inputs:
            return carry, self._sampled(ys, kernel, bias, inputs["targets"])
        return carry, ys @ kernel.T + bias

    def _sampled(self, ys: Array, kernel: Array, bias: Array, targets: Array) -> Array:
        proposal = log_uniform(self.tokens)
        drawn = draw(self.make_rng("dropout"), proposal, self.samples)
        expected = jnp.asarray(np.log(self.samples * proposal), jnp.float32)
        return sampled_softmax(ys, kernel, bias, targets, drawn, expected[drawn])


@functools.lru_cache(maxsize=16)
def losses_of(model: LanguageModel) -> Any:
    """`(params, carry, tokens, targets) -> (carry, losses)` in nats, `[batch, time]`; compiled once a shape."""

    def run(params: PyTree, carry: PyTree, tokens: Array, targets: Array) -> tuple[PyTree, Array]:
        carry, logits = _read(model, params, carry, tokens)
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        return carry, optax.softmax_cross_entropy_with_integer_labels(logits, targets)

    return jax.jit(run)


@functools.lru_cache(maxsize=16)
def writer(model: LanguageModel, length: int, temperature: float, top_k: int | None, top_p: float | None) -> Any:
    """`(params, tokens [batch, time], key) -> tokens [batch, length]`: what comes after them, sampled."""

    def run(params: PyTree, tokens: Array, key: Array) -> Array:
        def step(carry, token):
            carry, logits = _read(model, params, carry, token[:, None])
            return carry, logits[:, 0]

        carry = model.cell.initial_carry(tokens.shape[:1])
        if tokens.shape[1] > 1:
            carry, _ = _read(model, params, carry, tokens[:, :-1])
        last = tokens[:, -1]
        return sample(step, carry, last, key, length, temperature=temperature, top_k=top_k, top_p=top_p)[1]

    return jax.jit(run)


@functools.lru_cache(maxsize=4)
def states_of(model: LanguageModel) -> Any:
    """`(params, tokens [batch, time]) -> [batch, time, features]`, the outputs of the last recurrent layer."""

    def run(params: PyTree, tokens: Array) -> Array:
        layer = lambda module, _: module.name == "layer"  # noqa: E731
        given = ({"params": params}, {"tokens": tokens})
        outcome: Any = model.apply(*given, capture_intermediates=layer, mutable=["intermediates"])
        return outcome[1]["intermediates"]["layer"]["__call__"][0][1]

    return jax.jit(run)


def _read(model: LanguageModel, params: PyTree, carry: PyTree, tokens: Array) -> tuple[PyTree, Array]:
    outcome: Any = model.apply({"params": params}, {"tokens": tokens}, None, carry)
    return outcome
