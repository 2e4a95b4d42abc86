"""Figures of an ablation: a metric against one factor and against two, and learning curves with bands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.ablation.statistics import Estimate, bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RUN_GREY = "#8C959F"


def factor_figure(
    factor: str, runs: Mapping[str, Sequence[float]], estimates: Mapping[str, Estimate], ylabel: str, log: bool = False
) -> Figure:
    """A metric for each value of a factor: a dot a run, the interquartile mean as a bar with its interval.

    Args:
      factor: its name.
      runs: by value, the metric of each run; those that are not finite are counted above the axes.
      estimates: by value, the interquartile mean.
      ylabel: the metric.
      log: a logarithmic axis.
    """
    from rnnjax.analysis import style

    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        for place, (name, values) in enumerate(runs.items()):
            finite = [value for value in values if math.isfinite(value)]
            aside = place + 0.3 * (np.arange(1, len(finite) + 1) * 0.618033988749895 % 1 - 0.5)
            axes.plot(aside, finite, "o", color=_RUN_GREY, markersize=2.6, alpha=0.7, mew=0, zorder=1)
            found = estimates[name]
            if math.isfinite(found.value):
                axes.plot([place - 0.3, place + 0.3], [found.value] * 2, color=style.PALETTE[0], linewidth=2, zorder=3)
            if math.isfinite(found.lower) and math.isfinite(found.upper):
                axes.vlines(place, found.lower, found.upper, color=style.PALETTE[0], linewidth=5, alpha=0.35, zorder=2)
            if len(finite) < len(values):
                axes.annotate(
                    f"{len(values) - len(finite)} of {len(values)} diverged",
                    xy=(place, 1),
                    xycoords=("data", "axes fraction"),
                    xytext=(0, 3),
                    textcoords="offset points",
                    horizontalalignment="center",
                    fontsize=style.LABEL_SIZE - 1,
                    color=style.SOFT,
                )
        axes.set_yscale("log" if log else "linear")
        crowded = sum(map(len, runs)) > 70
        axes.set_xticks(
            range(len(runs)), list(runs), rotation=25 if crowded else 0, ha="right" if crowded else "center"
        )
        axes.set_xlim(-0.6, len(runs) - 0.4)
        axes.set_xlabel(factor)
        axes.set_ylabel(ylabel)
        style.settle(figure)
    return figure


def pair_figure(
    one: str, other: str, across: Sequence[str], down: Sequence[str], values: np.ndarray, label: str, log: bool = False
) -> Figure:
    """A metric for each pair of values of two factors, by colour and as a number.

    Args:
      one: the factor across.
      other: the factor down.
      across: names of its values.
      down: likewise.
      values: `[down, across]`; NaN, where there are no runs, stays grey and empty; infinite, grey, "diverged".
      label: the metric.
      log: colours on a logarithmic scale.
    """
    from rnnjax.analysis import style

    with style.applied():
        from matplotlib.colors import LogNorm, Normalize

        figure = style.new_figure(height=min(max(1.3 + 0.42 * len(down), 2.2), 6.0))
        axes = figure.add_subplot()
        axes.set_facecolor(style.GRID)
        finite = values[np.isfinite(values)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
        scale: Any = LogNorm(low, high) if log and high > low > 0 else Normalize(low, high if high > low else low + 1)
        image = axes.imshow(np.ma.masked_invalid(values), aspect="auto", cmap="viridis", norm=scale)
        for (row, column), value in np.ndenumerate(values):
            if not np.isnan(value):
                shown, ink = (f"{value:.3g}", "w") if np.isfinite(value) else ("diverged", style.SOFT)
                light = np.isfinite(value) and float(scale(value)) > 0.6
                axes.text(
                    column, row, shown, ha="center", va="center", color=style.INK if light else ink,
                    fontsize=style.LABEL_SIZE - 1,
                )  # fmt: skip
        axes.set_xticks(range(len(across)), list(across))
        axes.set_yticks(range(len(down)), list(down))
        axes.tick_params(length=0)
        axes.set_xlabel(one)
        axes.set_ylabel(other)
        axes.grid(False)
        bar = figure.colorbar(image, ax=axes, label=label)
        bar.outline.set_visible(False)  # type: ignore[operator]
        style.settle(figure)
    return figure


def bands_figure(curves: Mapping[str, np.ndarray], steps: np.ndarray, ylabel: str, log: bool = False) -> Figure:
    """A metric against updates: the interquartile mean over seeds, and a band for its 95 % interval.

    Args:
      curves: by setting, values `[seeds, points]`: infinite for a run that has diverged, and NaN where a run has no
        value yet. A line ends where its mean is not finite.
      steps: `[points]`, updates.
      ylabel: the metric.
      log: a logarithmic axis.
    """
    from rnnjax.analysis import style

    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        strokes = style.strokes(curves)
        for name, values in curves.items():
            found = [_estimate(column) for column in values.T]
            middle, lower, upper = (np.array([each[i] for each in found], float) for i in range(3))
            middle[~np.isfinite(middle)] = np.nan
            stroke, drawn = strokes[name], np.isfinite(lower) & np.isfinite(upper)
            axes.fill_between(steps, lower, upper, where=drawn.tolist(), color=stroke.color, alpha=0.18, linewidth=0)
            axes.plot(steps, middle, color=stroke.color, linestyle=stroke.linestyle, label=name)
        axes.set_yscale("log" if log else "linear")
        axes.set_xlim(0, float(steps.max()))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("updates")
        axes.set_ylabel(ylabel)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        style.settle(figure)
    return figure


def _estimate(values: np.ndarray) -> Estimate:
    there = values[~np.isnan(values)]
    return bootstrap(there, resamples=400) if there.size else Estimate(math.nan, math.nan, math.nan, 0)
