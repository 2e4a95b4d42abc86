"""Figures of gates: how their values are spread, how that changes in training, and for how long they keep a state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import checked_mapping, decades, draw_band, draw_line, quantiles_of
from rnnjax.analysis.gate_statistics import SATURATED
from rnnjax.analysis.panels import legend_beside, panels, snapshot_ticks
from rnnjax.errors import InputError, check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gate_histograms_figure(statistics: Mapping[str, Any], *, title: str | None = None) -> Figure:
    """How the activations of each gate are spread over its range, one panel a gate, over all rows, units and steps.

    Grey are the ends of the range in which a gate counts as saturated.

    Args:
      statistics: by gate, as `gate_statistics` returns them.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or statistics of several snapshots.
    """
    shares = {gate: _shares(gate, found, 0) for gate, found in checked_mapping("statistics", statistics).items()}
    with style.applied():
        figure, grid = panels(len(shares), columns=4, height=1.7, sharex=False)
        strokes = style.strokes(shares)
        highest = max(max(float(np.max(share)) for share in shares.values()), 1e-3)
        for axes, (gate, share) in zip(grid.flat, shares.items(), strict=False):
            edges = np.asarray(statistics[gate].edges, float)
            margin = SATURATED * (edges[-1] - edges[0])
            for low, high in ((edges[0], edges[0] + margin), (edges[-1] - margin, edges[-1])):
                axes.axvspan(low, high, color=style.GRID, linewidth=0)
            axes.stairs(share, edges, fill=True, color=strokes[gate].color, alpha=0.8)
            axes.set_xlim(edges[0], edges[-1])
            axes.set_xticks([edges[0], (edges[0] + edges[-1]) / 2, edges[-1]])
            axes.set_title(gate.replace("_", " "), color=strokes[gate].text)
        grid[0, 0].set_ylim(0, 1.04 * highest)
        grid[0, 0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        figure.supxlabel("activation", fontsize=style.SETTINGS["font.size"])
        figure.supylabel("share of activations", fontsize=style.SETTINGS["font.size"])
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def gates_over_training_figure(statistics: Mapping[str, Any], updates: Any, *, title: str | None = None) -> Figure:
    """The histogram of each gate in the course of training: activation against updates, the share as colour.

    One column of cells a snapshot; dashed lines are the bounds of saturation.

    Args:
      statistics: by gate, as `over_training` of `gate_statistics` returns them.
      updates: `[snapshots]`, the number of updates before each snapshot.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or statistics that do not fit the updates.
    """
    updates = np.asarray(updates)
    shares = {}
    for gate, found in checked_mapping("statistics", statistics).items():
        shares[gate] = _shares(gate, found, 1)
        check(updates.shape == shares[gate].shape[:1], "updates", f"shape {updates.shape}", f"({len(shares[gate])},)")
    with style.applied():
        figure, grid = panels(len(shares), columns=2, height=1.8, sharey=False)
        highest = max(max(float(np.max(share)) for share in shares.values()), 1e-3)
        mesh = None
        for axes, (gate, share) in zip(grid.flat, shares.items(), strict=False):
            edges = np.asarray(statistics[gate].edges, float)[0]
            places = np.arange(len(share) + 1) - 0.5
            mesh = axes.pcolormesh(places, edges, share.T, cmap="Blues", vmin=0, vmax=highest, rasterized=True)
            margin = SATURATED * (edges[-1] - edges[0])
            for bound in (edges[0] + margin, edges[-1] - margin):
                axes.axhline(bound, color=style.SOFT, linewidth=0.6, linestyle=(0, (3, 2)))
            axes.set_yticks([edges[0], (edges[0] + edges[-1]) / 2, edges[-1]])
            axes.set_title(gate.replace("_", " "))
            axes.grid(False)
            snapshot_ticks(axes, "x", updates)
        assert mesh is not None
        bar = figure.colorbar(mesh, ax=grid.ravel().tolist(), label="share of activations", pad=0.02, aspect=30)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        bar.outline.set_linewidth(0.7)  # type: ignore[operator]
        figure.supxlabel("updates", fontsize=style.SETTINGS["font.size"])
        figure.supylabel("activation", fontsize=style.SETTINGS["font.size"])
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def forget_times_figure(
    statistics: Mapping[str, Any],
    updates: Any,
    *,
    quantiles: tuple[float, float] = (0.1, 0.9),
    names: Iterable[str] | None = None,
    title: str | None = None,
) -> Figure:
    """For how many steps gates keep the state, in the course of training: the median over units, quantiles as a band.

    Args:
      statistics: by name of a network, as `over_training` of `gate_statistics` returns them; of its gates the first
        that keeps the state is shown.
      updates: `[snapshots]`, the number of updates before each snapshot.
      quantiles: lower and upper edge of the bands, over units and rows.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the axes.

    Raises:
      InputError: nothing to draw, a network without a gate that keeps the state, or statistics that do not fit the
        updates.
    """
    updates = np.asarray(updates)
    curves = {}
    for name, gates in checked_mapping("statistics", statistics).items():
        times = [found.forget_time for found in gates.values() if found.forget_time is not None]
        if not times:
            raise InputError(
                f"statistics[{name!r}]", sorted(gates), 'a gate that keeps the state, "forget" or "update"'
            )
        found = np.asarray(times[0], float)
        check(
            found.shape[:1] == updates.shape, f"statistics[{name!r}]", f"shape {found.shape}", f"[{updates.size}, ..]"
        )
        with np.errstate(divide="ignore"):
            curves[name] = quantiles_of(np.log10(found.reshape(len(found), -1).T), (*quantiles, 0.5))
    with style.applied():
        figure = style.new_figure(height=2.8)
        axes = figure.add_subplot()
        strokes = style.strokes(curves if names is None else [*names, *curves])
        decades(axes, curves.values())
        for name, (low, high, middle) in curves.items():
            stroke = strokes[name]
            draw_band(axes, updates, low, np.where(high == np.inf, axes.get_ylim()[1], high), stroke.color, 0.16)
            draw_line(axes, updates, middle, color=stroke.color, linestyle=stroke.linestyle)
        axes.set_xlim(float(updates.min()), max(float(updates.max()), float(updates.min()) + 1))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel("updates")
        axes.set_ylabel(r"forget time  $1\,/\,(1-\bar{f})$  (steps)")
        axes.set_title(title or "")
        legend_beside(figure, {name: strokes[name] for name in curves})
        style.settle(figure)
    return figure


def _shares(gate: str, found: Any, leading: int) -> np.ndarray:
    """Shares of activations by bin, `[bins]` or `[snapshots, bins]`, over all rows."""
    counts, edges = np.asarray(found.counts, float), np.asarray(found.edges)
    expected = "statistics of " + ("one network" if leading == 0 else "several snapshots")
    check(edges.ndim == 1 + leading, f"statistics[{gate!r}]", f"shape {edges.shape} of edges", expected)
    counts = counts.reshape(*counts.shape[:leading], math.prod(counts.shape[leading:-1]), counts.shape[-1]).sum(axis=-2)
    return counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
