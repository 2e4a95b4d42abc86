"""What a forecast reads of its file, once a process: values, parts, windows, and what is fitted to the first part."""

from __future__ import annotations

import functools
import pathlib
from typing import TYPE_CHECKING

import numpy as np

from rnnjax.data.series import Standardiser, chronological, read_series
from rnnjax.data.windows import Units, Window, Windows, fill, restored, transformed
from rnnjax.errors import InputError, check
from rnnjax.metrics import seasonal_scale

if TYPE_CHECKING:
    from rnnjax.applications.forecast import Forecast

Means = tuple[float, ...]

STANDARD_SPLITS = {"ETTh1": (8640, 2880, 2880), "ETTh2": (8640, 2880, 2880)}
"""By the name of the file: rows of the parts that the literature uses (Zhou et al. 2021, arXiv:2012.07436)."""


def read_values(application: Forecast, path: str, argument: str = "data") -> np.ndarray:
    """The columns of a file, `[time, columns]`, the first one transformed; NaN where a value is missing.

    Raises:
      InputError: a file that cannot be read, with its line, or a value that the transform is not defined for.
    """
    series = read_series(
        path,
        application.columns,
        date=application.date,
        where=application.where,
        missing=application.missing,
        argument=argument,
    )
    values, how = series.values, application.transform
    outside = values[:, 0] <= 0 if how == "log" else values[:, 0] < 0 if how == "sqrt" else np.zeros(len(values), bool)
    for row in np.flatnonzero(outside)[:1]:
        given = f"the value {values[row, 0]:g} in row {row + 1} below the header"
        bound = "above zero" if how == "log" else "not below zero"
        raise InputError(f"column {application.column!r}", given, f"values {bound}, for the transform {how!r}")
    return np.column_stack([transformed(values[:, 0], how), values[:, 1:]])


@functools.lru_cache(maxsize=8)
def training_values(application: Forecast) -> np.ndarray:
    """The values of the application's own file."""
    return read_values(application, application.data)


def parts(application: Forecast) -> dict[str, slice]:
    """The rows of each split."""
    stem = pathlib.Path(application.data).name.split(".")[0]
    return chronological(len(training_values(application)), application.splits or STANDARD_SPLITS.get(stem, ()))


def training_means(application: Forecast) -> Means:
    """Means of the columns over the training part."""
    return Standardiser.of(training_values(application)[parts(application)["train"]]).mean


@functools.lru_cache(maxsize=8)
def training_scale(application: Forecast) -> float:
    """What MASE divides by: the mean absolute step of a season in the training part, in the units of the series."""
    past = training_values(application)[parts(application)["train"], 0]
    return seasonal_scale(restored(past, application.transform), application.season)


@functools.lru_cache(maxsize=8)
def filled_values(application: Forecast, means: Means) -> np.ndarray:
    """The application's own values, missing ones filled in from before."""
    return fill(training_values(application), application.season, np.array(means))


@functools.lru_cache(maxsize=32)
def windows_in(application: Forecast, split: str, means: Means) -> Windows:
    """All windows whose targets lie in a split.

    Raises:
      InputError: a part that has no room for one.
    """
    values, framing = training_values(application), application.framing(application.horizon)
    part = parts(application)[split]
    targets = restored(values[:, 0], application.transform)
    found = Windows(filled_values(application, means), ~np.isnan(values), targets, part, framing)
    past = f"{framing.reach} rows of the past (lag and the longest period) and {framing.horizon} ahead"
    check(len(found) > 0, "data", f"rows {part.start} to {part.stop} as {split} part", f"{past}, with a value in them")
    return found


def last_window(application: Forecast, path: str, means: Means) -> Window:
    """The window at the end of another file, whose targets have yet to come.

    Raises:
      InputError: a file that cannot be read, with its line, or one that is too short.
    """
    values, framing = read_values(application, path, "--input"), application.framing(application.horizon)
    expected = f"at least {framing.reach} (lag and the longest period)"
    check(len(values) >= framing.reach, "--input", f"{len(values)} rows", expected)
    filled, back = fill(values, application.season, np.array(means)), slice(len(values) - framing.reach, len(values))
    there = ~np.isnan(values[back])
    return Window(filled[back], there.astype(np.float32), np.full(framing.horizon, np.nan), len(values))


@functools.lru_cache(maxsize=32)
def units_of(application: Forecast) -> Units:
    """What was fitted to the training part, as the run's folder or the data have it."""
    found = application.fitted()["units"]
    back, ahead = (tuple(tuple(row) for row in found[name]) for name in ("back", "ahead"))
    return Units(found["mean"], found["target"], back, ahead)  # type: ignore[arg-type]
