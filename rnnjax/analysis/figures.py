"""Figures of gradients, Jacobian spectra and learning curves, for print and screen.

Values that are zero, infinite or not a number break no figure: a line stops where its value does. Norms and singular
values come as natural logarithms and are drawn on axes of powers of ten, far beyond the range of floats if need be.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import by_lag, checked_mapping, decades, draw_band, draw_line, quantiles_of
from rnnjax.errors import InputError, check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gradient_flow_figure(
    flows: Mapping[str, Any],
    *,
    quantiles: tuple[float, float] = (0.1, 0.9),
    relative: bool = False,
    names: Iterable[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Gradient norms against the distance from the loss: the median over rows as a line, quantiles as a band.

    The lag of a row is counted from the last step that has a gradient, so that rows of different lengths lie on top of
    each other. A line that ends in a cross has reached a gradient of exactly zero.

    Args:
      flows: by name, a `GradientFlow`, or natural logarithms of norms `[..., time]` (rows, seeds: all axes but the
        last one are pooled).
      quantiles: lower and upper edge of the band.
      relative: whether each row is divided by its norm at lag 0, so that all lines start at 1.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or an array without a time axis.
    """
    flows = {name: getattr(flow, "log_norms", flow) for name, flow in checked_mapping("flows", flows).items()}
    _check_quantiles(quantiles)
    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        curves = {}
        for name, logs in flows.items():
            logs = np.asarray(logs, float)
            check(logs.ndim >= 1 and logs.size > 0, f"flows[{name!r}]", f"shape {logs.shape}", "[..., time], not empty")
            curves[name] = quantiles_of(by_lag(logs.reshape(-1, logs.shape[-1]), relative), (*quantiles, 0.5))
        strokes = style.strokes(flows if names is None else [*names, *flows])
        decades(axes, curves.values())
        longest = max(curve.shape[-1] for curve in curves.values()) - 1
        axes.set_xlim(0, max(longest, 1))
        axes.locator_params(axis="x", steps=[1, 2, 5, 10], integer=True)
        ends = []
        for name, (low, high, middle) in curves.items():
            stroke, lags = strokes[name], np.arange(len(middle))
            draw_band(axes, lags, low, high, stroke.color, 0.16)
            draw_line(axes, lags, middle, color=stroke.color, linestyle=stroke.linestyle)
            ends.append(_end(name, middle, stroke))
        axes.set_xlabel("lag: steps back from the loss")
        norm = r"gradient norm  $\|\partial L\,/\,\partial h_t\|$"
        axes.set_ylabel(f"{norm}, relative to lag 0" if relative else norm)
        axes.set_title(title or "")
        style.label_ends(figure, axes, ends)
        style.settle(figure)
    return figure


