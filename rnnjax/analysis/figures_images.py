"""Figures of images: with what was said of them, and as frames in time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import checked_mapping
from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def captions_figure(
    images: Any, said: Sequence[str], true: Sequence[str] | None = None, *, title: str | None = None
) -> Figure:
    """Images, each with what was said of it below; in another colour, and with what is true, where that is wrong.

    Args:
      images: `[images, height, width]` or `[images, height, width, channels]`.
      said: a text an image.
      true: a text an image, or `None` where it is not known.
      title: above the figure.

    Raises:
      InputError: no images, or another number of texts.
    """
    shown = np.asarray(images, float)
    check(
        shown.ndim in (3, 4) and len(shown) > 0, "images", f"shape {shown.shape}", "[images, height, width], not empty"
    )
    for argument, texts in (("said", said), ("true", said if true is None else true)):
        check(len(texts) == len(shown), argument, f"{len(texts)} texts", f"{len(shown)}, one an image")
    columns = min(len(shown), 6)
    rows = math.ceil(len(shown) / columns)
    side = style.WIDTH / 6
    with style.applied():
        figure = style.new_figure(width=columns * side, height=rows * (side + 0.32) + (0.25 if title else 0))
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        for place, (axes, image) in enumerate(zip(grid.flat, shown, strict=False)):
            wrong = true is not None and said[place] != true[place]
            _draw(axes, image, float(shown.min()), float(shown.max()))
            text = f"{said[place]}\n({true[place]})" if wrong and true is not None else said[place]
            axes.set_xlabel(text, color=style.strokes("ab")["b"].text if wrong else style.INK)
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def frames_figure(rows: Mapping[str, Any], *, first: int = 1, title: str | None = None) -> Figure:
    """Films below each other, a column a frame, on a common scale of greys.

    Args:
      rows: by name, `[frames, height, width]`; a frame that is NaN is left empty.
      first: the number of the first frame.
      title: above the figure.

    Raises:
      InputError: nothing to draw, or films that differ in shape.
    """
    films = {name: np.asarray(film, float) for name, film in checked_mapping("rows", rows).items()}
    shape = next(iter(films.values())).shape
    for name, film in films.items():
        fits = film.shape == shape and film.ndim == 3 and film.size > 0
        check(fits, f"rows[{name!r}]", f"shape {film.shape}", "[frames, height, width], the same for all")
    low, high = (float(pick([pick(film[np.isfinite(film)]) for film in films.values()])) for pick in (min, max))
    with style.applied():
        margin = 0.9
        side = (style.WIDTH - margin) / shape[0]
        height = side * shape[1] / shape[2]
        figure = style.new_figure(height=len(films) * (height + 0.06) + (0.45 if title else 0.25))
        grid = figure.subplots(len(films), shape[0], squeeze=False)
        for row, (name, film) in enumerate(films.items()):
            for place, (axes, frame) in enumerate(zip(grid[row], film, strict=True)):
                if np.isfinite(frame).all():
                    _draw(axes, frame, low, high)
                else:
                    axes.set(xticks=[], yticks=[])
                    axes.spines[:].set_visible(False)
                if row == 0:
                    axes.set_title(str(first + place), loc="center", color=style.SOFT)
            grid[row, 0].set_ylabel(name, rotation=0, ha="right", va="center")
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def _draw(axes: Axes, image: np.ndarray, low: float, high: float) -> None:
    if image.ndim == 3 and image.shape[-1] == 3:
        axes.imshow(np.clip((image - low) / max(high - low, 1e-9), 0, 1), interpolation="none")
    else:
        grey = image[..., 0] if image.ndim == 3 else image
        axes.imshow(grey, cmap="Greys", vmin=low, vmax=max(high, low + 1e-9), interpolation="none")
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=style.GRID, linewidth=0.6)
