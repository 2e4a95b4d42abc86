"""Metrics of classes: accuracy, F1 and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.errors import InputError, check, check_choice
from rnnjax.metrics.counting import Rows, counted


def accuracy(answers: Rows, targets: Rows, mask: Rows | None = None) -> float:
    """The share of targets that were answered right.

    Args:
      answers: classes, as ints or as names: an array of any shape, or rows that differ in length.
      targets: the right ones, of the same shape.
      mask: of the same shape, above zero where a target counts.

    Raises:
      InputError: nothing counts, or shapes that differ.
    """
    given, wanted = counted(answers, targets, mask)
    return float(np.mean(given == wanted))


def f1(
    answers: Rows,
    targets: Rows,
    mask: Rows | None = None,
    *,
    kind: str = "macro",
    classes: int | Sequence[Any] | None = None,
) -> float:
    """The harmonic mean of precision and recall (van Rijsbergen 1979, Information Retrieval, ch. 7).

        F1 = 2 TP / (2 TP + FP + FN)

    A class that was neither answered nor due has the F1 of 0, and counts in the macro mean if `classes` names it.

    Args:
      answers: classes, as ints or as names: an array of any shape, or rows that differ in length.
      targets: the right ones, of the same shape.
      mask: of the same shape, above zero where a target counts.
      kind: "macro" is the mean of the classes' F1; "micro" is the F1 of the counts summed over classes, which equals
        the accuracy where each target has one class.
      classes: the classes that count: their number, where they are 0, 1, ..., or all of them by name; `None` takes
        those that occur.

    Raises:
      InputError: nothing counts, shapes that differ, an unknown kind, or a class that `classes` does not name.
    """
    check_choice("kind", kind, ("macro", "micro"))
    matrix = confusion_matrix(answers, targets, mask, classes=classes)
    right = matrix.diagonal()
    denominator = matrix.sum(0) + matrix.sum(1)
    if kind == "micro":
        return float(2 * right.sum() / denominator.sum())
    return float(np.mean(2 * right / np.maximum(denominator, 1)))


def confusion_matrix(
    answers: Rows, targets: Rows, mask: Rows | None = None, *, classes: int | Sequence[Any] | None = None
) -> np.ndarray:
    """How often each class was answered where each was due: `[classes, classes]` int64, a row a target.

    Args:
      answers: classes, as ints or as names: an array of any shape, or rows that differ in length.
      targets: the right ones, of the same shape.
      mask: of the same shape, above zero where a target counts.
      classes: the order of rows and columns: the number of classes, where they are 0, 1, ..., or all of them by name;
        `None` sorts those that occur.

    Raises:
      InputError: nothing counts, shapes that differ, or a class that `classes` does not name.
    """
    given, wanted = counted(answers, targets, mask)
    if classes is None:
        order = np.unique(np.concatenate([given, wanted]))
    else:
        order = np.arange(classes) if isinstance(classes, int) else np.asarray(classes)
        check(order.ndim == 1 and order.size > 0, "classes", classes, "a number of classes > 0, or their names")
        check(len(np.unique(order)) == order.size, "classes", list(order), "names that differ")
    rows, columns = (_places(argument, values, order) for argument, values in (("targets", wanted), ("answers", given)))
    counts = np.bincount(rows * order.size + columns, minlength=order.size**2)
    return counts.reshape(order.size, order.size).astype(np.int64)


def _places(argument: str, values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The place of each value in `order`, which need not be sorted."""
    ascending = np.argsort(order, kind="stable")
    found = np.minimum(np.searchsorted(order[ascending], values), order.size - 1)
    places = ascending[found]
    strange = order[places] != values
    if strange.any():
        raise InputError(argument, values[strange][0].item(), f"one of the {order.size} classes")
    return places
