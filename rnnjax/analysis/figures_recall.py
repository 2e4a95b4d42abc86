"""Figures of images that a network recalled, and of how many it can recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import checked_mapping
from rnnjax.errors import InputError, check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def image_rows_figure(
    rows: Mapping[str, Any], *, columns: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """Images in rows, a name a row, all on one scale of greys: what was shown above what came out.

    Args:
      rows: by name, `[images, height, width]`, as many images in each row.
      columns: a caption for each column.
      title: above the images.

    Raises:
      InputError: nothing to draw, or rows of different shapes.
    """
    arrays = {name: np.asarray(found, float) for name, found in checked_mapping("rows", rows).items()}
    shape = next(iter(arrays.values())).shape
    for name, found in arrays.items():
        fits = found.ndim == 3 and found.size > 0 and found.shape[0] == shape[0]
        check(fits, f"rows[{name!r}]", f"shape {found.shape}", "[images, height, width], as many images in each row")
    check(columns is None or len(columns) == shape[0], "columns", columns, f"{shape[0]} captions, one an image")
    every = np.concatenate([np.ravel(found) for found in arrays.values()])
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    with style.applied():
        side = min((style.WIDTH - 1.2) / shape[0], 0.9)
        above = 0.25 + (0.2 if title else 0.0)
        figure = style.new_figure(width=1.2 + side * shape[0], height=side * len(arrays) + above)
        grid = figure.subplots(len(arrays), shape[0], squeeze=False)
        for line, (name, found) in zip(grid, arrays.items(), strict=True):
            for place, (axes, image) in enumerate(zip(line, found, strict=True)):
                axes.imshow(image, cmap="gray_r", vmin=low, vmax=high, interpolation="none")
                axes.set_xticks([])
                axes.set_yticks([])
                axes.grid(False)
                for spine in axes.spines.values():
                    spine.set_visible(True)
                    spine.set_linewidth(0.5)
                if place == 0:
                    axes.set_ylabel(name, rotation=0, ha="right", va="center")
        for axes, caption in zip(grid[0], columns or (), strict=False):
            axes.set_title(caption, loc="center")
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def capacity_figure(
    curves: Mapping[str, tuple[Any, Any]],
    *,
    mark: float | None = None,
    log: bool = False,
    title: str | None = None,
) -> Figure:
    """The share of stored patterns that are recalled, against the load: a thin line a seed, their mean as a thick one.

    Args:
      curves: by name, loads `[points]` (patterns a unit) and shares `[seeds, points]`.
      mark: a load to mark with a line, such as that of the theory.
      log: whether the axis of the loads is logarithmic.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or loads and shares that do not fit each other.
    """
    data = {}
    for name, (loads, shares) in checked_mapping("curves", curves).items():
        at, found = np.asarray(loads, float), np.atleast_2d(np.asarray(shares, float))
        if found.ndim != 2 or at.shape != found.shape[1:] or not found.size:
            raise InputError(f"curves[{name!r}]", f"shape {at.shape} and {found.shape}", "[points] and [seeds, points]")
        data[name] = at, found
    with style.applied():
        from matplotlib.lines import Line2D

        figure = style.new_figure(height=3.0)
        axes = figure.add_subplot()
        strokes = style.strokes(data)
        for name, (at, found) in data.items():
            stroke = strokes[name]
            for seed in found if len(found) > 1 else ():
                axes.plot(at, seed, color=stroke.color, linewidth=0.6, alpha=0.4)
            look: dict[str, Any] = dict(color=stroke.color, linestyle=stroke.linestyle, marker="o", markersize=3)
            axes.plot(at, found.mean(0), clip_on=False, zorder=3, **look)
        handles = [
            Line2D([], [], color=stroke.color, linestyle=stroke.linestyle, marker="o", markersize=3, label=name)
            for name, stroke in strokes.items()
        ]
        if mark is not None:
            look = dict(color=style.INK, linestyle=(0, (3, 2)), linewidth=0.9)
            axes.axvline(mark, **look)
            handles.append(Line2D([], [], label=f"{mark:g}, the theory for many units", **look))
        axes.set_xscale("log" if log else "linear")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlabel("load: patterns stored a unit")
        axes.set_ylabel("patterns recalled")
        axes.set_title(title or "")
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        style.settle(figure)
    return figure


def roll_figure(rolls: Mapping[str, Any], *, lowest: int = 21, title: str | None = None) -> Figure:
    """Piano rolls one above the other: notes against frames, the darker the more likely.

    Args:
      rolls: by name, `[frames, keys]` of values from 0 to 1, of the same shape.
      lowest: the MIDI number of the first key.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or rolls of different shapes.
    """
    arrays = {name: np.asarray(found, float) for name, found in checked_mapping("rolls", rolls).items()}
    shape = next(iter(arrays.values())).shape
    for name, found in arrays.items():
        fits = found.ndim == 2 and found.size > 0 and found.shape == shape
        check(fits, f"rolls[{name!r}]", f"shape {found.shape}", "[frames, keys], the same for all, not empty")
    keys = np.flatnonzero(np.any([(found > 0.05).any(0) for found in arrays.values()], axis=0))
    low, high = (int(keys[0]), int(keys[-1]) + 1) if len(keys) else (0, shape[1])
    with style.applied():
        from matplotlib.ticker import MultipleLocator

        figure = style.new_figure(height=1.9 * len(arrays) + 0.4)
        panels = figure.subplots(len(arrays), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        extent = (-0.5, shape[0] - 0.5, lowest + low - 0.5, lowest + high - 0.5)
        look: dict[str, Any] = dict(origin="lower", aspect="auto", cmap="gray_r", vmin=0, vmax=1, interpolation="none")
        for axes, (name, found) in zip(panels, arrays.items(), strict=True):
            axes.imshow(found[:, low:high].T, extent=extent, **look)
            axes.set_title(name)
            axes.set_ylabel("octave")
            axes.yaxis.set_major_locator(MultipleLocator(12))
            axes.yaxis.set_major_formatter(lambda value, _: f"C{value / 12 - 1:.0f}")
        panels[-1].set_xlabel("frame")
        panels[-1].locator_params(axis="x", integer=True)
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure
