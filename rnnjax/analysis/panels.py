"""Several panels in one figure: their grid, one legend beside them, and axes with one place a snapshot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from rnnjax.analysis import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(
    count: int, columns: int = 3, height: float = 2.2, sharex: bool = True, sharey: bool = True
) -> tuple[Figure, np.ndarray]:
    """A figure with `count` panels, on common axes unless told otherwise, and the grid that they lie in.

    Args:
      count: how many.
      columns: how many in a row, at most.
      height: of a row, in inches.
      sharex: whether all have the same x axis.
      sharey: whether all have the same y axis.
    """
    columns = min(count, columns)
    rows = math.ceil(count / columns)
    figure = style.new_figure(height=height * rows + 0.5)
    grid = figure.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    for column in range(columns):  # the lowest panel that is there
        [row[column] for row in grid if row[column].get_visible()][-1].tick_params(labelbottom=True)
    return figure, grid


def legend_beside(figure: Figure, strokes: Mapping[str, style.Stroke]) -> None:
    """Names and their lines, to the right of all panels."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=stroke.color, linestyle=stroke.linestyle, label=name) for name, stroke in strokes.items()
    ]
    figure.legend(handles=handles, loc="outside right upper")


def snapshot_ticks(axes: Axes, axis: str, updates: np.ndarray) -> None:
    """Ticks for an axis with one place a snapshot: a few of them, each with its number of updates."""
    places = np.arange(0, len(updates), -(-len(updates) // 6))
    labels = [f"{updates[place]:,.0f}" for place in places]
    axes.set_yticks(places, labels) if axis == "y" else axes.set_xticks(places, labels)
