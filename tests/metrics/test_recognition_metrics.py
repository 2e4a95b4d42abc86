"""Error rates of words and characters: jiwer's figures, and the laws of a distance."""

import itertools

import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.metrics import character_error_rate, edit_distance, word_error_rate

RANDOM = np.random.default_rng(0)


def texts(count):
    """Texts over a few words, so that they have much in common."""
    words = np.array(["zero", "one", "two", "three", "seven"])
    return [" ".join(RANDOM.choice(words, RANDOM.integers(1, 9))) for _ in range(count)]


def test_rates_are_those_of_jiwer():
    jiwer = pytest.importorskip("jiwer")
    for _ in range(20):
        references, answers = texts(6), texts(6)
        answers[0] = ""
        answers[1] = "  " + answers[1] + " "
        assert word_error_rate(answers, references) == pytest.approx(jiwer.wer(references, answers), abs=1e-12)
        assert character_error_rate(answers, references) == pytest.approx(jiwer.cer(references, answers), abs=1e-12)


def edits(answer, reference):
    """The distance by its definition, over all ways to go."""
    if not answer or not reference:
        return len(answer) + len(reference)
    return min(
        edits(answer[1:], reference) + 1,
        edits(answer, reference[1:]) + 1,
        edits(answer[1:], reference[1:]) + (answer[0] != reference[0]),
    )


def test_the_distance_is_the_least_number_of_edits():
    words = ["", "a", "ab", "ba", "bab", "abba", "babab"]
    for one, other in itertools.product(words, words):
        assert edit_distance(one, other) == edits(one, other)


def test_the_distance_is_a_metric():
    rows = [RANDOM.integers(0, 3, RANDOM.integers(0, 12)).tolist() for _ in range(8)]
    for one, two, three in itertools.product(rows, rows, rows):
        assert edit_distance(one, two) == edit_distance(two, one)
        assert (edit_distance(one, two) == 0) == (one == two)
        assert edit_distance(one, three) <= edit_distance(one, two) + edit_distance(two, three)


def test_rows_are_weighed_by_their_length_and_masked():
    answers, references = ["one", "two two two"], ["one", "one two three"]
    assert word_error_rate(answers, references) == pytest.approx(2 / 4)
    assert word_error_rate(answers, references, [1, 0]) == 0
    assert word_error_rate([["o", "ne"]], [["o", "n", "e"]]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("metric", [word_error_rate, character_error_rate])
def test_bad_rows_are_one_error(metric):
    for answers, references in (([], []), (["a"], [""]), (["a"], ["a", "b"]), ("a", ["a"])):
        with pytest.raises(InputError, match=r"answers|references"):
            metric(answers, references)
