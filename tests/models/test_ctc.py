"""Connectionist temporal classification, against the sum over all paths written out."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.models.ctc import beam_labelling, ctc_loss, greedy_labelling, least_steps, likeliest_labelling

TIME, CLASSES = 4, 3
LOGITS = np.random.default_rng(0).standard_normal((6, TIME, CLASSES)).astype(np.float32) * 2
LENGTHS = np.array([4, 3, 2, 1, 0, 4], np.int32)
WIDEST = sum((CLASSES - 1) ** n for n in range(TIME + 1))  # labellings there are


def collapsed(path):
    """Repetitions and then blanks taken out."""
    return tuple(label for label, _ in itertools.groupby(path) if label != 0)


@functools.lru_cache
def labellings(row):
    """The probability of each labelling of a row: the sum over its paths."""
    logs = np.asarray(jax.nn.log_softmax(LOGITS[row]), float)
    found = {}
    for path in itertools.product(range(CLASSES), repeat=int(LENGTHS[row])):
        probability = np.exp(sum(logs[t, label] for t, label in enumerate(path)))
        found[collapsed(path)] = found.get(collapsed(path), 0) + probability
    return found


@functools.partial(jax.jit, static_argnames=("width", "most"))
def beam(logits, lengths, width=WIDEST, most=None):
    return beam_labelling(logits, lengths, width, most)


def test_the_loss_is_the_sum_over_all_paths():
    """Of every labelling that a row has room for; a row's padding has no effect."""
    noise = np.where(np.arange(TIME)[:, None] < LENGTHS[:, None, None], LOGITS, 50).astype(np.float32)
    known = [(row, labels) for row in range(len(LOGITS)) for labels in labellings(row) if labels]
    rows = np.array([row for row, _ in known])
    padded = np.zeros((len(known), TIME), np.int32)
    for place, (_, labels) in enumerate(known):
        padded[place, : len(labels)] = labels
    expected = [-np.log(labellings(row)[labels]) for row, labels in known]
    np.testing.assert_allclose(jax.jit(ctc_loss)(noise[rows], LENGTHS[rows], padded), expected, rtol=1e-4)


def test_the_fewest_steps_are_the_shortest_path():
    """No path of fewer steps stands for a labelling, and one of so many does."""
    paths = [path for time in range(6) for path in itertools.product(range(3), repeat=time)]
    for labels in ((), (1,), (1, 1), (1, 2, 2), (2, 1, 2)):
        assert least_steps(labels) == min(len(path) for path in paths if collapsed(path) == labels)


def test_a_wide_beam_finds_the_likeliest_labelling():
    """With room for all labellings the search is exact, and so is the probability that it gives."""
    labels, lengths, logs = beam(LOGITS, LENGTHS)
    for row in range(len(LOGITS)):
        best = max(labellings(row), key=labellings(row).get)
        assert tuple(labels[row, : lengths[row]].tolist()) == best and not labels[row, lengths[row] :].any()
        np.testing.assert_allclose(logs[row], np.log(labellings(row)[best]), rtol=1e-4, atol=1e-5)


def test_the_likeliest_of_a_few_labellings():
    """By the sum over their paths; of what a row has no room for none is chosen."""
    known = np.array([[1, 0, 0], [2, 1, 0], [1, 2, 1], [2, 0, 0]])
    rows = np.array([0, 1, 2, 3, 5])
    found = jax.jit(likeliest_labelling)(LOGITS[rows], LENGTHS[rows], known)
    for row, place in zip(rows, found, strict=True):
        odds = [labellings(row).get(tuple(label for label in labels if label), 0) for labels in known.tolist()]
        assert int(place) == int(np.argmax(odds))


def test_a_narrow_beam_sums_no_more_than_there_is():
    """Its probability is at most that of its labelling, and no labelling is likelier than the best."""
    for width in (1, 4):
        labels, lengths, logs = beam(LOGITS, LENGTHS, width)
        for row in range(len(LOGITS)):
            given = labellings(row)[tuple(labels[row, : lengths[row]].tolist())]
            assert np.exp(logs[row]) <= given * (1 + 1e-4) and given <= max(labellings(row).values())


def test_a_beam_counts_what_the_likeliest_path_does_not():
    """The path of blanks alone is the likeliest, at 0.36; the three that stand for the label have 0.64 together."""
    logits = np.log(np.array([[[0.6, 0.4], [0.6, 0.4]]], np.float32))
    lengths = np.array([2], np.int32)
    assert greedy_labelling(jnp.asarray(logits), lengths).lengths.tolist() == [0]
    found = beam(logits, lengths, 3)
    assert found.labels[0, :1].tolist() == [1]
    np.testing.assert_allclose(np.exp(found.log_probability), [1 - 0.36], rtol=1e-5)


def test_greedy_collapses_the_likeliest_path():
    labels, lengths, logs = jax.jit(greedy_labelling)(LOGITS, LENGTHS)
    for row, length in enumerate(LENGTHS):
        path = LOGITS[row, :length].argmax(-1)
        assert tuple(labels[row, : lengths[row]].tolist()) == collapsed(path) and not labels[row, lengths[row] :].any()
        best = np.asarray(jax.nn.log_softmax(LOGITS[row, :length]), float).max(-1).sum()
        np.testing.assert_allclose(logs[row], best, rtol=1e-5, atol=1e-6)


def test_labels_are_no_more_than_asked_for():
    labels, lengths, _ = beam(LOGITS[:1], LENGTHS[:1], 4, 1)
    assert labels.shape == (1, 1) and int(lengths.max()) <= 1


def test_bad_options_are_named():
    for options in ({"width": 0}, {"most": 0}):
        with pytest.raises(InputError, match=f"^{next(iter(options))}: "):
            beam_labelling(jnp.asarray(LOGITS), jnp.asarray(LENGTHS), **options)
