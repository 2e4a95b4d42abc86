"""What several figures are drawn with: quantiles, lines that may run into zero or infinity, and bands."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def checked_mapping(argument: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The mapping that was given, which has to have entries."""
    if not isinstance(given, Mapping) or not given:
        raise InputError(argument, type(given).__name__ if given else given, "a mapping from name to data, not empty")
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
