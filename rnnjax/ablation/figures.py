"""Figures of an ablation: a metric against one factor, and against two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnjax.ablation.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def factor_figure(
    factor: str, runs: Mapping[str, Sequence[float]], estimates: Mapping[str, Estimate | None], ylabel: str
) -> Figure:
    """A metric for each value of a factor: a dot a run, the interquartile mean as a bar with its interval.

    Args:
      factor: its name.
      runs: by value, the metric of each run.
      estimates: by value, the interquartile mean.
      ylabel: the metric.
    """
    from rnnjax.analysis import style

    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        random = np.random.default_rng(0)
        for place, (name, values) in enumerate(runs.items()):
            aside = place + 0.16 * (random.random(len(values)) - 0.5)
            axes.plot(aside, values, "o", color="0.6", markersize=3, zorder=1)
            found = estimates[name]
            if found is not None:
                axes.plot([place - 0.22, place + 0.22], [found.value] * 2, color="C0", linewidth=2, zorder=3)
                axes.vlines(place, found.lower, found.upper, color="C0", linewidth=1.2, zorder=2)
        axes.set_xticks(range(len(runs)), list(runs), rotation=0 if max(map(len, runs)) < 9 else 25)
        axes.set_xlim(-0.6, len(runs) - 0.4)
        axes.set_xlabel(factor)
        axes.set_ylabel(ylabel)
        style.settle(figure)
    return figure


def pair_figure(
    one: str, other: str, across: Sequence[str], down: Sequence[str], values: np.ndarray, label: str
) -> Figure:
    """A metric for each pair of values of two factors, by colour and as a number.

    Args:
      one: the factor across.
      other: the factor down.
      across: names of its values.
      down: likewise.
      values: `[down, across]`; NaN stays grey.
      label: the metric.
    """
    from rnnjax.analysis import style

    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        axes.set_facecolor("0.85")
        image = axes.imshow(np.ma.masked_invalid(values), aspect="auto", cmap="viridis")
        low, high = np.nanmin(values), np.nanmax(values)
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                dark = high == low or (value - low) / (high - low) < 0.6
                axes.text(column, row, f"{value:.3g}", ha="center", va="center", color="w" if dark else "k", fontsize=7)
        axes.set_xticks(range(len(across)), list(across))
        axes.set_yticks(range(len(down)), list(down))
        axes.set_xlabel(one)
        axes.set_ylabel(other)
        axes.grid(False)
        figure.colorbar(image, ax=axes, label=label)
        style.settle(figure)
    return figure
