"""Fixed splits of data that come without any."""

from __future__ import annotations

import numpy as np

from rnnjax.errors import check


def three_ways(count: int, seed: int = 0, validation: float = 0.1, test: float = 0.1) -> dict[str, np.ndarray]:
    """Which of so many examples go into training, validation and test.

    The examples are shuffled by NumPy's `RandomState`, whose numbers are the same in every version; the first share is
    the test, the second the validation, so that another share for validation leaves the test as it is.

    Args:
      count: the number of examples.
      seed: of the shuffling.
      validation: the share of the validation split, rounded to whole examples.
      test: the share of the test split, rounded likewise.

    Returns:
      Sorted indices of "train", "validation" and "test": each of 0 .. count - 1 in one of them.

    Raises:
      InputError: shares that leave nothing to train on, or that are negative.
    """
    for name, share in (("validation", validation), ("test", test)):
        check(0 <= share < 1, name, share, "a share from 0 to below 1")
    first, second = round(test * count), round(validation * count)
    check(first + second < count, "count", count, f"more examples than validation={second} and test={first} take")
    order = np.random.RandomState(seed).permutation(count)
    parts = {"train": order[first + second :], "validation": order[first : first + second], "test": order[:first]}
    return {split: np.sort(part) for split, part in parts.items()}
