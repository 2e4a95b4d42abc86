"""A small Transformer, the yardstick of the recurrent models: encoder, decoder-only, and encoder-decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import attention
from rnnjax.errors import check
from rnnjax.models.encoder_decoder import Pair
from rnnjax.models.layers import Dropout, valid_steps

Array = jax.Array
PyTree = Any


class Cache(NamedTuple):
    """Keys and values of steps, in each head of a layer: `[*batch, heads, length, features]`."""

    keys: Array
    values: Array


class Past(NamedTuple):
    """The state of a Transformer that writes step by step.

    Attributes:
      place: `[*batch]` int32, the number of steps made.
      caches: one a layer.
    """

    place: Array
    caches: tuple[Cache, ...]


class Transformer(nn.Module):
    """Layers of self-attention: with `causal` a decoder-only Transformer, else an encoder.

    Called like a recurrent layer, so that it can stand in the place of `Recurrent` or `Bidirectional`.

        x = W input + position,     x = x + attention(norm(x)),     x = x + U relu(V norm(x) + b) + c,     y = norm(x)

    Vaswani et al. 2017, arXiv:1706.03762, with their sinusoidal positions, and with the norm ahead of each part and
    after the last one (Xiong et al. 2020, arXiv:2002.04745), which trains without a warm-up.

    Attributes:
      features: the width of all layers.
      layers: how many.
      heads: how many in each layer; a divisor of `features`.
      hidden: the width of the feed-forward part; `None` is four times `features`.
      causal: whether a step sees itself and earlier ones only.
      dropout: of the inputs and of what each part adds.
      cross: whether each layer also attends to a memory that is given in the call.
      project: whether the inputs go through an affine map first; needed where they are not `features` wide.
    """

    features: int
    layers: int = 2
    heads: int = 4
    hidden: int | None = None
    causal: bool = False
    dropout: float = 0.0
    cross: bool = False
    project: bool = True

    def setup(self):
        check(self.features % self.heads == 0, "heads", self.heads, f"a divisor of features={self.features}")
        self.inner = nn.Dense(self.features) if self.project else None
        hidden = self.hidden or 4 * self.features
        self.stack = [Layer(self.features, self.heads, hidden, self.dropout, self.cross) for _ in range(self.layers)]
        self.norm = nn.LayerNorm()
        self.drop = Dropout(self.dropout)

    def __call__(
        self,
        inputs: Array,
        lengths: Array | None = None,
        carry: None = None,
        *,
        memory: Sequence[Cache] | None = None,
        memory_mask: Array | None = None,
    ) -> tuple[None, Array]:
        """All steps at once: `[*batch, time, in_features]` to `None` and `[*batch, time, features]`.

        Outputs past a row's length are zero, and what stands there has no effect.

        Args:
          inputs: what is read.
          lengths: `[*batch]`, or `None` where every row is full.
          carry: takes nothing; it stands here as in recurrent layers.
          memory: from `remember`, what to attend to, with `cross`.
          memory_mask: bools that broadcast to `[*batch, time, keys]`.
        """
        del carry
        time = inputs.shape[-2]
        valid = valid_steps(inputs, lengths)
        inputs = jnp.where(valid, inputs, 0)
        xs = self._placed(inputs, positions(time, self.features))
        mask = None if lengths is None else attention.key_mask(lengths, time)
        if self.causal:
            past = attention.causal_mask(time)
            mask = past if mask is None else mask & past
        for layer, known in zip(self.stack, memory or [None] * self.layers, strict=True):
            xs = layer(xs, mask, known, memory_mask)
        return None, jnp.where(valid, self.norm(xs), 0)

    def remember(self, states: Array) -> tuple[Cache, ...]:
        """What each layer needs of the states that it is to attend to, `[*batch, keys, features]`, with `cross`."""
        return tuple(layer.remember(states) for layer in self.stack)

    def start(self, batch_shape: tuple[int, ...], length: int) -> Past:
        """The state before the first of at most `length` steps, for `step`."""
        empty = jnp.zeros((*batch_shape, self.heads, length, self.features // self.heads))
        return Past(jnp.zeros(batch_shape, jnp.int32), (Cache(empty, empty),) * self.layers)

    def step(
        self, past: Past, x: Array, memory: Sequence[Cache] | None = None, memory_mask: Array | None = None
    ) -> tuple[Past, Array]:
        """One step of a causal Transformer, `[*batch, in_features] -> [*batch, features]`.

        What all steps at once give at its place. Memory axes are those of a call without time.
        """
        length = past.caches[0].keys.shape[-2] if past.caches else 1
        table = jnp.asarray(positions(length, self.features))
        xs = self._placed(x[..., None, :], table[past.place][..., None, :])
        caches = []
        for layer, cache, known in zip(self.stack, past.caches, memory or [None] * self.layers, strict=True):
            cache, xs = layer.step(cache, past.place, xs, known, memory_mask)
            caches.append(cache)
        return Past(past.place + 1, tuple(caches)), self.norm(xs)[..., 0, :]

    def _placed(self, xs: Array, places: Any) -> Array:
        xs = xs if self.inner is None else self.inner(xs)
        return self.drop(xs + places)


class Layer(nn.Module):
    """A layer of a Transformer: self-attention, attention to a memory with `cross`, and a feed-forward part."""

    features: int
    heads: int
    hidden: int
    dropout: float
    cross: bool

    def setup(self):
        start = lambda key: attention.init_heads(key, self.features, self.features)  # noqa: E731
        self.own = self.param("self_attention", start)
        self.own_norm, self.wide_norm = nn.LayerNorm(), nn.LayerNorm()
        if self.cross:
            self.other = self.param("cross_attention", start)
            self.other_norm = nn.LayerNorm()
        self.wide, self.narrow = nn.Dense(self.hidden), nn.Dense(self.features)
        self.drop = Dropout(self.dropout)

    def __call__(self, xs: Array, mask: Array | None, memory: Cache | None, memory_mask: Array | None) -> Array:
        """All steps, `[*batch, time, features]`."""
        read = self.own_norm(xs)
        xs = xs + self.drop(self._attended(self.own, read, self._keys(self.own, read), mask))
        return self._rest(xs, memory, memory_mask)

    def step(
        self, cache: Cache, place: Array, xs: Array, memory: Cache | None, memory_mask: Array | None
    ) -> tuple[Cache, Array]:
        """One step, `[*batch, 1, features]`, which sees those in the cache and itself."""
        read = self.own_norm(xs)
        here = (jnp.arange(cache.keys.shape[-2]) == place[..., None])[..., None, :, None]
        cache = jax.tree.map(lambda new, old: jnp.where(here, new, old), self._keys(self.own, read), cache)
        seen = attention.key_mask(place + 1, cache.keys.shape[-2])
        xs = xs + self.drop(self._attended(self.own, read, cache, seen))
        return cache, self._rest(xs, memory, memory_mask)

    def remember(self, states: Array) -> Cache:
        """Keys and values of states `[*batch, keys, features]` to attend to."""
        return self._keys(self.other, states)

    def _keys(self, params: attention.Params, xs: Array) -> Cache:
        return Cache(*(attention.split_heads(xs @ params[name], self.heads) for name in ("key_kernel", "value_kernel")))

    def _attended(self, params: attention.Params, xs: Array, known: Cache, mask: Array | None) -> Array:
        queries = attention.split_heads(xs @ params["query_kernel"], self.heads)
        attended = attention.dot_product(queries, known.keys, known.values, mask=mask)
        return attention.join_heads(attended.context) @ params["output_kernel"]

    def _rest(self, xs: Array, memory: Cache | None, memory_mask: Array | None) -> Array:
        if self.cross:
            assert memory is not None
            xs = xs + self.drop(self._attended(self.other, self.other_norm(xs), memory, memory_mask))
        return xs + self.drop(self.narrow(nn.relu(self.wide(self.wide_norm(xs)))))


class TransformerEncoderDecoder(nn.Module):
    """A Transformer that reads and one that writes, with the interface of `EncoderDecoder`.

    Attributes:
      source_words: the number of words of the source; word 0 is padding.
      target_words: that of the target.
      features: the width of all layers.
      layers: of the encoder, and of the decoder.
      heads: how many in each layer.
      hidden: the width of the feed-forward parts; `None` is four times `features`.
      shared_words: whether source and target have one table of word vectors.
      dropout: of word vectors with their positions, and of what each part adds.

    Raises:
      InputError: heads that do not divide the width, or tables to share of unequal size.
    """

    source_words: int
    target_words: int
    features: int = 256
    layers: int = 3
    heads: int = 4
    hidden: int | None = None
    shared_words: bool = True
    dropout: float = 0.0

    def setup(self):
        fits = not self.shared_words or self.source_words == self.target_words
        check(fits, "shared_words", self.shared_words, "False, where source and target have other numbers of words")
        start = nn.initializers.normal(self.features**-0.5)
        table = lambda words: nn.Embed(words, self.features, embedding_init=start)  # noqa: E731
        self.target_table = table(self.target_words)
        self.source_table = self.target_table if self.shared_words else table(self.source_words)
        shape = dict(layers=self.layers, heads=self.heads, hidden=self.hidden, dropout=self.dropout, project=False)
        self.encoder = Transformer(self.features, **shape)  # pyright: ignore[reportArgumentType]
        self.decoder = Transformer(self.features, causal=True, cross=True, **shape)  # pyright: ignore[reportArgumentType]
        self.output_bias = self.param("output_bias", nn.initializers.zeros, (self.target_words,))

    def __call__(self, inputs: Pair, lengths: Array | None = None, carry: None = None) -> tuple[None, Array]:
        """`None` and the logits `[batch, steps, target_words]`, under teacher forcing; `Pair.own` is not looked at."""
        del carry
        source, prefix, _ = inputs
        memory, mask = self._read(source, lengths)
        _, vectors = self.decoder(self._embedded(self.target_table, prefix), memory=memory, memory_mask=mask)
        return None, self._logits(vectors)

    def encode(self, source: Array, lengths: Array | None = None, length: int | None = None) -> tuple[PyTree, Past]:
        """Reads a source `[batch, time]`: what the decoder knows of it, and the state before at most `length` steps."""
        return self._read(source, lengths), self.decoder.start(source.shape[:1], length or source.shape[1])

    def step(self, memory: PyTree, carry: Past, tokens: Array) -> tuple[Past, Array]:
        """One step of the decoder: as `EncoderDecoder.step`."""
        if tokens.ndim == 2:  # of several beginnings a row, which have one source
            memory = jax.tree.map(lambda leaf: leaf[:, None], memory)
        known, mask = memory
        carry, vectors = self.decoder.step(carry, self._embedded(self.target_table, tokens), known, mask)
        return carry, self._logits(vectors)

    def _read(self, source: Array, lengths: Array | None) -> tuple[tuple[Cache, ...], Array]:
        if lengths is None:
            lengths = jnp.full(source.shape[:1], source.shape[1])
        embedded = self.perturb("features", self._embedded(self.source_table, source))
        states = self.encoder(embedded, lengths)[1]
        return self.decoder.remember(states), attention.key_mask(lengths, source.shape[1])

    def _embedded(self, table: nn.Embed, tokens: Array) -> Array:
        return table(tokens) * self.features**0.5

    def _logits(self, vectors: Array) -> Array:
        return self.target_table.attend(vectors) + self.output_bias


def positions(time: int, features: int) -> np.ndarray:
    """Sines and cosines of the step, of wavelengths from 2 pi to 10000 * 2 pi: `[time, features]` float32.

    Vaswani et al. 2017, sec. 3.5, with the sines in the first half and the cosines in the second.
    """
    half = (features + 1) // 2
    angles = np.arange(time)[:, None] / 10000 ** (np.arange(half) / half)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)[:, :features].astype(np.float32)
