"""Figures of the gradient of the weights: which steps it comes from, and which parameters it goes to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import by_lag, checked_mapping, decades, draw_line
from rnnjax.analysis.panels import legend_beside, panels
from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gradient_shares_figure(
    shares: Mapping[str, Any], *, names: Iterable[str] | None = None, title: str | None = None
) -> Figure:
    """What each step contributes to the gradient of the weights: its norm, and the share of all steps up to a lag.

    On the left |G_t| / |G| on powers of ten; on the right the signed shares of the last steps, summed from lag 0: the
    lag at which a line reaches 1 is how far back the weights learn from.

    Args:
      shares: by name, a `GradientShares`.
      names: all names that share the palette; given the same, several figures show a name in the same colour.
      title: above the panels.

    Raises:
      InputError: nothing to draw.
    """
    curves = {}
    for name, found in checked_mapping("shares", shares).items():
        logs = np.atleast_1d(np.asarray(found.log_norms, float))
        check(logs.ndim == 1, f"shares[{name!r}]", f"shape {logs.shape}", "shares of one network, [time]")
        signed = np.asarray(found.shares, float)
        signed = _shares_by_lag(signed.reshape(-1, signed.shape[-1]))
        with np.errstate(invalid="ignore"):
            norms = by_lag(logs[None], False)[0] - float(found.log_total) / math.log(10)
        curves[name] = norms, np.cumsum(signed)
    with style.applied():
        figure = style.new_figure(height=2.8)
        left, right = figure.subplots(1, 2)
        strokes = style.strokes(curves if names is None else [*names, *curves])
        decades(left, [norms for norms, _ in curves.values()])
        for name, (norms, summed) in curves.items():
            stroke = strokes[name]
            look = dict(color=stroke.color, linestyle=stroke.linestyle)
            draw_line(left, np.arange(len(norms)), norms, **look)
            draw_line(right, np.arange(len(summed)), summed, **look)
        right.axhline(1, color=style.SOFT, linewidth=0.7, linestyle=(0, (3, 2)))
        for axes in (left, right):
            axes.set_xlim(0, max(max(len(norms) for norms, _ in curves.values()) - 1, 1))
            axes.locator_params(axis="x", nbins=5, steps=[1, 2, 5, 10], integer=True)
            axes.set_xlabel("lag: steps back from the loss")
        right.set_ylim(min(0.0, right.get_ylim()[0]), max(1.05, right.get_ylim()[1]))
        left.set_title(r"contribution of a step  $\|G_t\|\,/\,\|G\|$")
        right.set_title("share of the steps up to a lag")
        legend_beside(figure, {name: strokes[name] for name in curves})
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def parameter_gradients_figure(blocks: Mapping[str, Any], updates: Any = None, *, title: str | None = None) -> Figure:
    """Norms of the gradient, block by block of the parameters: as dots, or as lines over training.

    Args:
      blocks: by block, natural logarithms of norms: `log_block_totals` of a `GradientShares`, one number each; or with
        `updates` those of `over_training`, `[snapshots]` each.
      updates: `[snapshots]`, the number of updates before each snapshot.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or numbers that do not fit the updates.
    """
    shape = () if updates is None else np.shape(updates)
    leaves: dict[str, dict[str, np.ndarray]] = {}  # by leaf and gate, or "" for a leaf without gates
    for block, logs in checked_mapping("blocks", blocks).items():
        logs = np.asarray(logs, float)
        check(logs.shape == shape, f"blocks[{block!r}]", f"shape {logs.shape}", f"shape {shape}")
        leaf, gate = _split(block, blocks)
        leaves.setdefault(leaf, {})[gate] = logs / math.log(10)
    with style.applied():
        gates = dict.fromkeys(gate for parts in leaves.values() for gate in parts if gate)
        strokes = style.strokes(gates)
        figure = _dots(leaves, strokes) if updates is None else _lines(leaves, strokes, np.asarray(updates))
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def _shares_by_lag(shares: np.ndarray) -> np.ndarray:
    """Sums over rows `[lags]` of shares `[rows, time]`, each row's lags counted from its last step that has one."""
    time = shares.shape[1]
    there = shares != 0
    after = np.where(there.any(axis=1), np.argmax(there[:, ::-1], axis=1), 0)
    place = time - 1 - after[:, None] - np.arange(time)
    return np.where(place >= 0, np.take_along_axis(shares, np.maximum(place, 0), axis=1), 0).sum(axis=0)


