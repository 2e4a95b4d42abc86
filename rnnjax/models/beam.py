"""Beam search: the most probable sequences that a model gives, one word after another."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.errors import check

Array = jax.Array
PyTree = Any


class Beams(NamedTuple):
    """Sequences, the best one first.

    Attributes:
      tokens: `[batch, width, length]` int32, the word that ends a sequence included, and padding after it.
      lengths: `[batch, width]` int32, the number of words, the one that ends it included.
      scores: `[batch, width]`: the logarithm of the probability over the length penalty; -inf where there are not as
        many sequences.
    """

    tokens: Array
    lengths: Array
    scores: Array


class _Search(NamedTuple):
    time: Array
    carry: PyTree
    last: Array
    tokens: Array
    logs: Array
    done: Beams


def beam_search(
    step: Callable[[PyTree, Array], tuple[PyTree, Array]],
    carry: PyTree,
    start: Array,
    *,
    end: int,
    length: int,
    width: int = 5,
    penalty: float | Array = 1.0,
    pad: int = 0,
) -> Beams:
    """Searches for the sequence with the best score, keeping the `width` best beginnings of each row. Jittable.

        score(y) = log p(y) / ((5 + |y|) / 6)^penalty

    At each step the best continuations of all beginnings stay; one that ends leaves the beam, which is narrower by one
    from there on (Sutskever, Vinyals & Le 2014, arXiv:1409.3215), and the search is over when none is left or at
    `length`, where sequences count as they are. The length penalty is that of Wu et al. 2016, arXiv:1609.08144, eq. 14.
    A width of 1 is greedy decoding; a width of as many sequences as there are finds the best of all.

    Args:
      step: `(carry, tokens [batch, width]) -> (carry, logits [batch, width, words])`, with a carry whose leaves have
        these two leading axes.
      carry: the state before the first word, its leaves `[batch, ...]`.
      start: `[batch]`, the word that each row is begun with; it is not part of the sequence.
      end: the word that ends a sequence.
      length: the most words, the one that ends the sequence included.
      width: the number of beginnings.
      penalty: the exponent; 0 prefers short sequences, 1 takes about the mean logarithm a word.
      pad: what fills the place after the end.

    Raises:
      InputError: a length or width that is no positive int.
    """
    for name, given in (("length", length), ("width", width)):
        check(isinstance(given, int) and given > 0, name, given, "a positive int")
    batch = start.shape[0]
    nothing = jnp.full((batch, width), -jnp.inf)
    empty = jnp.full((batch, width, length), pad, jnp.int32)
    search = _Search(
        time=jnp.zeros((), jnp.int32),
        carry=jax.tree.map(lambda leaf: jnp.repeat(leaf[:, None], width, axis=1), carry),
        last=jnp.repeat(start[:, None].astype(jnp.int32), width, axis=1),
        tokens=empty,
        logs=nothing.at[:, 0].set(0.0),  # all beginnings are the same one
        done=Beams(empty, jnp.zeros((batch, width), jnp.int32), nothing),
    )

    def going_on(search: _Search) -> Array:
        return (search.time < length) & (search.logs > -jnp.inf).any()

    def extend(search: _Search) -> _Search:
        carry, logits = step(search.carry, search.last)
        words = logits.shape[-1]
        logs = search.logs[..., None] + jax.nn.log_softmax(logits.astype(search.logs.dtype))
        logs, places = jax.lax.top_k(logs.reshape(batch, width * words), width)
        room = width - (search.done.scores > -jnp.inf).sum(axis=1, keepdims=True)
        logs = jnp.where(jnp.arange(width) < room, logs, -jnp.inf)
        parent, word = places // words, (places % words).astype(jnp.int32)
        carry, tokens = jax.tree.map(lambda leaf: _rows(leaf, parent), (carry, search.tokens))
        tokens = tokens.at[:, :, search.time].set(word)
        count = search.time + 1
        ended = jnp.where(word == end, logs / _penalty(count, penalty), -jnp.inf)
        done = _best(search.done, Beams(tokens, jnp.full_like(word, count), ended))
        return _Search(count, carry, word, tokens, jnp.where(word == end, -jnp.inf, logs), done)

    search = jax.lax.while_loop(going_on, extend, search)
    cut = search.logs / _penalty(search.time, penalty)
    return _best(search.done, Beams(search.tokens, jnp.full_like(search.last, search.time), cut))


@functools.lru_cache(maxsize=64)
def decoder(model: nn.Module, width: int, length: int, penalty: float, start: int, end: int) -> Any:
    """A beam search through an encoder-decoder: `(params, source, lengths) -> Beams`, compiled once a shape.

    Args:
      model: with the methods `encode` and `step` of `EncoderDecoder`.
      width: of the beam.
      length: the most words of a sequence.
      penalty: the exponent of the length penalty.
      start: the word that a sequence is begun with.
      end: the word that ends one.
    """

    def run(params: PyTree, source: Array, lengths: Array) -> Beams:
        variables = {"params": params}
        outcome: Any = model.apply(variables, source, lengths, length, method="encode")
        memory, carry = outcome

        def step(carry: PyTree, tokens: Array) -> Any:
            return model.apply(variables, memory, carry, tokens, method="step")

        first = jnp.full(source.shape[:1], start)
        return beam_search(step, carry, first, end=end, length=length, width=width, penalty=penalty)

    return jax.jit(run)


def _penalty(length: Array, exponent: float | Array) -> Array:
    return ((5 + length) / 6) ** exponent


def _best(some: Beams, others: Beams) -> Beams:
    """The best of both, as many as there were in one."""
    both = jax.tree.map(lambda a, b: jnp.concatenate([a, b], axis=1), some, others)
    _, places = jax.lax.top_k(both.scores, some.scores.shape[1])
    return jax.tree.map(lambda leaf: _rows(leaf, places), both)


def _rows(leaf: Array, places: Array) -> Array:
    """Entries of the second axis, for each row of the first: `[batch, n, ...], [batch, m] -> [batch, m, ...]`."""
    return jnp.take_along_axis(leaf, places.reshape(*places.shape, *(1,) * (leaf.ndim - 2)), axis=1)
