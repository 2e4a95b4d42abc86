"""Figures of a network's dynamics: Lyapunov exponents, saturated gates, memory, and fixed points.

They look like those of `rnnjax.analysis.figures`, and as there no value that is infinite or not a number breaks one.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import checked_mapping, draw_band, draw_line, quantiles_of
from rnnjax.analysis.fixed_points import FixedPoints, principal_components
from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def lyapunov_figure(
    spectra: Mapping[str, Any], *, names: Iterable[str] | None = None, title: str | None = None
) -> Figure:
    """Lyapunov exponents in descending order against their place i / n: the median over rows, and from least to most.

    Above zero perturbations grow, below they die out; a line along zero is what gradient flossing aims at. A line that
    ends in a cross is -inf from there on.

    Args:
      spectra: by name, a `LyapunovSpectrum`, or exponents `[..., count]`. Only whole spectra have their place right.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or no exponents.
    """
    spectra = {name: getattr(found, "exponents", found) for name, found in checked_mapping("spectra", spectra).items()}
    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        strokes = style.strokes(spectra if names is None else [*names, *spectra])
        axes.axhline(0, color=style.SOFT, linewidth=0.7)
        curves = {}
        for name, exponents in spectra.items():
            exponents = np.asarray(exponents, float)
            fits = exponents.ndim > 0 and exponents.size > 0
            check(fits, f"spectra[{name!r}]", f"shape {exponents.shape}", "[..., count], not empty")
            curves[name] = quantiles_of(exponents.reshape(-1, exponents.shape[-1]), (0.0, 0.5, 1.0))
        _limits(axes, curves.values())
        for name, (low, middle, high) in curves.items():
            stroke, count = strokes[name], len(middle)
            place = np.arange(1, count + 1) / count
            marker = "o" if count <= 40 else None  # a line through few points hides how few they are
            draw_band(axes, place, np.where(low == -np.inf, np.nan, low), high, stroke.color, 0.16)
            look = dict(color=stroke.color, linestyle=stroke.linestyle, marker=marker, markersize=2.6)
            draw_line(axes, place, middle, **look)
        axes.set_xlim(0, 1.02)
        axes.set_xlabel("place in the spectrum  $i\\,/\\,n$")
        axes.set_ylabel(r"Lyapunov exponent  $\lambda_i$  (nats a step)")
        axes.set_title(title or "")
        _names_beside(axes, strokes, spectra)
        style.settle(figure)
    return figure


def saturation_figure(statistics: Mapping[str, Any], *, title: str | None = None) -> Figure:
    """How often each unit of each gate is saturated: open against shut, one panel a gate, one dot a unit.

    A dot near the origin is a gate that is hardly ever saturated, one on the right a gate that is nearly always open,
    one at the top a gate that is nearly always shut; on the dashed line it is one or the other in each step, a switch.
    After the saturation plots of Karpathy, Johnson & Fei-Fei 2015, arXiv:1506.02078.

    Args:
      statistics: by gate, as `gate_statistics` returns them; dots are means over rows.
      title: above the axes.

    Raises:
      InputError: nothing to draw.
    """
    checked_mapping("statistics", statistics)
    with style.applied():
        columns = min(len(statistics), 4)
        rows = math.ceil(len(statistics) / columns)
        figure = style.new_figure(width=min(style.WIDTH, 2.2 * columns + 0.6), height=1.85 * rows + 0.5)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        strokes = style.strokes(statistics)
        for axes in grid.flat[len(statistics) :]:
            axes.set_visible(False)
        for axes, (gate, found) in zip(grid.flat, statistics.items(), strict=False):
            right, left = (_over_rows(shares) for shares in (found.right, found.left))
            axes.plot([0, 1], [1, 0], color=style.SOFT, linewidth=0.7, linestyle=(0, (3, 2)))
            look = dict(color=strokes[gate].color, markersize=3.4, alpha=0.6, markeredgewidth=0, clip_on=False)
            axes.plot(right, left, "o", **look)
            axes.set_title(gate.replace("_", " "), color=strokes[gate].text)
            axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), aspect="equal")
            axes.grid(True, axis="both")
        for column in range(columns):  # the lowest panel that is there
            [row[column] for row in grid if row[column].get_visible()][-1].tick_params(labelbottom=True)
        figure.supxlabel("share of steps open (> 0.9)", fontsize=style.SETTINGS["font.size"])
        figure.supylabel("share of steps shut (< 0.1)", fontsize=style.SETTINGS["font.size"])
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def memory_figure(
    capacities: Mapping[str, Any], *, names: Iterable[str] | None = None, title: str | None = None
) -> Figure:
    """What a linear readout finds of past inputs: R^2 against the lag, as the mean over inputs.

    Args:
      capacities: by name, a `MemoryCapacity`. The legend gives the total.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the axes.

    Raises:
      InputError: nothing to draw.
    """
    checked_mapping("capacities", capacities)
    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        strokes = style.strokes(capacities if names is None else [*names, *capacities])
        for name, found in capacities.items():
            curve = np.mean(np.maximum(np.asarray(found.r_squared, float), 0), axis=-1)
            stroke = strokes[name]
            draw_line(axes, np.asarray(found.lags), curve, color=stroke.color, linestyle=stroke.linestyle)
        axes.set_ylim(0, 1.02)
        axes.set_xlim(0, max(max(int(np.max(found.lags)) for found in capacities.values()), 1))
        axes.locator_params(axis="x", steps=[1, 2, 5, 10], integer=True)
        axes.set_xlabel("lag: steps since the input")
        axes.set_ylabel(r"$R^2$ of the input, read from the state")
        axes.set_title(title or "")
        labels = {name: f"{name}  (total {float(found.capacity):.1f})" for name, found in capacities.items()}
        _names_beside(axes, strokes, labels)
        style.settle(figure)
    return figure


def fixed_points_figure(points: FixedPoints, states: Any = None, *, title: str | None = None) -> Figure:
    """Fixed points among the trajectories of a network, in the plane in which its states spread most.

    Args:
      points: from `fixed_points`; discs are stable points, rings unstable ones.
      states: `[..., time, n]`, trajectories from `visited_states`, drawn as lines; the plane is that of their first two
        principal components. Without them it is that of the points.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or states of another width than the points.
    """
    n = points.states.shape[-1]
    trajectories = points.states[None] if states is None else np.asarray(states, float)
    fits = trajectories.ndim >= 2 and trajectories.shape[-1] == n and trajectories.size > 0
    check(fits, "states", f"shape {trajectories.shape}", f"[..., time, {n}], not empty")
    trajectories = trajectories.reshape(-1, *trajectories.shape[-2:])
    pooled = np.concatenate([trajectories.reshape(-1, n), points.states]) if states is None else trajectories
    plane = principal_components(pooled.reshape(-1, n), min(2, n))
    flat = lambda found: np.concatenate([plane.project(found), np.zeros((*found.shape[:-1], 2 - min(2, n)))], axis=-1)  # noqa: E731
    with style.applied():
        figure = style.new_figure(width=4.6, height=3.6)
        axes = figure.add_subplot()
        if states is not None:
            for line in flat(trajectories):
                axes.plot(*line.T, color=style.SOFT, linewidth=0.6, alpha=0.5)
        for name, mask, color, face in (
            ("stable", points.stable, style.PALETTE[0], style.PALETTE[0]),
            ("unstable", ~points.stable, style.PALETTE[1], "white"),
        ):
            look: dict[str, Any] = dict(color=color, markerfacecolor=face, markersize=6, markeredgewidth=1.3, zorder=3)
            axes.plot(*flat(points.states[mask]).T, "o", label=f"{name} ({int(mask.sum())})", **look)
        percent = [f"{share:.0%}" for share in plane.shares] + ["0%"]
        axes.set_xlabel(f"principal component 1 ({percent[0]} of the variance)")
        axes.set_ylabel(f"principal component 2 ({percent[1]})")
        axes.grid(True, axis="both")
        axes.margins(0.08)
        axes.set_title(title or "")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0, title="fixed points")
        style.settle(figure)
    return figure


def _over_rows(shares: Any) -> np.ndarray:
    """The mean over rows, one value a unit; NaN rows are left out."""
    shares = np.asarray(shares, float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # units without a value
        return np.nanmean(shares.reshape(-1, shares.shape[-1]), axis=0)


def _limits(axes: Axes, curves: Iterable[np.ndarray]) -> None:
    """A y axis around zero and all that is finite."""
    values = np.concatenate([[0.0], *(np.ravel(curve) for curve in curves)])
    values = values[np.isfinite(values)]
    low, high = values.min(), values.max()
    margin = 0.06 * max(high - low, 1e-3)
    axes.set_ylim(low - margin, high + margin)


def _names_beside(axes: Axes, strokes: Mapping[str, style.Stroke], labels: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=strokes[name].color, linestyle=strokes[name].linestyle, label=label)
        for name, label in ((name, label if isinstance(label, str) else name) for name, label in labels.items())
    ]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
