"""Successes by length, counted from booleans and from metrics, and how far they reach."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.analysis import reach, success_by_length


def test_trials_are_counted():
    """From booleans of any shape, from a function of the length, and from a metric with a bound."""
    lengths = [10, 20, 40]
    outcomes = [np.ones((2, 3), bool), np.array([True, False]), jnp.zeros(4, bool)]
    found = success_by_length(outcomes, lengths)
    assert found.lengths.tolist() == lengths and found.solved.tolist() == [6, 1, 0] and found.of.tolist() == [6, 2, 4]
    np.testing.assert_array_equal(found.rates, [1, 0.5, 0])
    asked = []

    def errors(length):
        asked.append(length)
        return jnp.array([0.001, 0.02, np.nan, 0.0]) * length

    found = success_by_length(errors, lengths, below=0.3)
    assert asked == lengths and found.solved.tolist() == [3, 2, 2] and found.of.tolist() == [4, 4, 4]
    assert success_by_length(errors, lengths, above=0.3).solved.tolist() == [0, 1, 1]


def test_reach_is_the_end_of_the_unbroken_run():
    found = success_by_length([[True] * 4, [True, True, False, False], [False] * 4, [True] * 4], [10, 20, 30, 40])
    assert reach(found) == 20 and reach(found, 0.6) == 10 and reach(found, 1.0) == 10
    shuffled = success_by_length([[True] * 4, [False] * 4, [True] * 4], [40, 30, 10])
    assert reach(shuffled) == 10
    assert reach(success_by_length([[False]], [5])) == 0


@pytest.mark.parametrize(
    ("outcomes", "lengths", "bounds", "expected"),
    [
        ([], [], {}, "lengths: got"),
        ([[True]], [1, 2], {}, r"outcomes: got shape \(1,\), expected one for each of 2 lengths"),
        ([[]], [1], {}, "outcomes: got shape"),
        ([[0.5]], [1], {}, "below, above: got .*, expected one of them"),
        ([[0.5]], [1], dict(below=1.0, above=0.0), "below, above: got"),
        ([[True]], [1], dict(below=1.0), "below, above: got .*, expected neither"),
    ],
)
def test_errors_name_the_argument(outcomes, lengths, bounds, expected):
    with pytest.raises(InputError, match=expected):
        success_by_length(outcomes, lengths, **bounds)
    with pytest.raises(InputError, match="rate: got 0"):
        reach(success_by_length([[True]], [1]), 0)
