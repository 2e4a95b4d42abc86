"""A tag for each word: a recurrent layer in both directions over words and what they are spelled with."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.cells import LSTM
from rnnjax.models.layers import Dropout, Embedding, pool, valid_steps
from rnnjax.models.sequence_layer import Blocks, sequence_layer
from rnnjax.unroll import bidirectional

Array = jax.Array

UNKNOWN = 1
"""The number of the word that stands for all that are not in the vocabulary."""


class Spelling(nn.Module):
    """A vector for each word from its characters: `[*batch, characters]` ints, 0 past a word's end, to `[*batch, n]`.

    "convolution" takes the largest value of each filter over the word (Santos & Zadrozny 2014, jmlr.org/proceedings/
    papers/v32/santos14.html); "recurrent" the last outputs of an LSTM in each direction (Ling et al. 2015,
    arXiv:1508.02096).

    Attributes:
      characters: the size of the alphabet; number 0 is the padding.
      features: the width of the vectors, an even number for "recurrent".
      kind: "convolution" or "recurrent".
      embedding: the width of a character's vector.
      width: characters that a filter sees.
    """

    characters: int
    features: int
    kind: str = "convolution"
    embedding: int = 32
    width: int = 5

    @nn.compact
    def __call__(self, characters: Array) -> Array:
        """The vectors of the words."""
        lengths = (characters > 0).sum(-1)
        xs = Embedding(self.characters, self.embedding, name="characters")(characters)
        xs = jnp.where(valid_steps(xs, lengths), xs, 0)
        if self.kind == "recurrent":
            cell = LSTM(self.features // 2)
            one, other = (self.param(name, cell.init, self.embedding) for name in ("forwards", "backwards"))
            _, ys = bidirectional(cell, cell, (one, other), xs, lengths=lengths)
            return pool(ys, lengths, "last", both=True)
        # The windows side by side, in one matrix product: on a CPU much faster than a convolution and its derivative.
        around, count = self.width // 2, xs.shape[-2]
        padded = jnp.pad(xs, [(0, 0)] * (xs.ndim - 2) + [(around, self.width - 1 - around), (0, 0)])
        seen = jnp.concatenate([padded[..., i : i + count, :] for i in range(self.width)], -1)
        return pool(nn.relu(nn.Dense(self.features, name="filters")(seen)), lengths, "max")


class Tagger(nn.Module):
    """Scores of tags for each word, from its vector and its spelling, read in both directions.

        x_t = [word vector, spelling],   [h_t, g_t] = cell forwards and backwards,   scores_t = V [h_t, g_t] + c

    Plank, Søgaard & Goldberg 2016, arXiv:1604.05529. In training a word is at random read as an unknown one, the more
    so the rarer it is, so that the network learns to do with the spelling alone.

    Attributes:
      cell: the cell of either direction; or `Blocks`, in which each word sees all.
      words: the number of words; 0 is the padding, 1 an unknown word.
      characters: the size of the alphabet.
      tags: the number of tags.
      word_features: the width of a word's vector.
      spelling_features: the width of what the characters give; 0 leaves them out.
      spelling: "convolution" or "recurrent".
      dropout: share of units dropped before and after the recurrent layer, where a random stream "dropout" is given.
    """

    cell: Cell | Blocks
    words: int
    characters: int
    tags: int
    word_features: int = 100
    spelling_features: int = 64
    spelling: str = "convolution"
    dropout: float = 0.4

    @nn.compact
    def __call__(
        self, inputs: dict[str, Array], lengths: Array | None = None, carry: None = None
    ) -> tuple[None, Array]:
        """Runs the model.

        Args:
          inputs: "words" `[*batch, time]` ints, "characters" `[*batch, time, characters]` ints, "rarity" `[*batch,
            time]`: the probability with which a word is read as an unknown one in training.
          lengths: `[*batch]`, or `None` where every row is full.
          carry: none: both directions start anew with each sentence.

        Returns:
          `None`, and the scores `[*batch, time, tags]`.
        """
        del carry
        words = inputs["words"]
        if self.has_rng("dropout"):
            forgotten = jax.random.bernoulli(self.make_rng("dropout"), inputs["rarity"])
            words = jnp.where(forgotten, UNKNOWN, words)
        parts = [Embedding(self.words, self.word_features, name="words_table")(words)]
        if self.spelling_features:
            spelling = Spelling(self.characters, self.spelling_features, self.spelling, name="spelling_of_words")
            parts.append(spelling(inputs["characters"]))
        xs = self.perturb("features", jnp.concatenate(parts, -1))
        self.sow("intermediates", "vectors", xs)
        _, ys = sequence_layer(self.cell, bidirectional=True, name="layer")(Dropout(self.dropout)(xs), lengths)
        self.sow("intermediates", "states", ys)
        return None, nn.Dense(self.tags, name="readout")(Dropout(self.dropout)(ys))
