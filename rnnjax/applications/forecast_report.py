"""What a report shows of forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rnnjax.analysis.figures_forecast import forecast_figure, horizon_error_figure
from rnnjax.applications.forecast_answers import naive_forecasts
from rnnjax.report import Section

if TYPE_CHECKING:
    from rnnjax.applications.forecast import Forecast

_SHOWN = 200  # steps, at least four forecasts one after the other


def forecast_sections(application: Forecast, answers: list[np.ndarray]) -> tuple[Section, ...]:
    """Forecasts with intervals over the end of the test, and the error by the step ahead beside plain methods.

    Args:
      application: what was forecast.
      answers: of the test, `[horizon, levels]` each.
    """
    examples, horizon = application.examples("test"), application.horizon
    naive = naive_forecasts(application, "test")
    found, plain = application.score(answers, examples), application.baseline("test")  # type: ignore[arg-type]
    count = min(max(_SHOWN // horizon, 4), (len(examples) + horizon - 1) // horizon)
    places = np.arange(len(examples) - 1 - horizon * (count - 1), len(examples), horizon)
    rows = np.concatenate([examples[place].origin + np.arange(horizon) for place in places.tolist()])
    shown = np.concatenate([answers[place] for place in places])
    actual = np.concatenate([examples[place].targets for place in places.tolist()])
    seasonal = np.concatenate([naive["seasonal_naive"][place] for place in places])
    middle = shown.shape[-1] // 2
    interval = (shown[:, 0], shown[:, -1]) if shown.shape[-1] > 1 else None
    label = f"{application.column}"
    figure = forecast_figure(
        rows,
        actual,
        shown[:, middle],
        interval,
        baseline=seasonal,
        origins=rows[::horizon] if horizon > 1 else (),
        ylabel=label,
        share=application.coverage,
    )
    ahead = f"{horizon} steps ahead, one after the other; a tick marks each origin" if horizon > 1 else "One step ahead"
    figures = [(f"{ahead}. The end of the test part.", figure)]
    if horizon > 1:
        targets = np.stack([example.targets for example in examples])
        forecasts = {"network": np.stack(answers)[..., middle]} | naive
        errors = {name.replace("_", " "): np.nanmean(np.abs(of - targets), axis=0) for name, of in forecasts.items()}
        caption = "Mean absolute error over all origins of the test part, by the step ahead."
        figures.append((caption, horizon_error_figure(errors, ylabel=f"mean absolute error, {label}")))
    names = {"rmse": "RMSE", "mae": "MAE", "mase": "MASE"}
    methods = {"network": "", "seasonal naive": ""} | {
        key.removesuffix("_mae").replace("_", " "): key.removesuffix("mae") for key in plain if key.endswith("_mae")
    }
    table = [
        [method, *(f"{(found if method == 'network' else plain)[prefix + name]:.4g}" for name in names)]
        for method, prefix in methods.items()
    ]
    held = f" The {application.coverage:.0%} intervals hold {found['coverage']:.1%}." if "coverage" in found else ""
    text = f"{len(examples)} origins in the test part, {horizon} step{'s' if horizon > 1 else ''} ahead.{held}"
    return (Section("Forecasts", text, tuple(figures), ((("method", *names.values()), table),)),)
