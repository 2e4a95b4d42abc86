"""How forecasts are made of a model: at once or step by step, with calibrated intervals; and those without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import numpy as np

from rnnjax.applications.application import judged
from rnnjax.applications.forecast_data import filled_values
from rnnjax.data.naive import drift, last_value, seasonal_naive
from rnnjax.data.windows import Window, restored, stacked, transformed
from rnnjax.metrics import conformal_margin
from rnnjax.tasks import Batch

if TYPE_CHECKING:
    from rnnjax.applications.forecast import Forecast


def forecasts(
    application: Forecast, model: nn.Module, params: Any, examples: Sequence[Window], batch_size: int
) -> tuple[list[np.ndarray], float]:
    """What a model forecasts of windows: `[horizon, levels]` each, not calibrated, and the mean loss."""
    run = judged(application, model)
    answers: list[np.ndarray] = []
    total = counted = 0.0
    for batch, real in application.evaluation_batches(examples, min(batch_size, len(examples))):
        outputs, loss = run(params, batch)
        weight = float(batch.mask.sum())
        total, counted = total + float(loss) * weight, counted + weight
        if application.strategy == "direct":
            answers += application.answers(jax.device_get(outputs), batch)[:real]
        else:
            answers += rolled_out(application, run, params, examples[len(answers) : len(answers) + real])
    return answers, total / max(counted, 1)


def rolled_out(application: Forecast, run: Any, params: Any, examples: Sequence[Window]) -> list[np.ndarray]:
    """One step after the other, each taken for the value of its time: `[horizon, 1]` a window.

    Args:
      application: what is forecast.
      run: `(params, batch) -> (outputs, loss)`, of a model of one step ahead.
      params: of the model.
      examples: where to begin.
    """
    windows, framing, units = stacked(examples), application.framing(1), application.units
    steps = []
    for _ in range(application.horizon):
        inputs: Any = units.inputs(framing, windows)
        nothing = np.zeros((len(examples), 1), np.float32)
        batch: Any = Batch(inputs, nothing, nothing, np.full(len(examples), application.lag, np.int32))  # type: ignore
        outputs = np.asarray(run(params, batch)[0], float)
        value = inputs["base"] + units.target * outputs[..., outputs.shape[-1] // 2]
        steps.append(value)
        row = np.concatenate([value, windows.past[:, -1, 1:]], axis=1)[:, None]
        past = np.concatenate([windows.past[:, 1:], row], axis=1)
        there = np.concatenate([windows.there[:, 1:], np.ones_like(row)], axis=1)
        windows = Window(past, there, windows.targets, windows.origin + 1)
    return list(restored(np.stack(steps, axis=1), application.transform))


def calibrated(
    application: Forecast, model: nn.Module, params: Any, answers: list[np.ndarray], batch_size: int
) -> list[np.ndarray]:
    """Answers with intervals `[horizon, 3]` that cover the share asked for in the validation part."""
    examples, how = application.examples("validation"), application.transform
    known, _ = forecasts(application, model, params, examples, batch_size)
    targets = transformed(np.stack([example.targets for example in examples]), how)
    before, after = (transformed(np.stack(rows), how) for rows in (known, answers))
    margin = conformal_margin(before[..., 0], before[..., -1], targets, application.coverage)[:, None]
    middle = after[..., after.shape[-1] // 2, None]
    low, high = np.minimum(after[..., :1] - margin, middle), np.maximum(after[..., -1:] + margin, middle)
    return list(restored(np.concatenate([low, middle, high], axis=-1), how))


def naive_forecasts(application: Forecast, split: str = "test") -> dict[str, np.ndarray]:
    """The forecasts of plain methods, by name: `[rows, horizon]`, in the units of the series."""
    means, horizon, season = tuple(application.fitted()["mean"]), application.horizon, application.season
    series = restored(filled_values(application, means)[:, 0], application.transform)
    pasts = [series[: example.origin] for example in application.examples(split)]
    found = {"seasonal_naive": [seasonal_naive(past, horizon, season) for past in pasts]}
    for period in dict.fromkeys(application.cycles):
        if period != season:
            found[f"seasonal_naive_{period}"] = [seasonal_naive(past, horizon, period) for past in pasts]
    found["last_value"] = [last_value(past, horizon) for past in pasts]
    found["drift"] = [drift(past, horizon) for past in pasts]
    return {name: np.stack(rows) for name, rows in found.items()}
