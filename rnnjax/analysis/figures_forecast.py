"""Figures of forecasts: values with prediction intervals, and errors by the step ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import checked_mapping, draw_band
from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def forecast_figure(
    steps: Any,
    actual: Any,
    forecast: Any,
    interval: tuple[Any, Any] | None = None,
    *,
    baseline: Any = None,
    origins: Iterable[float] = (),
    xlabel: str = "row of the series",
    ylabel: str = "",
    share: float = 0.9,
    title: str | None = None,
) -> Figure:
    """What came, what was forecast, and the interval in which it was expected, over time.

    Args:
      steps: `[points]`, ascending places in time.
      actual: `[points]`, NaN where there is no value.
      forecast: `[points]`.
      interval: lower and upper ends, `[points]` each, or `None`.
      baseline: `[points]`, a plain forecast to compare with, or `None`.
      origins: places at which a forecast begins; ticks at the foot mark them.
      xlabel: what the places are.
      ylabel: what the values are.
      share: of the interval, between 0 and 1.
      title: above the axes.

    Raises:
      InputError: no points, or numbers of points that differ.
    """
    steps = np.asarray(steps, float)
    check(steps.ndim == 1 and steps.size > 0, "steps", f"shape {steps.shape}", "[points], not empty")
    named = {"actual": actual, "forecast": forecast, "baseline": baseline}
    named |= {} if interval is None else {"interval, low": interval[0], "interval, high": interval[1]}
    values = {name: np.asarray(given, float) for name, given in named.items() if given is not None}
    for name, given in values.items():
        check(given.shape == steps.shape, name, f"shape {given.shape}", f"shape {steps.shape}, that of steps")
    blue, soft = style.PALETTE[0], style.PALETTE[1]
    with style.applied():
        figure = style.new_figure(height=2.9)
        axes = figure.add_subplot()
        if interval is not None:
            draw_band(axes, steps, values["interval, low"], values["interval, high"], blue, 0.2)
            axes.fill_between([], [], [], color=blue, alpha=0.2, linewidth=0, label=f"{share:.0%} interval")
        if baseline is not None:
            look: Any = dict(color=soft, linewidth=1.0, linestyle=style.DASHES[1], label="seasonal naive")
            axes.plot(steps, values["baseline"], **look)
        axes.plot(steps, values["forecast"], color=blue, label="forecast")
        few: Any = dict(marker="o", markersize=2.2) if len(steps) <= 80 else {}
        axes.plot(steps, values["actual"], color=style.INK, linewidth=1.0, label="actual", **few)
        for origin in origins:
            axes.plot(
                [origin, origin], [0, 0.03], color=style.SOFT, linewidth=0.8, transform=axes.get_xaxis_transform()
            )
        axes.margins(x=0.01)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.set_title(title or "")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles[::-1], labels[::-1], loc="outside upper right", ncols=len(labels), columnspacing=1.4)
        style.settle(figure)
    return figure


def horizon_error_figure(
    errors: Mapping[str, Any], *, ylabel: str = "mean absolute error", title: str | None = None
) -> Figure:
    """Errors against the step ahead, a line a method.

    Args:
      errors: by name, `[horizon]`.
      ylabel: what the errors are.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or an array of another rank.
    """
    curves = {name: np.asarray(given, float) for name, given in checked_mapping("errors", errors).items()}
    for name, curve in curves.items():
        check(curve.ndim == 1 and curve.size > 0, f"errors[{name!r}]", f"shape {curve.shape}", "[horizon], not empty")
    with style.applied():
        figure = style.new_figure(height=2.9)
        axes = figure.add_subplot()
        strokes, ends = style.strokes(curves), []
        for place, (name, curve) in enumerate(curves.items()):
            stroke = strokes[name]
            dashes = style.DASHES[place % len(style.DASHES)]  # what is drawn above another leaves it visible
            steps = np.arange(1, len(curve) + 1)
            few: Any = dict(marker="o", markersize=2.6) if len(curve) <= 30 else {}
            axes.plot(steps, curve, color=stroke.color, linestyle=dashes, **few)
            ends.append(style.End(name, float(curve[-1]), stroke.text))
        axes.set_ylim(0, None)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("steps ahead")
        axes.set_ylabel(ylabel)
        axes.set_title(title or "")
        style.label_ends(figure, axes, ends)
        style.settle(figure)
    return figure
