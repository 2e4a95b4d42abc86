"""Figures of gradients on their way: over training, to gates, and through single steps.

They look like those of `rnnjax.analysis.figures`, and as there no value that is infinite or not a number breaks one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import by_lag, checked_mapping, decades, draw_band, draw_line, quantiles_of
from rnnjax.analysis.panels import legend_beside, panels, snapshot_ticks
from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_DECADES = 20
"""How many powers of ten a colour scale spans at most, unless told otherwise."""


def flow_over_training_figure(
    flows: Mapping[str, Any],
    updates: Any,
    *,
    relative: bool = False,
    floor: float | None = None,
    title: str | None = None,
) -> Figure:
    """Gradient norms by lag and by training step, as colour: one panel a name, one line of cells a snapshot.

    Colours are on a scale of powers of ten, the same in all panels, each cell the median over rows. Near black at the
    lower end is all that lies below the scale, a gradient of exactly zero too.

    Args:
      flows: by name, a `GradientFlow` of `over_training`, or natural logarithms of norms `[snapshots, ..., time]`.
      updates: `[snapshots]`, the number of updates before each snapshot.
      relative: whether each row is divided by its norm at lag 0.
      floor: the power of ten at which the colours end; unless given, the lowest, or 20 below the highest.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or an array that does not fit the updates.
    """
    updates = np.asarray(updates)
    maps = {}
    for name, flow in checked_mapping("flows", flows).items():
        logs = np.asarray(getattr(flow, "log_norms", flow), float)
        fits = logs.ndim >= 2 and logs.size > 0 and logs.shape[:1] == updates.shape
        check(fits, f"flows[{name!r}]", f"shape {logs.shape}", f"[{updates.size} snapshots, ..., time], not empty")
        logs = logs.reshape(len(logs), -1, logs.shape[-1])
        maps[name] = np.stack([quantiles_of(by_lag(rows, relative), (0.5,))[0] for rows in logs])
    low, high = _color_limits(maps.values(), floor)
    with style.applied():
        import matplotlib
        from matplotlib.ticker import MaxNLocator

        colors = matplotlib.colormaps["viridis"].with_extremes(under="#26033B", bad="white")
        columns = min(len(maps), 3)
        rows = math.ceil(len(maps) / columns)
        figure = style.new_figure(height=2.5 * rows + 0.4)
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        mesh = None
        for axes, (name, values) in zip(grid.flat, maps.items(), strict=False):
            shown = np.where(values == -np.inf, low - 1, values)
            edges = np.arange(values.shape[1] + 1) - 0.5, np.arange(len(values) + 1) - 0.5
            mesh = axes.pcolormesh(*edges, shown, cmap=colors, vmin=low, vmax=high, rasterized=True)
            axes.set_title(name)
            axes.grid(False)
            axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10], integer=True)
        for axes in grid.flat[len(maps) :]:
            axes.set_visible(False)
        snapshot_ticks(grid[0, 0], "y", updates)
        label = r"$\|\partial L\,/\,\partial h_t\|$" + (", relative to lag 0" if relative else "")
        assert mesh is not None
        look: dict[str, Any] = dict(extend="min", pad=0.02, aspect=30, ticks=MaxNLocator(7, integer=True))
        bar = figure.colorbar(mesh, ax=grid.ravel().tolist(), label=label, **look)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
        bar.outline.set_linewidth(0.7)  # type: ignore[operator]
        figure.supxlabel("lag: steps back from the loss", fontsize=style.SETTINGS["font.size"])
        grid[0, 0].set_ylabel("updates")
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def gate_gradients_figure(
    gradients: Mapping[str, Mapping[str, Any]], *, quantiles: tuple[float, float] = (0.1, 0.9), title: str | None = None
) -> Figure:
    """Gradient norms of gates against the lag: one panel a network, one line a gate, the median over rows.

    A gate has the same colour in all panels. A line that ends in a cross has reached a gradient of exactly zero.

    Args:
      gradients: by name of a network, what `gate_gradients` returns: by gate, natural logarithms `[..., time]`.
      quantiles: lower and upper edge of the bands.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or an array without a time axis.
    """
    curves: dict[str, dict[str, np.ndarray]] = {}
    for name, gates in checked_mapping("gradients", gradients).items():
        curves[name] = {}
        for gate, logs in checked_mapping(f"gradients[{name!r}]", gates).items():
            logs = np.asarray(logs, float)
            fits = logs.ndim >= 1 and logs.size > 0
            check(fits, f"gradients[{name!r}][{gate!r}]", f"shape {logs.shape}", "[..., time], not empty")
            curves[name][gate] = quantiles_of(by_lag(logs.reshape(-1, logs.shape[-1]), False), (*quantiles, 0.5))
    with style.applied():
        figure, grid = panels(len(curves))
        strokes = style.strokes(dict.fromkeys(gate for gates in curves.values() for gate in gates))
        decades(grid[0, 0], [curve for gates in curves.values() for curve in gates.values()])
        for axes, (name, gates) in zip(grid.flat, curves.items(), strict=False):
            for gate, (low, high, middle) in gates.items():
                lags, stroke = np.arange(len(middle)), strokes[gate]
                draw_band(axes, lags, low, high, stroke.color, 0.12)
                draw_line(axes, lags, middle, color=stroke.color, linestyle=stroke.linestyle)
            axes.set_title(name)
            axes.set_xlim(0, max(max(curve.shape[-1] for curve in gates.values()) - 1, 1))
            axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10], integer=True)
        legend_beside(figure, {gate.replace("_", " "): stroke for gate, stroke in strokes.items()})
        figure.supxlabel("lag: steps back from the loss", fontsize=style.SETTINGS["font.size"])
        label = r"gradient of the gate  $\|\partial L\,/\,\partial a_t\|$"
        figure.supylabel(label, fontsize=style.SETTINGS["font.size"])
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def step_spectra_figure(
    spectra: Mapping[str, Any],
    *,
    quantiles: tuple[float, float] = (0.1, 0.9),
    names: Iterable[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Spectral radius, norm and log |det| of the Jacobian of each step: the median over rows, quantiles as a band.

    Args:
      spectra: by name, a `StepSpectra`.
      quantiles: lower and upper edge of the bands.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the panels.

    Raises:
      InputError: nothing to draw.
    """
    checked_mapping("spectra", spectra)
    with style.applied():
        figure = style.new_figure(height=2.6)
        row = figure.subplots(1, 3)
        strokes = style.strokes(spectra if names is None else [*names, *spectra])
        parts = (("log_radius", r"spectral radius  $\rho(J_t)$"), ("log_norm", r"norm  $\|J_t\|$"),
                 ("log_det", r"$\log\,|\det J_t|$"))  # fmt: skip
        for axes, (part, label) in zip(row, parts, strict=True):
            level = 0.0 if part == "log_det" else 1.0
            axes.axhline(level, color=style.SOFT, linewidth=0.7, linestyle=(0, (3, 2)))
            for name, found in spectra.items():
                values = np.asarray(getattr(found, part), float)
                values = values.reshape(-1, values.shape[-1])
                if part != "log_det":
                    values = np.exp(np.minimum(values, 700.0))
                stroke, steps = strokes[name], np.arange(1, values.shape[-1] + 1)
                low, high, middle = quantiles_of(values, (*quantiles, 0.5))
                draw_band(axes, steps, np.where(low == -np.inf, np.nan, low), high, stroke.color, 0.16)
                draw_line(axes, steps, middle, color=stroke.color, linestyle=stroke.linestyle)
            axes.set_title(label)
            axes.locator_params(axis="x", nbins=4, integer=True)
            if part != "log_det":
                axes.set_ylim(0, max(1.1, axes.get_ylim()[1]))
        figure.supxlabel("step  $t$", fontsize=style.SETTINGS["font.size"])
        legend_beside(figure, {name: strokes[name] for name in spectra})
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def _color_limits(maps: Iterable[np.ndarray], floor: float | None) -> tuple[float, float]:
    finite = np.concatenate([np.ravel(values) for values in maps])
    finite = finite[np.isfinite(finite)]
    high = float(finite.max()) if finite.size else 0.0
    lowest = max(float(finite.min()), high - SHOWN_DECADES) if finite.size else -1.0
    low = lowest if floor is None else float(floor)
    return min(low, high - 1), high