def spectrum_figure(
    spectra: Mapping[str, Any],
    *,
    floor: float | None = None,
    names: Iterable[str] | None = None,
) -> Figure:
    """Singular values of products of Jacobians against the lag, one panel a name, on common axes.

    Lines are the largest, the median and the smallest singular value, each the median over rows; the bands hold the
    central 50 and 90 percent of all singular values of all rows. A line that ends in a cross is exactly zero from there
    on; what leaves the panel at the bottom goes on below it.

    Args:
      spectra: by name, a `JacobianSpectrum`, or a pair of lags and natural logarithms `[..., lags, n]`.
      floor: the power of ten at which the axes end, if the central 90 percent of the values reach so low; unless given,
        four times as far down as the lowest of the largest singular values, and -20 at least.
      names: all names that share the palette; given the same, several figures show a name in the same colour.

    Raises:
      InputError: nothing to draw, or lags and logarithms that do not fit each other.
    """
    curves = {}
    for name, (lags, logs) in checked_mapping("spectra", spectra).items():
        lags, logs = np.asarray(lags), np.asarray(logs, float)
        if logs.ndim < 2 or lags.shape != logs.shape[-2:-1] or not logs.size:
            raise InputError(f"spectra[{name!r}]", f"shape {lags.shape} and {logs.shape}", "[lags] and [..., lags, n]")
        logs = logs.reshape(-1, *logs.shape[-2:])[:, np.argsort(lags)] / math.log(10)
        pooled = quantiles_of(np.moveaxis(logs, 1, 2).reshape(-1, len(lags)), (0.05, 0.25, 0.75, 0.95))
        rows = [quantiles_of(part, (0.5,))[0] for part in _extremes(logs)]
        curves[name] = np.sort(lags), pooled, rows
    with style.applied():
        columns = min(len(curves), 4)
        height = 2.05 if columns > 2 else 2.6
        figure = style.new_figure(height=height * math.ceil(len(curves) / columns) + 0.5)
        grid = figure.subplots(math.ceil(len(curves) / columns), columns, sharex=True, sharey=True, squeeze=False)
        strokes = style.strokes(curves if names is None else [*names, *curves])
        floor = _floor([rows[0] for _, _, rows in curves.values()]) if floor is None else floor
        shown = [np.concatenate([pooled, rows[:1]]) for _, pooled, rows in curves.values()]
        decades(grid[0, 0], [np.where(part < floor, floor, part) for part in shown])
        grid[0, 0].set_xlim(0, max(lags[-1] for lags, _, _ in curves.values()))
        grid[0, 0].locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10], integer=True)
        for axes in grid.flat[len(curves) :]:
            axes.set_visible(False)
        for axes, (name, (lags, (least, low, high, most), rows)) in zip(grid.flat, curves.items(), strict=False):
            stroke = strokes[name]
            axes.axhline(0, color=style.SOFT, linewidth=0.7)
            draw_band(axes, lags, least, most, stroke.color, 0.16)
            draw_band(axes, lags, low, high, stroke.color, 0.28)
            for values, width, dashes in zip(rows, (1.6, 1.1, 0.8), ("-", (0, (4, 1.5)), (0, (1, 1.2))), strict=True):
                draw_line(axes, lags, values, color=stroke.color, linestyle=dashes, linewidth=width)
            axes.set_title(name, color=stroke.text)
        for column in range(columns):  # the lowest panel that is there
            axes = [row[column] for row in grid if row[column].get_visible()][-1]
            axes.tick_params(labelbottom=True)
        _spectrum_legend(figure, grid)
        figure.supxlabel("lag (steps)", fontsize=style.SETTINGS["font.size"])
        figure.supylabel("singular value", fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def learning_curves_figure(
    curves: Mapping[str, Any],
    steps: Any,
    ylabel: str,
    *,
    baseline: float | None = None,
    baseline_label: str = "memoryless baseline",
    log: bool = False,
    names: Iterable[str] | None = None,
    title: str | None = None,
) -> Figure:
    """A metric against updates: a thin line for each seed, a dot where it ends, and the median as a thick line.

    A seed that has stopped (NaN from then on) counts with its last value in the median; the median ends where half of
    the seeds have stopped.

    Args:
      curves: by name, values `[seeds, points]` or `[points]`; NaN where there are none.
      steps: `[points]`, the number of updates at each point; or such an array for each name.
      ylabel: what is shown, with its unit.
      baseline: drawn as a dashed line.
      baseline_label: what the dashed line is.
      log: a logarithmic axis; values that are not positive are left out.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or steps that do not fit the values.
    """
    checked_mapping("curves", curves)
    values = {name: np.atleast_2d(np.asarray(curve, float)) for name, curve in curves.items()}
    steps = {name: np.asarray(steps[name] if isinstance(steps, Mapping) else steps) for name in values}
    for name, found in values.items():
        if found.ndim != 2 or steps[name].shape != found.shape[1:] or not found.size:
            shapes = f"shape {found.shape} and steps {steps[name].shape}"
            raise InputError(f"curves[{name!r}]", shapes, "[seeds, points] and [points], not empty")
    with style.applied():
        from matplotlib.lines import Line2D

        figure = style.new_figure()
        axes = figure.add_subplot()
        strokes = style.strokes(values if names is None else [*names, *values])
        drawn = []
        for name, found in values.items():
            stroke, updates = strokes[name], steps[name]
            found = np.where(np.isfinite(found) & ((found > 0) | (not log)), found, np.nan)
            for seed in found if len(found) > 1 else ():
                (places,) = np.nonzero(np.isfinite(seed))
                if len(places):
                    end = updates[places[-1]], seed[places[-1]]
                    axes.plot(updates[places], seed[places], color=stroke.color, linewidth=0.6, alpha=0.45)
                    axes.plot(*end, "o", color=stroke.color, markersize=2.4, alpha=0.7, mew=0, clip_on=False)
            middle = _median_of_runs(found)
            axes.plot(updates, middle, color=stroke.color, linestyle=stroke.linestyle, linewidth=1.7, zorder=3)
            drawn.append((name, stroke, 1.7))
        axes.set_yscale("log" if log else "linear")
        longest = max(updates.max() for updates in steps.values())
        axes.set_xlim(0, longest if longest > 0 else 1)
        if baseline is not None and np.isfinite(baseline) and (baseline > 0 or not log):
            drawn.append((baseline_label, style.Stroke(style.INK, (0, (3, 2)), style.INK), 0.9))
            axes.axhline(baseline, color=style.INK, linestyle=(0, (3, 2)), linewidth=0.9)
        axes.locator_params(axis="x", integer=True)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("updates")
        axes.set_ylabel(ylabel)
        axes.set_title(title or "")
        handles = [
            Line2D([], [], color=stroke.color, linestyle=stroke.linestyle, linewidth=width, label=name)
            for name, stroke, width in drawn
        ]
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        style.settle(figure)
    return figure


def _check_quantiles(quantiles: tuple[float, float]) -> None:
    fits = len(quantiles) == 2 and 0 <= quantiles[0] <= quantiles[1] <= 1
    check(fits, "quantiles", quantiles, "two shares in [0, 1], the lower first")


def _extremes(logs: np.ndarray):
    """The largest, the median and the smallest of each row, `[rows, lags]` from `[rows, lags, n]` in any order."""
    ordered = np.sort(logs, axis=-1)  # NaN last, and a row is all NaN or has none
    return ordered[..., -1], ordered[..., (ordered.shape[-1] - 1) // 2], ordered[..., 0]


def _median_of_runs(values: np.ndarray) -> np.ndarray:
    """The median `[points]` over seeds `[seeds, points]`, in which a run keeps its last value until half have ended."""
    places = np.where(np.isfinite(values), np.arange(values.shape[1]), -1)
    latest = np.maximum.accumulate(places, axis=1)
    held = np.where(latest >= 0, np.take_along_axis(values, np.maximum(latest, 0), axis=1), np.nan)
    running = (np.arange(values.shape[1]) <= places.max(axis=1)[:, None]).sum(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.where(running * 2 >= len(values), np.nanmedian(held, axis=0), np.nan)


def _floor(largest: list[np.ndarray]) -> float:
    finite = np.concatenate(largest)
    finite = finite[np.isfinite(finite)]
    return min(-20.0, 4 * finite.min()) if finite.size else -20.0


def _end(name: str, values: np.ndarray, stroke: style.Stroke) -> style.End:
    """The label of a line, at its last value; it says so where that is no number that can be drawn."""
    numbers = values[~np.isnan(values)]
    last = float(numbers[-1]) if len(numbers) else math.nan
    ends = {-math.inf: " (zero)", math.inf: " (infinite)"}
    return style.End(name + (" (no values)" if math.isnan(last) else ends.get(last, "")), last, stroke.text)


def _spectrum_legend(figure: Figure, grid: np.ndarray) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=style.INK, linewidth=1.6, label="largest"),
        Line2D([], [], color=style.INK, linewidth=1.1, linestyle=(0, (4, 1.5)), label="median"),
        Line2D([], [], color=style.INK, linewidth=0.8, linestyle=(0, (1, 1.2)), label="smallest"),
        Patch(facecolor=style.INK, alpha=0.32, linewidth=0, label="central 50 %"),
        Patch(facecolor=style.INK, alpha=0.14, linewidth=0, label="central 90 %"),
    ]
    spare = [axes for axes in grid.flat if not axes.get_visible()]
    if spare:
        spare[-1].set_visible(True)
        spare[-1].set_axis_off()
        spare[-1].legend(handles=handles, loc="center left")
    else:
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), columnspacing=1.4)
