"""Beam search against enumeration and against greedy decoding, on models that are tables."""

from __future__ import annotations

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.models.beam import beam_search
from rnnjax.models.decoding import greedy

BATCH, WORDS, LENGTH, END = 4, 3, 4, 2
STATES = 41
LOGITS = 2 * np.random.default_rng(0).standard_normal((BATCH, STATES, WORDS)).astype(np.float32)
LOGITS[..., END] -= 1  # so that sequences differ in length


def after(state, token):
    """The state of a model that remembers all that it has read: a number that each word changes."""
    return (state * 7 + token + 1) % STATES


def step(carry, tokens):
    """Rows differ, so that one that took another's state or row would show."""
    state = after(carry["state"], tokens)
    rows = jnp.arange(BATCH).reshape(-1, *(1,) * (tokens.ndim - 1))
    return {"state": state}, jnp.asarray(LOGITS)[rows, state]


@functools.partial(jax.jit, static_argnames=("width", "penalty", "length"))
def search(width, penalty=1.0, length=LENGTH):
    carry = {"state": jnp.arange(BATCH)}
    return beam_search(step, carry, jnp.zeros(BATCH, int), end=END, length=length, width=width, penalty=penalty)


def log_probability(row, sequence):
    state, token, total = row, 0, 0.0
    for word in sequence:
        state = after(state, token)
        logits = LOGITS[row, state].astype(float)
        total += logits[word] - np.log(np.exp(logits).sum())
        token = word
    return total


def every_sequence():
    """All that end within the length, and those of full length that do not."""
    for count in range(1, LENGTH + 1):
        for sequence in itertools.product(range(WORDS), repeat=count):
            if END not in sequence[:-1] and (sequence[-1] == END or count == LENGTH):
                yield sequence


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_as_wide_as_everything_finds_all_in_order(penalty):
    """The sequences by enumeration, the best first, each with its score and length."""
    sequences = list(every_sequence())
    beams = search(WORDS**LENGTH, penalty)
    for row in range(BATCH):
        scored = sorted(
            ((log_probability(row, s) / ((5 + len(s)) / 6) ** penalty, s) for s in sequences), key=lambda pair: -pair[0]
        )
        np.testing.assert_allclose(beams.scores[row, : len(scored)], [score for score, _ in scored], rtol=1e-4)
        assert np.all(beams.scores[row, len(scored) :] == -np.inf)
        best = scored[0][1]
        assert tuple(beams.tokens[row, 0, : len(best)].tolist()) == best and beams.lengths[row, 0] == len(best)
        assert not beams.tokens[row, 0, len(best) :].any()


def test_a_beam_of_one_is_greedy():
    """The likeliest word at each step, up to the first end."""
    beams = search(1, length=8)
    _, expected = greedy(step, {"state": jnp.arange(BATCH)}, jnp.zeros(BATCH, int), 8, end=END)
    lengths = np.asarray(beams.lengths[:, 0])
    assert lengths.min() < lengths.max()  # rows that end at different steps are among them
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(beams.tokens[row, 0, :length], expected[row, :length])
        assert length == 8 or beams.tokens[row, 0, length - 1] == END
        sequence = beams.tokens[row, 0, :length].tolist()
        score = log_probability(row, sequence) / ((5 + length) / 6)
        np.testing.assert_allclose(beams.scores[row, 0], score, rtol=1e-4)


@pytest.mark.parametrize("width", [2, 4])
def test_scores_are_those_of_the_sequences(width):
    """Whatever was found has the score that its words give it, best first, and no sequence is there twice."""
    beams = jax.device_get(search(width))
    for row in range(BATCH):
        found = [tuple(t[:n]) for t, n, s in zip(*(leaf[row] for leaf in beams), strict=True) if s > -np.inf]
        assert len(found) == len(set(found)) == width
        scores = [log_probability(row, s) / ((5 + len(s)) / 6) for s in found]
        np.testing.assert_allclose(beams.scores[row], scores, rtol=1e-4)
        assert scores == sorted(scores, reverse=True)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="width"):
        search(0)
    with pytest.raises(InputError, match="length"):
        search(2, length=0)
