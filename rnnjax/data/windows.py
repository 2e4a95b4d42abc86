"""Windows of a series: what a network reads at each origin, and what it has to forecast, with no look at the future."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data.naive import last_value, seasonal_naive
from rnnjax.errors import check, check_choice

TRANSFORMS = ("none", "log", "sqrt")
DETRENDS = ("none", "last", "season")

_HARMONICS = 3
_FITTED_ON = 2000  # windows, evenly spread over the training part


class Window(NamedTuple):
    """A place in a series from which to look back and to forecast, or many, each array with a leading axis.

    Attributes:
      past: `[reach, columns]` transformed values before the origin, missing ones filled in from before.
      there: `[reach, columns]` float, 1 where a value was observed.
      targets: `[horizon]`, in the units of the series, NaN where there is none.
      origin: the row of the first target.
    """

    past: np.ndarray
    there: np.ndarray
    targets: np.ndarray
    origin: Any


@dataclasses.dataclass(frozen=True)
class Framing:
    """How a window becomes the inputs and targets of a network.

    A network forecasts how far a target lies from a base that is known at the origin, in a unit fitted to the training
    part: from its mean, from the last value, or from the seasonal naive forecast. At each step back it reads the value
    relative to the level of the window (0, the last value, the mean of the last season), its change since each period
    ago, the other columns, and where it stands in each period; for each step ahead, what was known for it.

    Args:
      lag: steps back that are read.
      horizon: steps ahead that are forecast.
      season: steps of a season, 1 for none.
      cycles: further periods, in steps.
      detrend: the base: "none" is the mean of the training part, "last" the last value, "season" the seasonal naive
        forecast.
      flags: whether what was observed, and not filled in, is marked by an input of its own, a column each.

    Raises:
      InputError: a number out of range, or an unknown base.
    """

    lag: int
    horizon: int
    _: dataclasses.KW_ONLY
    season: int = 1
    cycles: tuple[int, ...] = ()
    detrend: str = "none"
    flags: bool = False

    def __post_init__(self):
        for name in ("lag", "horizon", "season"):
            given = getattr(self, name)
            check(_is_count(given), name, given, "a positive int")
        valid = isinstance(self.cycles, tuple) and all(_is_count(cycle) and cycle > 1 for cycle in self.cycles)
        check(valid, "cycles", self.cycles, "ints above 1")
        check_choice("detrend", self.detrend, DETRENDS)

    @property
    def periods(self) -> tuple[int, ...]:
        """All of them that are longer than a step, each once."""
        return tuple(dict.fromkeys(period for period in (self.season, *self.cycles) if period > 1))

    @property
    def reach(self) -> int:
        """Rows before the origin that a window needs."""
        return self.lag + max(self.periods, default=1)

    def base(self, past: np.ndarray, mean: float) -> np.ndarray:
        """What is forecast without a network: `[batch, reach]` of the target column to `[batch, horizon]`."""
        if self.detrend == "none":
            return np.full((len(past), self.horizon), mean)
        return seasonal_naive(past, self.horizon, self.season if self.detrend == "season" else 1)

    def steps_back(self, windows: Window) -> np.ndarray:
        """What is read of each step back, `[batch, lag, features]`."""
        target, recent = windows.past[..., 0], windows.past[:, -self.lag :]
        features = [(recent[..., 0] - self._level(target))[..., None]]
        for period in self.periods:
            before = target[:, target.shape[1] - self.lag - period : target.shape[1] - period]
            features.append((recent[..., 0] - before)[..., None])
        features += [recent[..., 1:]]
        features += [windows.there[:, -self.lag :]] if self.flags else []
        rows = windows.origin[:, None] + np.arange(-self.lag, 0)
        return np.concatenate([*features, self._phases(rows)], axis=-1)

    def steps_ahead(self, windows: Window, mean: float) -> np.ndarray:
        """What is known of each step ahead, `[batch, horizon, features]`."""
        target = windows.past[..., 0]
        known = [self.base(target, mean), last_value(target, self.horizon)]
        known += [seasonal_naive(target, self.horizon, period) for period in self.periods]
        rows = windows.origin[:, None] + np.arange(self.horizon)
        return np.concatenate([np.stack(known, axis=-1) - self._level(target)[..., None], self._phases(rows)], axis=-1)

    def _level(self, target: np.ndarray) -> np.ndarray:
        """`[batch, 1]`: what values of the window are relative to."""
        if self.detrend == "none":
            return np.zeros((len(target), 1))
        steps = self.season if self.detrend == "season" else 1
        return target[:, -steps:].mean(axis=1, keepdims=True)

    def _phases(self, rows: np.ndarray) -> np.ndarray:
        """Sine and cosine of the place in each period, the first harmonics: `[batch, time, 2 * harmonics]`."""
        waves = [
            turn(2 * np.pi * order * rows / period)
            for period in self.periods
            for order in range(1, min(_HARMONICS, period // 2) + 1)
            for turn in (np.sin, np.cos)
        ]
        return np.stack(waves, axis=-1) if waves else np.zeros((*rows.shape, 0))


class Windows(Sequence):
    """All windows whose targets lie in a part of a series, in the order of time; those without a target are left out.

    What lies before the part may be read: it is the past. Windows without room for their past are left out.

    Args:
      filled: `[time, columns]` transformed values without gaps, from `fill`.
      there: `[time, columns]` bools, where a value was observed.
      targets: `[time]`, in the units of the series, NaN where there is none.
      part: rows of the series.
      framing: how far back and ahead a window goes.
      stride: rows from a window to the next.
    """

    def __init__(
        self,
        filled: np.ndarray,
        there: np.ndarray,
        targets: np.ndarray,
        part: slice,
        framing: Framing,
        stride: int = 1,
    ):
        self._filled, self._there, self._targets = filled, there.astype(np.float32), targets
        self._framing = framing
        first, last = max(part.start, framing.reach), part.stop - framing.horizon
        origins = np.arange(first, last + 1, stride)
        observed = np.concatenate([[0], np.cumsum(~np.isnan(targets))])
        self.origins = origins[observed[origins + framing.horizon] > observed[origins]] if len(origins) else origins

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        origin = int(self.origins[index])
        back = slice(origin - self._framing.reach, origin)
        ahead = slice(origin, origin + self._framing.horizon)
        return Window(self._filled[back], self._there[back], self._targets[ahead], origin)


def fill(values: np.ndarray, season: int, start: np.ndarray) -> np.ndarray:
    """Missing values of `[time, columns]` as they were a season ago, or else just before: no row looks ahead.

    Args:
      values: NaN where there is none.
      season: steps of a season.
      start: `[columns]`, what stands before the first value.
    """
    filled = np.array(values, float)
    for row in np.flatnonzero(np.isnan(filled).any(axis=1)):
        before = filled[row - 1] if row else start
        gone = np.isnan(filled[row])
        filled[row, gone] = (filled[row - season] if row >= season else before)[gone]
    return filled


def transformed(values: np.ndarray, how: str) -> np.ndarray:
    """Values under a transform: "log" is natural, "sqrt" the square root; NaN stays.

    Raises:
      InputError: an unknown transform.
    """
    check_choice("transform", how, TRANSFORMS)
    return {"none": np.asarray, "log": np.log, "sqrt": np.sqrt}[how](values)


def restored(values: np.ndarray, how: str) -> np.ndarray:
    """What `transformed` undoes; below its range a square root is taken as 0."""
    check_choice("transform", how, TRANSFORMS)
    if how == "sqrt":
        return np.square(np.maximum(values, 0))
    return np.exp(values) if how == "log" else np.asarray(values)


@dataclasses.dataclass(frozen=True)
class Units:
    """What was fitted to the training windows: the mean and the units of what a network reads and forecasts.

    Attributes:
      mean: of the transformed target column.
      target: the root mean square of targets less their base.
      back: mean and scale of each feature of the steps back.
      ahead: mean and scale of each feature of the steps ahead.
    """

    mean: float
    target: float
    back: tuple[tuple[float, ...], tuple[float, ...]]
    ahead: tuple[tuple[float, ...], tuple[float, ...]]

    @classmethod
    def of(cls, framing: Framing, windows: Windows, mean: float, transform: str) -> Units:
        """Fitted to windows of the training part, at most 2000 of them, evenly spread."""
        places = np.unique(np.linspace(0, len(windows) - 1, min(len(windows), _FITTED_ON)).astype(int))
        chosen = stacked([windows[place] for place in places.tolist()])
        residual = transformed(chosen.targets[:, : framing.horizon], transform) - framing.base(
            chosen.past[..., 0], mean
        )
        scale = float(np.sqrt(np.nanmean(np.square(residual))))
        return cls(
            mean,
            scale if scale > 1e-12 else 1.0,
            _moments(framing.steps_back(chosen)),
            _moments(framing.steps_ahead(chosen, mean)),
        )

    def inputs(self, framing: Framing, windows: Window) -> dict[str, np.ndarray]:
        """Windows as inputs of a network, float32.

        Returns:
          "past" `[batch, lag, features]`, "known" `[batch, horizon, features]`, and "base" `[batch, horizon]`, which is
          in transformed units.
        """
        back, ahead = framing.steps_back(windows), framing.steps_ahead(windows, self.mean)
        arrays = {
            "past": (back - np.array(self.back[0])) / np.array(self.back[1]),
            "known": (ahead - np.array(self.ahead[0])) / np.array(self.ahead[1]),
            "base": framing.base(windows.past[..., 0], self.mean),
        }
        return {name: array.astype(np.float32) for name, array in arrays.items()}


def stacked(windows: Sequence[Window]) -> Window:
    """Single windows as many, `[batch]` of them."""
    return Window(*(np.stack(parts) for parts in zip(*windows, strict=True)))


def _moments(features: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    flat = features.reshape(-1, features.shape[-1])
    scale = flat.std(axis=0)
    scale = np.where(scale > 1e-9 * (1 + np.abs(flat.mean(axis=0))), scale, 1.0)
    return tuple(flat.mean(axis=0).tolist()), tuple(scale.tolist())


def _is_count(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given > 0
