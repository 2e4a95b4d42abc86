"""Streams of a text: windows in order, within the text, cut anew in each epoch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.data.streams import Streams

CASES = [(40, 1, 5), (100, 4, 9), (37, 3, 6), (12, 1, 6), (1000, 7, 13), (9, 2, 3)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_window_begins_where_the_one_before_ended(case):
    streams = Streams(*case)
    for before, after in itertools.pairwise(streams[i] for i in range(streams.epoch)):
        np.testing.assert_array_equal(before[:, -1], after[:, 0])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_token_is_a_target_at_most_once_an_epoch(case):
    """And nearly all are: what is left out is less than a window for each stream, and two for the text."""
    count, rows, window = case
    streams = Streams(*case)
    for epoch in range(4):
        seen = [streams[epoch * streams.epoch + i] for i in range(streams.epoch)]
        targets = np.concatenate([places[:, 1:].ravel() for places in seen])
        assert len(np.unique(targets)) == len(targets) > count - (rows + 2) * window
        assert min(places.min() for places in seen) >= 0 and max(places.max() for places in seen) < count


def test_epochs_begin_at_places_drawn_from_the_seed():
    streams = Streams(1000, 4, 10, 5)
    starts = [int(streams[epoch * streams.epoch][0, 0]) for epoch in range(30)]
    assert set(starts) <= set(range(10)) and len(set(starts)) > 5
    again = Streams(1000, 4, 10, 5)
    np.testing.assert_array_equal(again[77], streams[77])
    other = Streams(1000, 4, 10, 6)
    assert starts != [int(other[epoch * other.epoch][0, 0]) for epoch in range(30)]


@pytest.mark.parametrize("case", [(10, 3, 5), (5, 1, 5), (100, 0, 5), (0, 1, 1)])
def test_a_text_too_short_is_an_error(case):
    with pytest.raises(InputError) as error:
        Streams(*case)
    assert error.value.argument == "batch_size"
