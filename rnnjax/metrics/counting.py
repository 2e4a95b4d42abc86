"""What counts: answers and targets as flat arrays, without what the mask leaves out, checked once for all metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.errors import InputError, check

Rows = Any
"""An array of any shape, or a list of rows that may differ in length."""


def counted(
    answers: Rows, targets: Rows, mask: Rows | None = None, argument: str = "answers"
) -> tuple[np.ndarray, np.ndarray]:
    """Answers and targets `[counted]` where the mask is above zero, which has the shape of the targets.

    What does not count may be anything, NaN included. Errors call the answers by the name of their argument.

    Raises:
      InputError: nothing counts, or shapes that differ.
    """
    (given, shape), (wanted, expected) = flat(answers), flat(targets)
    check(shape == expected, argument, f"shape {shape}", f"shape {expected}, that of the targets")
    if mask is not None:
        keep = kept(mask, expected)
        given, wanted = given[keep], wanted[keep]
    check(wanted.size > 0, "targets", f"shape {expected}", "at least one target that counts")
    return given, wanted


def numbers(argument: str, values: np.ndarray) -> np.ndarray:
    """The values as float64.

    Raises:
      InputError: one is not a finite number.
    """
    try:
        wide = values.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(argument, f"dtype {values.dtype}", "numbers") from None
    finite = np.isfinite(wide)
    if not finite.all():
        raise InputError(argument, float(wide[~finite].flat[0]), "finite numbers where they count")
    return wide


def kept(mask: Rows, shape: Any) -> np.ndarray:
    """Where a mask of that shape lets values count, flat."""
    keep, given = flat(mask)
    check(given == shape, "mask", f"shape {given}", f"shape {shape}, that of the targets")
    return keep > 0


def kept_rows(mask: Rows | None, count: int) -> list[int]:
    """The places of the rows that count, of so many."""
    return list(range(count)) if mask is None else np.flatnonzero(kept(mask, (count,))).tolist()


def flat(values: Rows) -> tuple[np.ndarray, Any]:
    """The values in one axis, and their shape: of rows that differ in length, the tuple of their shapes."""
    if isinstance(values, Sequence) and not isinstance(values, str) and any(np.ndim(row) for row in values):
        rows = [np.asarray(row) for row in values]
        shapes = tuple(row.shape for row in rows)
        if len(set(shapes)) > 1:
            return np.concatenate([row.reshape(-1) for row in rows]), shapes
    array = np.asarray(values)
    return array.reshape(-1), array.shape
