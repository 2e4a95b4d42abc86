"""What several figures are drawn with: quantiles, lags, lines that may run into zero or infinity, bands, decades."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def checked_mapping(argument: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The mapping that was given, which has to have entries."""
    if not isinstance(given, Mapping) or not given:
        shown = given if isinstance(given, Mapping) else type(given).__name__
        raise InputError(argument, shown, "a mapping from name to data, not empty")
    return given


def quantiles_of(values: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """`[shares, points]` over the first axis of `[rows, points]`; NaN is left out, and -inf is a value like others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # points where all are NaN
        return np.nanquantile(values, shares, axis=0, method="closest_observation")


def draw_line(axes: Axes, x: np.ndarray, values: np.ndarray, **look: Any) -> None:
    """A line through what is finite; where it runs into -inf, a cross marks the last value above zero."""
    axes.plot(x, np.where(np.isfinite(values), values, np.nan), **look)
    (stops,) = np.nonzero(np.isfinite(values[:-1]) & (values[1:] == -np.inf))
    axes.plot(x[stops], values[stops], "x", color=look["color"], markersize=4, markeredgewidth=1)


def draw_band(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str, alpha: float) -> None:
    """The area between two curves; a lower edge at -inf is the bottom of the axes."""
    bottom = axes.get_ylim()[0]
    low = np.where(low == -np.inf, bottom, low)
    there = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(there, low, 0), np.where(there, high, 0)
    axes.fill_between(x, low, high, there, color=color, alpha=alpha, linewidth=0)


def by_lag(logs: np.ndarray, relative: bool) -> np.ndarray:
    """log10 of norms `[rows, lags]` from natural logarithms `[rows, time]`; NaN where a row has no such lag.

    Zeros after the last gradient are padding, or come after the loss; a row of nothing but zeros is taken as it is.
    """
    time = logs.shape[1]
    there = logs != -np.inf
    after = np.where(there.any(axis=1), np.argmax(there[:, ::-1], axis=1), 0)
    place = time - 1 - after[:, None] - np.arange(time)
    aligned = np.where(place >= 0, np.take_along_axis(logs, np.maximum(place, 0), axis=1), np.nan) / math.log(10)
    with np.errstate(invalid="ignore"):
        return aligned - aligned[:, :1] if relative else aligned


def decades(axes: Axes, curves: Iterable[np.ndarray]) -> None:
    """Prepares the y axis for log10 of values: limits around all that is finite, ticks at powers of ten."""
    from matplotlib.ticker import FixedLocator, MultipleLocator

    finite = np.concatenate([np.ravel(curve) for curve in curves])
    finite = finite[np.isfinite(finite)]
    low, high = (finite.min(), finite.max()) if finite.size else (-1.0, 0.0)
    low, high = min(low, high - 1), max(high, low + 1)
    margin = 0.04 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    axes.yaxis.set_major_locator(MultipleLocator(next(step for step in steps if (high - low) / step <= 7)))
    axes.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:.0f}}}$")
    if high - low < 4:
        powers = np.arange(math.floor(low) - 1, math.ceil(high) + 1)
        axes.yaxis.set_minor_locator(FixedLocator((powers[:, None] + np.log10(np.arange(2, 10))).ravel().tolist()))
