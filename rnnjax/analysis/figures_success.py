"""Figures of success: how many seeds solve a task as it gets longer, and after how many updates."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import checked_mapping
from rnnjax.analysis.intervals import wilson
from rnnjax.errors import InputError, check

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def success_figure(
    series: Mapping[str, Any],
    *,
    xlabel: str = "sequence length T",
    panels: bool = False,
    names: Iterable[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Success rates against length: a line through the rates, and bars from end to end of their Wilson intervals.

    The axes are those of Pascanu, Mikolov & Bengio 2013 (arXiv:1211.5063), Fig. 7. Names that share a length are set a
    little apart from each other, so that equal rates are all seen.

    Args:
      series: by name, `(lengths, solved, of)`: lengths `[points]`, and counts of trials that succeeded and of all,
        `[points]` each or one number; with `panels`, by panel such mappings.
      xlabel: what the lengths are.
      panels: whether `series` holds a panel an entry, drawn side by side.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or counts that do not fit the lengths.
    """
    grouped = checked_mapping("series", series) if panels else {title or "": checked_mapping("series", series)}
    data = {
        panel: {name: _rates(name, given) for name, given in checked_mapping(f"series[{panel!r}]", group).items()}
        for panel, group in grouped.items()
    }
    every = list(dict.fromkeys(name for group in data.values() for name in group))
    with style.applied():
        figure = style.new_figure(height=2.6 if len(data) > 1 else 3.4)
        grid = figure.subplots(1, len(data), sharey=True, squeeze=False)[0]
        strokes = style.strokes(every if names is None else [*names, *every])
        for axes, (panel, group) in zip(grid, data.items(), strict=True):
            lengths = np.unique(np.concatenate([rates[0] for rates in group.values()]))
            apart = 0.012 * max(float(np.ptp(lengths)), 1.0)
            for place, (name, (at, rate, low, high)) in enumerate(group.items()):
                stroke, shifted = strokes[name], at + apart * (place - (len(group) - 1) / 2)
                axes.vlines(shifted, low, high, color=stroke.color, alpha=0.35, linewidth=2.6)
                look = dict(color=stroke.color, linestyle=stroke.linestyle, marker="o", markersize=3.4)
                axes.plot(shifted, rate, label=name, clip_on=False, zorder=3, **look)
            axes.set_title(panel)
            axes.set_ylim(0, 1.02)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
            if len(lengths) <= 8:
                axes.set_xticks(lengths)
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.set_xlabel(xlabel)
        grid[0].set_ylabel("seeds that succeed")
        _legend(grid[-1], strokes, every)
        style.settle(figure)
    return figure


def updates_figure(
    series: Mapping[str, Any],
    *,
    xlabel: str = "sequence length T",
    ylabel: str = "updates to criterion",
    names: Iterable[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Updates to success against length, both axes logarithmic: a dot a seed, and a line through the medians.

    Seeds without success are counted above the axes, at their length; the median takes them as larger than all others,
    and the line ends where it would be one of them.

    Args:
      series: by name, `(lengths, updates)`: lengths `[points]`, and for each the seeds' updates, `None` or NaN for a
        seed without success.
      xlabel: what the lengths are.
      ylabel: what is counted.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or updates that do not fit the lengths.
    """
    data = {name: _updates(name, given) for name, given in checked_mapping("series", series).items()}
    with style.applied():
        from matplotlib.ticker import LogLocator

        figure = style.new_figure()
        axes = figure.add_subplot()
        strokes = style.strokes(data if names is None else [*names, *data])
        every = np.unique(np.concatenate([lengths for lengths, _ in data.values()]))
        axes.set_xscale("log")
        axes.set_yscale("log")
        failed: list[tuple[float, int, str]] = []
        for place, (name, (lengths, updates)) in enumerate(data.items()):
            stroke = strokes[name]
            shifted = lengths * 1.012 ** (place - (len(data) - 1) / 2)
            medians = [_median(values) for values in updates]
            look: Any = dict(color=stroke.color, linestyle=stroke.linestyle, marker="_", markersize=9, mew=1.6)
            axes.plot(shifted, medians, label=name, zorder=3, **look)
            for at, values in zip(shifted, updates, strict=True):
                solved = [value for value in values if math.isfinite(value)]
                axes.plot([at] * len(solved), solved, "o", color=stroke.color, markersize=3, alpha=0.6, mew=0)
                failed += [(at, len(values) - len(solved), name)] if len(solved) < len(values) else []
        _note_failures(axes, failed, list(data), strokes)
        axes.set_xticks(every, [f"{length:g}" for length in every])
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.minorticks_off()
        axes.margins(x=0.12, y=0.12)
        axes.set_xlabel(xlabel)
        axes.set_ylabel(ylabel)
        axes.set_title(title or "", pad=6 + 9 * len({name for _, _, name in failed}))
        _legend(axes, strokes, list(data))
        style.settle(figure)
    return figure


def _rates(name: str, given: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lengths in ascending order, rates, and the ends of their intervals."""
    lengths, solved, of = (np.asarray(part) for part in given)
    if lengths.ndim != 1 or not lengths.size or solved.shape != lengths.shape or of.shape not in ((), lengths.shape):
        shapes = f"shapes {lengths.shape}, {solved.shape} and {of.shape}"
        raise InputError(f"series[{name!r}]", shapes, "lengths [points], counts [points], and trials [points] or one")
    order = np.argsort(lengths)
    lengths, solved, of = lengths[order], solved[order], np.broadcast_to(of, lengths.shape)[order]
    limits = np.array([wilson(int(count), int(trials)) for count, trials in zip(solved, of, strict=True)])
    return lengths.astype(float), solved / np.maximum(of, 1), limits[:, 0], limits[:, 1]


def _updates(name: str, given: Any) -> tuple[np.ndarray, list[list[float]]]:
    """Lengths in ascending order, and for each the updates of its seeds, infinite where there was no success."""
    lengths, updates = np.asarray(given[0], float), list(given[1])
    fits = lengths.ndim == 1 and lengths.size > 0 and len(updates) == lengths.size
    check(fits, f"series[{name!r}]", f"{lengths.shape} and {len(updates)}", "lengths [points], and as many lists")
    check(bool((lengths > 0).all()), f"series[{name!r}]", lengths.tolist(), "lengths above zero")
    order = np.argsort(lengths)
    numbers = [[math.inf if value is None or math.isnan(value) else float(value) for value in row] for row in updates]
    return lengths[order], [numbers[place] for place in order]


def _median(values: Sequence[float]) -> float:
    """The median, NaN where it rests on a seed without success."""
    middle = statistics.median(values) if values else math.inf
    return middle if math.isfinite(middle) else math.nan


def _note_failures(
    axes: Axes, failed: Sequence[tuple[float, int, str]], order: Sequence[str], strokes: Mapping[str, style.Stroke]
) -> None:
    """Counts of seeds without success above the axes, a row a name."""
    rows = [name for name in order if any(name == own for _, _, own in failed)]
    for at, count, name in failed:
        axes.annotate(
            f"{count} unsolved",
            xy=(at, 1),
            xytext=(0, 3 + 9 * rows[::-1].index(name)),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            horizontalalignment="center",
            color=strokes[name].text,
            fontsize=style.LABEL_SIZE - 1,
            annotation_clip=False,
        )


def _legend(axes: Axes, strokes: Mapping[str, style.Stroke], names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    if len(names) < 2:
        return
    handles = [
        Line2D([], [], color=strokes[name].color, linestyle=strokes[name].linestyle, label=name) for name in names
    ]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
