"""Strings have as many of each letter, and targets are the symbols that may follow."""

import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import Counting

TASK = Counting(5, letters=3, shortest=2)


def spelled(symbols, names):
    """Rows of sets `[time, symbols]` as words, such as `["a", "ab", "b", "$"]`; nothing where all are zero."""
    return ["".join(name for name, value in zip(names, row, strict=True) if value) for row in symbols]


def test_strings_and_what_may_follow():
    row = Counting(3).string(2)
    assert spelled(row.inputs, "^ab") == ["^", "a", "a", "b", "b", "", ""]
    assert spelled(row.targets, "ab$") == ["a", "ab", "ab", "b", "$", "", ""]
    assert row.mask.tolist() == [1, 1, 1, 1, 1, 0, 0] and row.lengths == 5
    row = Counting(2, letters=3).string(1)
    assert spelled(row.targets, "abc$") == ["a", "ab", "c", "$", "", "", ""]


def test_all_numbers_are_as_likely(draw, assert_odds):
    batch = draw(TASK)
    counts = batch.inputs.sum(1)
    assert (counts[:, 0] == 1).all() and (counts[:, 1:] == counts[:, 1:2]).all()
    np.testing.assert_array_equal(batch.lengths, 1 + 3 * counts[:, 1])
    assert_odds(counts[:, 1, None] == np.arange(2, 6), np.full(4, 0.25))


def test_what_is_shown_next_was_legal(draw):
    batch = draw(TASK)
    following = batch.inputs[:, 1:, 1:]  # the letters, of which the outputs are the same, and the end
    np.testing.assert_array_equal((following * batch.targets[:, :-1, :-1]).sum(-1), following.sum(-1))


def test_one_wrong_symbol_makes_a_row_wrong(draw, oracle, measure):
    batch = draw(TASK)
    outputs = oracle(TASK, batch)
    outputs[:100, 3] *= -1
    metrics, solved, _ = measure(TASK, outputs, batch)
    np.testing.assert_allclose(metrics["error_rate"], 100 / len(outputs), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], 1 - 100 / batch.mask.sum(), rtol=1e-6)
    assert not solved and measure(TASK, oracle(TASK, batch), batch)[1]


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"shortest": 0}, "shortest"),
        ({"longest": 0}, "longest"),
        ({"letters": 1}, "letters"),
        ({"letters": True}, "letters"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        Counting(**options)
    assert error.value.argument == f"Counting.{argument}"
