"""Metrics of values: errors of point forecasts, and of quantiles and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.errors import check
from rnnjax.metrics.counting import Rows, counted, numbers


def rmse(answers: Rows, targets: Rows, mask: Rows | None = None) -> float:
    """The root of the mean squared error, in the units of the targets.

    Args:
      answers: values: an array of any shape, or rows that differ in length.
      targets: the right ones, of the same shape.
      mask: of the same shape, above zero where a target counts.

    Raises:
      InputError: nothing counts, a value that counts is not finite, or shapes that differ.
    """
    return float(np.sqrt(np.mean(np.square(_errors(answers, targets, mask)))))


def mae(answers: Rows, targets: Rows, mask: Rows | None = None) -> float:
    """The mean absolute error, in the units of the targets.

    Args:
      answers: values: an array of any shape, or rows that differ in length.
      targets: the right ones, of the same shape.
      mask: of the same shape, above zero where a target counts.

    Raises:
      InputError: nothing counts, a value that counts is not finite, or shapes that differ.
    """
    return float(np.mean(np.abs(_errors(answers, targets, mask))))


def mase(answers: Rows, targets: Rows, past: Any, mask: Rows | None = None, *, season: int = 1) -> float:
    """The mean absolute scaled error (Hyndman & Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001).

    The mean absolute error over that of the seasonal naive forecast within the training series, a step ahead of each
    value: `mean |y_t - y_{t-season}|`. Below 1 the forecasts are better than that one was in training.

    Args:
      answers: values: an array of any shape, or rows that differ in length.
      targets: the right ones, of the same shape.
      past: `[time]`, the training series; missing values are NaN, and pairs with one are left out.
      mask: of the same shape as the targets, above zero where a target counts.
      season: steps of a season; 1 is the last value.

    Raises:
      InputError: as `mae`; or a training series that is no longer than a season, or repeats itself exactly.
    """
    return mae(answers, targets, mask) / seasonal_scale(past, season)


def seasonal_scale(past: Any, season: int = 1) -> float:
    """What `mase` divides by: the mean of `|y_t - y_{t-season}|` over a training series `[time]`, NaN left out.

    Raises:
      InputError: a series that is no longer than a season, or repeats itself exactly.
    """
    series = np.asarray(past, float)
    check(isinstance(season, int) and season > 0, "season", season, "a positive int")
    valid = series.ndim == 1 and series.size > season
    check(valid, "past", f"shape {series.shape}", f"shape (time,), with time > season={season}")
    steps = np.abs(series[season:] - series[:-season])
    steps = steps[~np.isnan(steps)]
    check(steps.size > 0, "past", "missing values alone", f"values that are season={season} steps apart")
    scale = float(steps.mean())
    check(0 < scale < np.inf, "past", f"a mean seasonal step of {scale}", "a finite one above zero")
    return scale


def pinball(answers: Any, targets: Any, levels: Sequence[float], mask: Any = None) -> float:
    """The mean pinball loss of quantiles (Koenker & Bassett 1978, doi:10.2307/1913643).

        loss = max(q (y - a), (q - 1) (y - a))     at level q

    Args:
      answers: `[..., levels]`, a quantile a level.
      targets: `[...]`.
      levels: between 0 and 1, in the order of the answers' last axis.
      mask: `[...]`, above zero where a target counts.

    Raises:
      InputError: nothing counts, a value that counts is not finite, shapes that differ, or a level out of range.
    """
    given, wanted, share = np.asarray(answers), np.asarray(targets), np.asarray(levels, float)
    valid = share.ndim == 1 and share.size > 0 and bool(((share > 0) & (share < 1)).all())
    check(valid, "levels", levels, "numbers between 0 and 1")
    expected = (*wanted.shape, share.size)
    check(given.shape == expected, "answers", f"shape {given.shape}", f"shape {expected}")
    losses = []
    for place, level in enumerate(share):
        errors = -_errors(given[..., place], wanted, mask)
        losses.append(np.mean(np.maximum(level * errors, (level - 1) * errors)))
    return float(np.mean(losses))


def coverage(low: Rows, high: Rows, targets: Rows, mask: Rows | None = None) -> float:
    """The share of targets within their interval, ends included.

    Args:
      low: lower ends: an array of any shape, or rows that differ in length.
      high: upper ends, of the same shape.
      targets: of the same shape.
      mask: of the same shape, above zero where a target counts.

    Raises:
      InputError: nothing counts, a value that counts is not finite, or shapes that differ.
    """
    above = -_errors(low, targets, mask, "low") >= 0
    below = _errors(high, targets, mask, "high") >= 0
    return float(np.mean(above & below))


def _errors(answers: Rows, targets: Rows, mask: Rows | None, argument: str = "answers") -> np.ndarray:
    """Answers less targets, `[counted]`."""
    given, wanted = counted(answers, targets, mask, argument)
    return numbers(argument, given) - numbers("targets", wanted)
