"""Forecasts of a column of a CSV file, one step or many ahead, with prediction intervals."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.applications.application import SPLITS, Evaluation, Laptop
from rnnjax.applications.forecast_answers import calibrated, forecasts, naive_forecasts
from rnnjax.applications.forecast_data import (
    last_window,
    training_means,
    training_scale,
    units_of,
    windows_in,
)
from rnnjax.applications.network import Networked
from rnnjax.cell import Cell
from rnnjax.data.windows import Framing, Units, Window, restored, stacked, transformed
from rnnjax.errors import check, check_choice
from rnnjax.metrics import coverage, mae, pinball, rmse
from rnnjax.models.forecaster import ATTENTIONS, Forecaster
from rnnjax.report import Section
from rnnjax.tasks import Batch

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Forecast(Networked):
    """Forecasts of a series from its own past, and from other columns beside it.

    The series is split in the order of time; what is fitted to it is fitted to the training part; and a forecast sees
    what lies before its origin alone. Metrics are in the units of the series, over all steps ahead of all origins of a
    split: RMSE, MAE, MASE, the mean pinball loss, and of the intervals the share of values that they hold ("coverage")
    and their mean width.

    Args:
      data: a CSV file with a header, or one compressed as `.csv.gz`.
      column: the column that is forecast.
      inputs: further columns that are read; ahead of the origin they are not known.
      date: a column of dates, which checks that rows are equally far apart; "" takes them as they are.
      where: `COLUMN=VALUE` keeps the rows with that cell alone, in a file of several series.
      missing: "error", or "mask": missing values are filled in from before, marked, and not scored.
      splits: rows or shares of the training, validation and test part; () is 70, 10 and 20 %, or `STANDARD_SPLITS`.
      horizon: steps ahead that are forecast.
      lag: steps back that are read.
      season: steps of a season, 1 for none; of the baseline too.
      cycles: further periods, in steps.
      transform: of the values: "none", "log" or "sqrt".
      detrend: what forecasts are measured from: "none" (the mean of the training part), "last" (the last value) or
        "season" (the seasonal naive forecast).
      strategy: "direct" forecasts all steps at once; "recursive" forecasts a step, takes it for the value and goes on.
        Other columns then keep their last value.
      objective: "pinball" trains the median and the ends of the interval as quantiles; "squared" the mean alone.
      coverage: of the prediction interval.
      calibrate: whether intervals of the test and of predictions are widened, or narrowed, until they cover that share
        of the validation part: conformalised quantile regression (Romano et al. 2019, arXiv:1905.03222), an approximate
        matter in a series, whose errors are not exchangeable.
      attention: "none", "additive" or "multi_head", over the states of the window.
      width: of the head's hidden layer.
      linear: how many last steps a linear autoregression beside the network reads, 0 for none.
      head_dropout: of the state that is read out.

    Raises:
      InputError: a number out of range, or an unknown name. What the file lacks is found when it is read.
    """

    name: ClassVar[str] = "forecast"
    source: ClassVar[str] = (
        "Hyndman & Athanasopoulos 2021, Forecasting: Principles and Practice; Salinas et al. 2020, arXiv:1704.04110"
    )
    metric: ClassVar[str] = "mae"
    laptop: ClassVar[Laptop] = Laptop(
        cell="lstm",
        hidden=32,
        steps=1000,
        batch_size=32,
        evaluate_every=100,
        optimizer={"learning_rate": 3e-3, "schedule": "cosine", "clip": "norm", "clip_threshold": 1.0},
        patience=5,
    )

    _: dataclasses.KW_ONLY
    column: str = ""
    inputs: tuple[str, ...] = ()
    date: str = ""
    where: str = ""
    missing: str = "error"
    splits: tuple[float, ...] = ()
    horizon: int = 1
    lag: int = 24
    season: int = 1
    cycles: tuple[int, ...] = ()
    transform: str = "none"
    detrend: str = "season"
    strategy: str = "direct"
    objective: str = "pinball"
    coverage: float = 0.9
    calibrate: bool = True
    attention: str = "none"
    width: int = 32
    linear: int = 0
    head_dropout: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        check_choice("missing", self.missing, ("error", "mask"))
        check_choice("strategy", self.strategy, ("direct", "recursive"))
        check_choice("objective", self.objective, ("pinball", "squared"))
        check_choice("attention", self.attention, ATTENTIONS)
        transformed(np.ones(1), self.transform)
        self.framing(self.horizon)
        check(not self.tfds, "tfds", self.tfds, "a CSV file as --data")
        check(0 < self.coverage < 1, "coverage", self.coverage, "a share between 0 and 1")
        check(0 <= self.linear <= self.lag, "linear", self.linear, f"0 to lag={self.lag} steps")
        heads = self.attention != "multi_head" or self.width % 4 == 0
        check(self.width > 0 and heads, "width", self.width, "a positive int, for multi_head a multiple of 4")
        check(0 <= self.head_dropout < 1, "head_dropout", self.head_dropout, "a share in [0, 1)")

    def framing(self, horizon: int) -> Framing:
        """How windows become what the network reads."""
        return Framing(
            self.lag,
            horizon,
            season=self.season,
            cycles=self.cycles,
            detrend=self.detrend,
            flags=self.missing == "mask",
        )

    @property
    def ahead(self) -> int:
        """The steps ahead that the network forecasts at once."""
        return 1 if self.strategy == "recursive" else self.horizon

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles that the network is trained on; one alone is the mean."""
        outside = (1 - self.coverage) / 2
        return (0.5,) if self.objective == "squared" else (outside, 0.5, 1 - outside)

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are read, the one that is forecast first."""
        return (self.column, *self.inputs)

    @property
    def units(self) -> Units:
        """What was fitted to the training part."""
        return units_of(self)

    # The data.

    def fit_data(self) -> dict[str, Any]:
        """Means of the columns, and the units of features and targets, of the training part alone."""
        mean = training_means(self)
        units = Units.of(self.framing(self.ahead), windows_in(self, "train", mean), mean[0], self.transform)
        return {"columns": list(self.columns), "mean": list(mean), "units": dataclasses.asdict(units)}

    def examples(self, split: str) -> Sequence[Window]:
        """All windows whose targets lie in a part of the series, in the order of time.

        Raises:
          InputError: an unknown split, a part that is too short, or a file that cannot be read, with its line.
        """
        check_choice("split", split, SPLITS)
        return windows_in(self, split, tuple(self.fitted()["mean"]))

    def length(self, example: Any) -> int:
        """The same for all."""
        return self.lag

    def collate(self, examples: list[Window], time: int) -> Batch:
        """Inputs "past", "known" and "base", targets `[batch, horizon]` less their base, and which of them count."""
        windows = stacked(examples)
        framing, units = self.framing(self.ahead), self.units
        inputs = units.inputs(framing, windows)
        targets = transformed(windows.targets[:, : self.ahead], self.transform)
        mask = np.isfinite(targets)
        scaled = np.where(mask, (targets - inputs["base"]) / units.target, 0)
        lengths = np.full(len(examples), self.lag, np.int32)
        return Batch(inputs, scaled.astype(np.float32), mask.astype(np.float32), lengths)  # type: ignore[arg-type]

    def read_inputs(self, path: str) -> list[Window]:
        """The window at the end of a file, whose values have yet to come.

        Periods are counted from the first row, so the file has to begin where in a season the training data began.

        Raises:
          InputError: a file that cannot be read, with its line, or one that is too short.
        """
        return [last_window(self, path, tuple(self.fitted()["mean"]))]

    # The model.

    def model(self, cell: Cell) -> nn.Module:
        """A recurrent layer over the window, with a head for all steps ahead."""
        return Forecaster(
            self.sequence_network(cell),
            self.ahead,
            len(self.levels),
            attention=self.attention,
            width=self.width,
            linear=self.linear,
            dropout=self.head_dropout,
        )

    def loss(self, outputs: Array, batch: Batch) -> Array:
        """The mean pinball loss of the quantiles, or the mean squared error, in the units of the scaled targets."""
        errors = batch.targets[..., None] - outputs
        if self.objective == "squared":
            losses = jnp.square(errors)
        else:
            levels = jnp.array(self.levels)
            losses = jnp.maximum(levels * errors, (levels - 1) * errors)
        each = jnp.where(batch.mask > 0, losses.mean(-1), 0)
        return each.sum() / jnp.maximum(batch.mask.sum(), 1)

    # What it is worth.

    def answers(self, outputs: Array, batch: Batch) -> list[np.ndarray]:
        """Forecasts in the units of the series, `[horizon, levels]` a row."""
        inputs: Any = batch.inputs
        values = inputs["base"][..., None] + self.units.target * np.asarray(outputs, float)
        return list(restored(values, self.transform))

    def score(self, answers: list[np.ndarray], examples: Sequence[Window]) -> dict[str, float]:
        """RMSE, MAE and MASE of the middle, and of an interval pinball loss, coverage and mean width."""
        given = np.stack(answers)
        targets = np.stack([example.targets for example in examples])[:, : given.shape[1]]
        mask = np.isfinite(targets)
        middle = given[..., given.shape[-1] // 2]
        found = self._errors(middle, targets, mask)
        if given.shape[-1] > 1:
            low, high = given[..., 0], given[..., -1]
            found["pinball"] = pinball(given, targets, self._interval, mask)
            found["coverage"] = coverage(low, high, targets, mask)
            found["width"] = float(np.mean((high - low)[mask]))
        return found

    def baseline(self, split: str = "test") -> dict[str, float]:
        """Errors of the seasonal naive forecast as "rmse", "mae", "mase", and those of other forecasts by their names.

        These are "last_value", "drift", and "seasonal_naive_" with the length of each further cycle.
        """
        found: dict[str, float] = {}
        for method, given in naive_forecasts(self, split).items():
            targets = np.stack([example.targets for example in self.examples(split)])
            errors = self._errors(given, targets, np.isfinite(targets))
            found |= errors if method == "seasonal_naive" else {f"{method}_{name}": of for name, of in errors.items()}
        return found

    def evaluate(
        self, model: nn.Module, params: Any, split: str = "validation", batch_size: int = 256, limit: int | None = None
    ) -> Evaluation:
        """How good forecasts are on a split; intervals of the test are calibrated where `calibrate` says so."""
        examples = self.examples(split)
        chosen = examples if limit is None else examples[:limit]
        answers, loss = forecasts(self, model, params, chosen, batch_size)
        if split == "test" and self.calibrate:
            answers = calibrated(self, model, params, answers, batch_size)
        return Evaluation({"loss": loss, **self.score(answers, chosen)}, answers)

    def predict(self, model: nn.Module, params: Any, examples: Sequence[Window]) -> list[dict[str, Any]]:
        """The steps ahead of each window, a JSON object each: "step", "forecast", and "low" and "high" of its interval.

        Intervals are calibrated where the training data are at hand.
        """
        answers, _ = forecasts(self, model, params, examples, 64)
        if self.calibrate and pathlib.Path(self.data).is_file():
            answers = calibrated(self, model, params, answers, 256)
        names = ("low", "forecast", "high") if answers[0].shape[-1] == 3 else ("forecast",)
        return [
            {"step": step} | {name: float(value) for name, value in zip(names, row, strict=True)}
            for answer in answers
            for step, row in enumerate(answer, 1)
        ]

    def figures(self, model: nn.Module, params: Any) -> tuple[Section, ...]:
        """Forecasts with their intervals over the end of the test, and errors by the step ahead."""
        from rnnjax.applications.forecast_report import forecast_sections

        return forecast_sections(self, self.evaluate(model, params, "test").answers)

    @property
    def _interval(self) -> tuple[float, ...]:
        outside = (1 - self.coverage) / 2
        return (outside, 0.5, 1 - outside)

    def _errors(self, answers: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> dict[str, float]:
        found = {"rmse": rmse(answers, targets, mask), "mae": mae(answers, targets, mask)}
        return found | {"mase": found["mae"] / training_scale(self)}
