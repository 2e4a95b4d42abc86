"""Folds of cross-validation, for data with a fixed split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.errors import check

Fold = tuple[int, int]
"""Which fold, from 0 on, and of how many."""

_SEED = 0


def check_fold(fold: Any, argument: str) -> None:
    """Raises `InputError` unless this is `None`, or the number of a fold and how many there are."""
    pair = isinstance(fold, tuple) and len(fold) == 2 and all(type(number) is int for number in fold)
    expected = "None, or (FOLD, FOLDS) with FOLDS >= 2 and 0 <= FOLD < FOLDS"
    check(fold is None or (pair and fold[1] >= 2 and 0 <= fold[0] < fold[1]), argument, fold, expected)


def fold_rows(labels: ArrayLike, fold: Fold, argument: str = "fold") -> tuple[np.ndarray, np.ndarray]:
    """Which examples a fold trains on, and which it is validated on.

    The folds of one number are disjoint and cover all examples; each has its share of every label, to one example
    (scikit-learn's `StratifiedKFold`, shuffled by a fixed seed).

    Args:
      labels: of the examples, `[examples]`.
      fold: which one, and of how many.
      argument: what an error calls them.

    Returns:
      Sorted indices: all but the fold, and the fold.

    Raises:
      InputError: more folds than a label has examples.
    """
    from sklearn.model_selection import StratifiedKFold

    check_fold(fold, argument)
    labels = np.asarray(labels)
    rarest = int(np.unique(labels, return_counts=True)[1].min())
    number, count = fold
    check(count <= rarest, argument, fold, f"at most {rarest} folds: the rarest label has so many examples")
    split = StratifiedKFold(count, shuffle=True, random_state=_SEED).split(labels, labels)
    train, validation = list(split)[number]
    return np.sort(train), np.sort(validation)
