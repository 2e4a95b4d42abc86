"""Forecasts without a model, which every model has to beat: the last season, the last value, the drift.

Hyndman & Athanasopoulos 2021, Forecasting: Principles and Practice, 3rd ed., sec. 5.2. All take the past `[..., time]`
without missing values, oldest first, and give `[..., horizon]`.
"""

from __future__ import annotations

import numpy as np

from rnnjax.errors import check


def seasonal_naive(past: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """What was a season ago; beyond a season, the last one again and again.

        forecast_{t+h} = y_{t+h-kS}     with the least k that leads into the past

    Raises:
      InputError: a past shorter than a season.
    """
    past = np.asarray(past)
    check(past.shape[-1] >= season > 0, "season", season, f"1 to {past.shape[-1]}, the length of the past")
    return past[..., past.shape[-1] - season + np.arange(horizon) % season]


def last_value(past: np.ndarray, horizon: int) -> np.ndarray:
    """The last value, for every step ahead."""
    return seasonal_naive(past, horizon, 1)


def drift(past: np.ndarray, horizon: int) -> np.ndarray:
    """The line through the first and the last value, carried on: the last value and the mean step of the past.

    Raises:
      InputError: a past of fewer than two values.
    """
    past = np.asarray(past, float)
    check(past.shape[-1] > 1, "past", f"shape {past.shape}", "at least two values in the last axis")
    slope = (past[..., -1:] - past[..., :1]) / (past.shape[-1] - 1)
    return past[..., -1:] + slope * np.arange(1, horizon + 1)
