"""Accuracy, F1 and confusion matrix: scikit-learn's figures, whatever the mask hides."""

import numpy as np
import pytest
from sklearn import metrics as reference

from rnnjax.errors import InputError
from rnnjax.metrics import accuracy, confusion_matrix, f1

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 5, (8, 30))
ANSWERS = np.where(RANDOM.random((8, 30)) < 0.6, TARGETS, RANDOM.integers(0, 6, (8, 30)))
MASK = (RANDOM.random((8, 30)) < 0.7).astype(np.float32)
NAMES = np.array(["noun", "verb", "adj", "adv", "x", "never due"])


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_figures_are_those_of_scikit_learn(named, masked):
    """For ints and names, with and without a mask, and for classes given and found."""
    answers, targets = (NAMES[ANSWERS], NAMES[TARGETS]) if named else (ANSWERS, TARGETS)
    mask = MASK if masked else None
    keep = MASK > 0 if masked else np.ones_like(MASK, bool)
    due, given = targets[keep], answers[keep]
    assert accuracy(answers, targets, mask) == pytest.approx(reference.accuracy_score(due, given), abs=1e-12)
    classes = [*NAMES.tolist(), "absent"] if named else 7
    labels = classes if named else list(range(7))
    for kind in ("macro", "micro"):
        expected = reference.f1_score(due, given, average=kind, zero_division=0)
        assert f1(answers, targets, mask, kind=kind) == pytest.approx(expected, abs=1e-12)
        expected = reference.f1_score(due, given, labels=labels, average=kind, zero_division=0)
        assert f1(answers, targets, mask, kind=kind, classes=classes) == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(confusion_matrix(answers, targets, mask), reference.confusion_matrix(due, given))
    expected = reference.confusion_matrix(due, given, labels=labels)
    np.testing.assert_array_equal(confusion_matrix(answers, targets, mask, classes=classes), expected)


def test_what_the_mask_hides_does_not_count():
    """Other values there, of classes that do not exist even, change nothing."""
    changed = np.where(MASK > 0, ANSWERS, -7)
    assert accuracy(changed, TARGETS, MASK) == accuracy(ANSWERS, TARGETS, MASK)
    assert f1(changed, TARGETS, MASK) == f1(ANSWERS, TARGETS, MASK)
    matrix = confusion_matrix(changed, TARGETS, MASK, classes=6)
    np.testing.assert_array_equal(matrix, confusion_matrix(ANSWERS, TARGETS, MASK, classes=6))
    assert matrix.sum() == MASK.sum()


def test_rows_of_different_lengths_are_their_steps():
    """A list of rows counts as the padded array with its mask."""
    lengths = [3, 0, 7, 1]
    rows = [ANSWERS[row, :length].tolist() for row, length in enumerate(lengths)]
    due = [TARGETS[row, :length].tolist() for row, length in enumerate(lengths)]
    mask = np.arange(30) < np.array(lengths)[:, None]
    assert accuracy(rows, due) == accuracy(ANSWERS[:4], TARGETS[:4], mask)
    assert f1(rows, due) == f1(ANSWERS[:4], TARGETS[:4], mask)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: accuracy([], []), "at least one target"),
        (lambda: accuracy([1, 2], [1, 2], [0, 0]), "at least one target"),
        (lambda: accuracy([1, 2], [1, 2, 3]), r"answers: got shape \(2,\)"),
        (lambda: accuracy([[1], [2, 3]], [[1], [2]]), "answers"),
        (lambda: accuracy([1, 2], [1, 2], [1]), "mask: got shape"),
        (lambda: f1([1], [1], kind="weighted"), "kind: got 'weighted'"),
        (lambda: confusion_matrix([3], [1], classes=3), "answers: got 3"),
        (lambda: confusion_matrix([1], ["a"], classes=["b"]), "targets: got 'a'"),
        (lambda: confusion_matrix([1], [1], classes=[1, 1]), "names that differ"),
    ],
)
def test_bad_input_is_one_error(call, words):
    with pytest.raises(InputError, match=words):
        call()
