"""The end-to-end memory network: a question, and sentences that are looked up for it in several hops."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import InputError, check

Array = jax.Array


class MemoryNetwork(nn.Module):
    """Answers a question about a story by attending to its sentences, once a hop.

        m_i = sum_j l_j * A x_ij + T_A(i),    c_i = sum_j l_j * C x_ij + T_C(i),    u_1 = sum_j l_j * B q_j
        p_i = softmax_i(u_k . m_i),    u_k+1 = u_k + sum_i p_i c_i,    logits = W u_hops+1

    Sukhbaatar, Szlam, Weston & Fergus 2015, arXiv:1503.08895. Weights are tied as in its section 2.2, "adjacent": the C
    of a hop is the A of the next, B is the first A, and W the transpose of the last C, so that answers are words; the
    same goes for T_A and T_C. l is the position encoding of section 4.1, which tells the order of words apart, and T
    the temporal encoding, which tells that of sentences: place 0 is the last one. Word 0 is the padding.

    Attributes:
      words: the number of words, the padding included; the width of the logits.
      features: the width of the embeddings.
      hops: how often the story is looked at; 0 answers from the question alone.
      sentences: the most sentences of a story.
      position_encoding: whether the order of words within a sentence counts.
      temporal_encoding: whether that of sentences does.
      scale: the standard deviation of all parameters at the start; the paper's is 0.1.
    """

    words: int
    features: int = 20
    hops: int = 3
    sentences: int = 50
    position_encoding: bool = True
    temporal_encoding: bool = True
    scale: float = 0.1

    @nn.compact
    def __call__(
        self, inputs: tuple[Array, Array], lengths: Array | None = None, carry: None = None
    ) -> tuple[None, Array]:
        """Answers a question each row.

        Args:
          inputs: the story `[batch, sentences, words]` and the question `[batch, words]`, word numbers, 0 the padding.
          lengths: `[batch]`, the sentences of each story; `None` are all that have a word.
          carry: not used.

        Returns:
          `None`, and logits `[batch, words]` over all words. What each hop attends to, `[batch, sentences]`, is kept
          under "attention" in the collection "intermediates", where that is mutable.

        Raises:
          InputError: stories and questions of other shapes, or more sentences than the network has places for.
        """
        del carry
        story, question = inputs
        if jnp.ndim(story) != 3 or jnp.ndim(question) != 2 or story.shape[0] != question.shape[0]:
            shapes = f"shape {jnp.shape(story)} and {jnp.shape(question)}"
            raise InputError("inputs", shapes, "[batch, sentences, words] and [batch, words]")
        count = story.shape[1]
        check(count <= self.sentences, "story", f"shape {story.shape}", f"at most {self.sentences} sentences")
        start = nn.initializers.normal(self.scale)
        tables = [self.param(f"table_{hop}", start, (self.words, self.features)) for hop in range(self.hops + 1)]
        places = [self.param(f"places_{hop}", start, (self.sentences, self.features)) for hop in range(self.hops + 1)]
        there = (story != 0).any(-1) if lengths is None else jnp.arange(count) < lengths[:, None]
        ago = jnp.maximum(there.sum(-1, keepdims=True) - 1 - jnp.arange(count), 0)  # 0 is the last sentence

        def memory(hop):
            found = self._sentence(tables[hop], story)
            return found + places[hop][ago] if self.temporal_encoding else found

        state = self.perturb("features", self._sentence(tables[0], question))
        memories = [memory(hop) for hop in range(self.hops + 1)] if self.hops else []
        for hop in range(self.hops):
            scores = jnp.einsum("bd,bsd->bs", state, memories[hop])
            weights = jax.nn.softmax(jnp.where(there, scores, jnp.finfo(scores.dtype).min), axis=-1)
            weights = jnp.where(there, weights, 0)  # an empty story says nothing
            self.sow("intermediates", "attention", weights)
            state = state + jnp.einsum("bs,bsd->bd", weights, memories[hop + 1])
        return None, state @ tables[-1].T

    def _sentence(self, table: Array, words: Array) -> Array:
        """The vectors of sentences, `[..., words] -> [..., features]`."""
        vectors = jnp.where((words != 0)[..., None], table[words], 0)
        if self.position_encoding:
            count = jnp.maximum((words != 0).sum(-1), 1)
            vectors = vectors * position_weights(words.shape[-1], self.features, count)
        return vectors.sum(-2)


def position_weights(places: int, features: int, count: Any = None) -> Array:
    """The weight of each feature of each word of a sentence, `[..., places, features]`.

        l_kj = (1 - j/J) - (k/d) (1 - 2j/J),    j = 1 .. J words, k = 1 .. d features

    Args:
      places: words a sentence has room for.
      features: d.
      count: J, the words of each sentence, `[...]`; `None` are all places. What lies behind them means nothing.
    """
    word = jnp.arange(1, places + 1)[:, None] / jnp.asarray(places if count is None else count)[..., None, None]
    feature = jnp.asarray(np.arange(1, features + 1) / features)
    return (1 - word) - feature * (1 - 2 * word)
