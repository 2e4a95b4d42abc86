"""Sequence to sequence: one recurrent network reads, another writes, with attention or without."""

from __future__ import annotations

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax import attention
from rnnjax.cell import Cell
from rnnjax.errors import check, check_choice
from rnnjax.models.attentive_decoder import NO_ATTENTION, AttentiveDecoder, Memory
from rnnjax.models.layers import Bidirectional, Dropout, Recurrent, pool
from rnnjax.wrappers import Residual, Stack

Array = jax.Array
PyTree = Any


class Pair(NamedTuple):
    """What an encoder-decoder is given in training.

    Attributes:
      source: `[batch, time]` int32, the sequence to read.
      prefix: `[batch, steps]` int32, what the decoder is fed: the word that begins a sequence, then the target without
        its last word. The outputs of step t are to be the target's word t.
      own: `[batch]` float32: the probability that the decoder is fed its own last word in the place of the prefix's.
    """

    source: Array
    prefix: Array
    own: Array


class EncoderDecoder(nn.Module):
    r"""A recurrent encoder, and a recurrent decoder that attends to its outputs.

        s_1 .. s_n = encoder(x_1 .. x_n)
        y_t = decoder(w_{t-1})   or, with feeding,   decoder([w_{t-1}; a_{t-1}])
        c_t = sum_i softmax(score(y_t, s_i)) s_i   or, without attention,   c_t = [the encoder's last outputs]
        a_t = tanh(W [c_t; y_t]),      p(word t) = softmax(E a_t + b)

    The order of Luong, Pham & Manning 2015, arXiv:1508.04025, with their scores or that of Bahdanau, Cho & Bengio 2015,
    arXiv:1409.0473. Without attention the decoder's output meets the summary of the source at each step, as in Cho et
    al. 2014, arXiv:1406.1078. The decoder starts from the encoder's final carry, that of the backward direction where
    there are two (Bahdanau et al.). E is the table of the target's word vectors (Press & Wolf 2017, arXiv:1608.05859).

    Teacher forcing without feeding runs the decoder as one `rnnjax.unroll`, and attends for all steps at once; with
    feeding it is one scan. Words are scored for all steps at once in either case.

    Attributes:
      cell: any cell or wrapper, for encoder and decoder.
      source_words: the number of words of the source; word 0 is padding.
      target_words: that of the target.
      features: the width of word vectors, and of a_t.
      attention: one of `rnnjax.attention.KINDS`, or "none".
      feed: whether the decoder reads a_{t-1} too (Luong et al., sec. 3.3).
      bidirectional: whether the encoder reads in both directions.
      shared_cell: whether the decoder has the parameters of the encoder's (forward) cell.
      shared_words: whether source and target have one table of word vectors.
      residual: adds the input of each layer but the lowest to its output, where the cell is a `Stack` of equal widths.
      dropout: of word vectors and of a_t before the readout.
      scheduled: whether `Pair.own` is looked at: scheduled sampling.

    Raises:
      InputError: an attention that there is not, or parameters to share that differ in shape.
    """

    cell: Cell
    source_words: int
    target_words: int
    features: int = 256
    attention: str = "general"
    feed: bool = False
    bidirectional: bool = True
    shared_cell: bool = False
    shared_words: bool = True
    residual: bool = False
    dropout: float = 0.0
    scheduled: bool = False

    def setup(self):
        check_choice("attention", self.attention, (NO_ATTENTION, *attention.KINDS))
        fits = not self.shared_words or self.source_words == self.target_words
        check(fits, "shared_words", self.shared_words, "False, where source and target have other numbers of words")
        check(not (self.shared_cell and self.feed), "shared_cell", True, "False, where the decoder is fed more")
        cell = with_residuals(self.cell) if self.residual else self.cell
        start = nn.initializers.normal(self.features**-0.5)
        table = lambda words: nn.Embed(words, self.features, embedding_init=start)  # noqa: E731
        self.target_table = table(self.target_words)
        self.source_table = self.target_table if self.shared_words else table(self.source_words)
        self.encoder = Bidirectional(cell) if self.bidirectional else Recurrent(cell)
        self.decoder = AttentiveDecoder(
            cell,
            self.features,
            self.attention,
            self.feed,
            self.shared_cell,
        )
        self.output_bias = self.param("output_bias", nn.initializers.zeros, (self.target_words,))
        self.drop = Dropout(self.dropout)

    def __call__(self, inputs: Pair, lengths: Array | None = None, carry: None = None) -> tuple[None, Array]:
        """The scores of all words at all steps, under teacher forcing or scheduled sampling.

        Args:
          inputs: the source and what the decoder is fed, as a `Pair` or a tuple in its order.
          lengths: `[batch]`, of the source; `None` where every row is full.
          carry: takes nothing; it stands here as in all models.

        Returns:
          `None`, and logits `[batch, steps, target_words]`. A random stream "dropout" draws masks and the steps at
          which the model's own words are fed (Bengio et al. 2015, arXiv:1506.03099; the likeliest word, through which
          no gradient flows); without it the model is deterministic and fed the prefix alone.
        """
        del carry
        source, prefix, own = inputs
        memory, state = self.encode(source, lengths)
        kept = self.drop(jnp.ones((*prefix.shape, self.features)))
        if self.scheduled and self.has_rng("dropout"):
            coins = jax.random.bernoulli(self.make_rng("dropout"), own[:, None], prefix.shape)
            prefix = self._mixed(memory, state, prefix, kept, coins)
        vectors = self.decoder.run(memory, state, self._vectors(self.target_table, prefix) * kept)
        return None, self._logits(self.drop(vectors))

    def encode(self, source: Array, lengths: Array | None = None, length: int | None = None) -> tuple[Memory, PyTree]:
        """Reads a source `[batch, time]`: what the decoder knows of it, and the state before its first step.

        `length` is the most steps that the decoder will make; it makes no difference here.
        """
        del length
        embedded = self.drop(self.perturb("features", self._vectors(self.source_table, source)))
        carry, states = self.encoder(embedded, lengths)
        summary = pool(states, lengths, "last", both=self.bidirectional)
        key = self.make_rng("dropout") if self.has_rng("dropout") else None
        known = None
        if self.shared_cell:
            params = self.encoder.variables["params"]
            known = params["forward" if self.bidirectional else "cell"]
            known = known["cell"] if self.bidirectional else known
        if lengths is None:
            lengths = jnp.full(source.shape[:1], source.shape[1])
        memory = self.decoder.prepare(states, summary, lengths, key, known)
        state = carry[1] if self.bidirectional else carry
        wide = jnp.result_type(states.dtype, jnp.float32)
        return memory, (state, jnp.zeros((*source.shape[:-1], self.features), wide))

    def step(self, memory: Memory, carry: PyTree, tokens: Array) -> tuple[PyTree, Array]:
        """One step of the decoder, for `beam_search` and the loops of `rnnjax.models.decoding`.

        Args:
          memory: from `encode`.
          carry: from `encode`, or an earlier step.
          tokens: `[batch]`, the last words, or `[batch, width]`, those of several beginnings a row.

        Returns:
          The next carry, and logits `[*tokens, target_words]`.
        """
        carry, vector, _ = self.decoder.step(memory, carry, self._vectors(self.target_table, tokens))
        return carry, self._logits(vector)

    def weights(self, inputs: Pair, lengths: Array | None = None) -> Array:
        """The weights of the attention under teacher forcing, `[batch, steps, time]`.

        Raises:
          InputError: a model without attention.
        """
        check(self.attention != NO_ATTENTION, "attention", self.attention, "a model with attention")
        source, prefix, _ = inputs
        memory, carry = self.encode(source, lengths)

        def advance(carry, x):
            carry, _, weights = self.decoder.step(memory, carry, x)
            return carry, weights[:, 0]

        _, weights = jax.lax.scan(advance, carry, jnp.moveaxis(self._vectors(self.target_table, prefix), 1, 0))
        return jnp.moveaxis(weights, 0, 1)

    def _vectors(self, table: nn.Embed, words: Array) -> Array:
        """Word vectors of variance one at the start, from a table whose variance suits the readout."""
        return table(words) * self.features**0.5

    def _logits(self, vectors: Array) -> Array:
        return self.target_table.attend(vectors) + self.output_bias

    def _mixed(self, memory: Memory, carry: PyTree, prefix: Array, kept: Array, coins: Array) -> Array:
        """The prefix, with the model's own last word where the coin says so; the first word stays."""

        def advance(state, inputs):
            carry, said = state
            word, kept, coin = inputs
            word = jnp.where(coin, said, word)
            carry, vector, _ = self.decoder.step(memory, carry, self._vectors(self.target_table, word) * kept)
            return (carry, jnp.argmax(self._logits(vector), axis=-1).astype(word.dtype)), word

        time_first = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), (prefix, kept, coins.at[:, 0].set(False)))
        _, words = jax.lax.scan(advance, (carry, prefix[:, 0]), time_first)
        return jax.lax.stop_gradient(jnp.moveaxis(words, 0, 1))


def with_residuals(cell: Cell) -> Cell:
    """A stack in which each layer but the lowest adds its input to its output; any other cell as it is.

    Wu et al. 2016, arXiv:1609.08144, sec. 3.1. Parameters and carry are those of the stack.
    """
    if type(cell) is not Stack:
        return cell
    return Stack((cell.cells[0], *map(Residual, cell.cells[1:])))