def _split(block: str, blocks: Mapping[str, Any]) -> tuple[str, str]:
    """The leaf and the gate that the name of a block is made of; no gate where the block is a leaf."""
    leaf, _, gate = block.rpartition("/")
    last = leaf.rpartition("/")[2]
    siblings = sum(other.startswith(f"{leaf}/") for other in blocks)
    holds_leaves = last in ("", "cell") or last.startswith("layer_")
    return (block, "") if holds_leaves or siblings < 2 else (leaf, gate)


def _dots(leaves: dict[str, dict[str, np.ndarray]], strokes: Mapping[str, style.Stroke]) -> Figure:
    """One line a leaf of the parameters, one dot a block, on powers of ten."""
    from matplotlib.lines import Line2D

    figure = style.new_figure(height=0.34 * len(leaves) + 1.0)
    axes = figure.add_subplot()
    look: dict[str, Any] = dict(marker="o", linestyle="", markersize=6, markeredgecolor="white", markeredgewidth=0.6)
    numbers = np.array([float(value) for parts in leaves.values() for value in parts.values()])
    finite = numbers[np.isfinite(numbers)]
    for place, parts in enumerate(leaves.values()):
        for gate, value in parts.items():
            color = strokes[gate].color if gate else style.INK
            axes.plot(np.where(np.isfinite(value), value, np.nan), place, color=color, clip_on=False, **look)
    axes.set_yticks(range(len(leaves)), [leaf.replace("_", " ") for leaf in leaves])
    axes.set_ylim(len(leaves) - 0.5, -0.5)
    low, high = (finite.min(), finite.max()) if finite.size else (-1.0, 0.0)
    left = math.floor(low - 0.05)
    axes.set_xlim(left, max(high + 0.15, left + 1.05))
    axes.locator_params(axis="x", nbins=8, integer=True)
    axes.xaxis.set_major_formatter(lambda value, _: f"$10^{{{value:g}}}$")
    axes.grid(True, axis="x")
    axes.set_xlabel(r"norm of the gradient  $\|\partial L\,/\,\partial w\|$")
    if strokes:
        handles = [
            Line2D([], [], color=stroke.color, label=gate.replace("_", " "), **look) for gate, stroke in strokes.items()
        ]
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0)
    return figure


def _lines(
    leaves: dict[str, dict[str, np.ndarray]], strokes: Mapping[str, style.Stroke], updates: np.ndarray
) -> Figure:
    """One panel a leaf of the parameters, one line a block, against updates."""
    figure, grid = panels(len(leaves))
    decades(grid[0, 0], [logs for parts in leaves.values() for logs in parts.values()])
    plain = style.Stroke(style.INK, "-", style.INK)
    for axes, (leaf, parts) in zip(grid.flat, leaves.items(), strict=False):
        for gate, logs in parts.items():
            stroke = strokes.get(gate, plain)
            draw_line(axes, updates, logs, color=stroke.color, linestyle=stroke.linestyle)
        axes.set_title(leaf.replace("_", " "))
        axes.locator_params(axis="x", nbins=4, integer=True)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    figure.supxlabel("updates", fontsize=style.SETTINGS["font.size"])
    label = r"norm of the gradient  $\|\partial L\,/\,\partial w\|$"
    figure.supylabel(label, fontsize=style.SETTINGS["font.size"])
    if strokes:
        legend_beside(figure, {gate.replace("_", " "): stroke for gate, stroke in strokes.items()})
    return figure
