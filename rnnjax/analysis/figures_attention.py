"""A figure of attention: which parts of one sequence were looked at for each part of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attention_figure(weights: Any, keys: Sequence[str], queries: Sequence[str], *, title: str | None = None) -> Figure:
    """A map of attention weights: a row a query, a column a key, darker where more was looked at.

    Args:
      weights: `[queries, time]`, each row summing to one.
      keys: `[time]`, the label of each column.
      queries: `[queries]`, the label of each row.
      title: above the map.

    Raises:
      InputError: nothing to draw, or labels that do not fit.
    """
    found = np.asarray(weights, float)
    shape = len(queries), len(keys)
    check(found.size > 0 and found.shape == shape, "weights", f"shape {found.shape}", f"shape {shape}, not empty")
    with style.applied():
        from matplotlib.colors import LinearSegmentedColormap

        shades = LinearSegmentedColormap.from_list("attention", ["#FFFFFF", style.PALETTE[0]])
        width = min(style.WIDTH, 1.6 + 0.24 * shape[1])
        figure = style.new_figure(width=width, height=1.0 + 0.2 * shape[0])
        axes = figure.subplots()
        mesh = axes.imshow(found, cmap=shades, vmin=0, vmax=1, aspect="auto", interpolation="none")
        axes.grid(False)
        axes.xaxis.tick_top()
        axes.set_xticks(range(shape[1]), keys, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(range(shape[0]), queries)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=18, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure
