"""Figures of explanations: inputs by their share in an output, outputs by the inputs they depend on, and coloured text.

Blue is negative and orange positive, in these figures as in the text for a browser.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.analysis.drawing import checked_mapping
from rnnjax.errors import InputError, check

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEGATIVE, MIDDLE, POSITIVE = "#6AA9D6", "#FFFFFF", "#E8843C"
"""The ends of the scale leave black letters a contrast of 6 and more; WCAG 2.1, SC 1.4.3, asks for 4.5."""

MOST_TICKS = 64
"""Up to so many steps each has its own label."""


def attribution_figure(
    attributions: Mapping[str, Any], *, steps: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """What each step's input contributed to an output, one panel a name.

    Args:
      attributions: by name, `[time]`, drawn as bars, or `[time, features]`, drawn as a map of features by steps with
        the same scale on both sides of zero; of one row, as from `saliency` or `integrated_gradients`.
      steps: `[time]`, a label for each step, such as its character.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or shapes that do not fit each other.
    """
    arrays = {name: np.asarray(found, float) for name, found in checked_mapping("attributions", attributions).items()}
    time = next(iter(arrays.values())).shape[0] if next(iter(arrays.values())).ndim else 0
    for name, found in arrays.items():
        fits = found.ndim in (1, 2) and found.shape[0] == time and found.size > 0
        check(fits, f"attributions[{name!r}]", f"shape {found.shape}", f"[{time}] or [{time}, features], not empty")
    _check_steps(steps, time)
    with style.applied():
        heights = [1.2 if found.ndim == 1 else min(0.6 + 0.12 * found.shape[1], 2.4) for found in arrays.values()]
        figure = style.new_figure(height=sum(heights) + 0.5)
        panels = figure.subplots(len(arrays), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (name, found) in zip(panels, arrays.items(), strict=True):
            axes.set_title(name)
            if found.ndim == 1:
                shown = np.where(np.isfinite(found), found, 0)
                axes.bar(range(time), shown, width=0.8, color=[_side(value) for value in shown])
                axes.axhline(0, color=style.SOFT, linewidth=0.7)
            else:
                largest = _largest(found)
                mesh = axes.imshow(
                    found.T, aspect="auto", cmap=_diverging(), vmin=-largest, vmax=largest, interpolation="none"
                )
                axes.grid(False)
                axes.set_ylabel("feature")
                axes.locator_params(axis="y", integer=True, nbins=5)
                figure.colorbar(mesh, ax=axes, pad=0.02, aspect=14).outline.set_visible(False)  # pyright: ignore
        panels[-1].set_xlim(-0.5, time - 0.5)
        for axes in panels:
            _label_steps(axes, "x", steps, time)
        panels[-1].set_xlabel("step t")
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def connectivity_figure(
    matrices: Mapping[str, Any],
    *,
    steps: Sequence[str] | None = None,
    decades: float = 6.0,
    title: str | None = None,
) -> Figure:
    """How strongly the output of each step depends on the input of each step before it, in logarithmic colours.

    Bright along the diagonal only is a short memory, a bright column is an input that many outputs depend on, a bright
    row an output that sees far back.

    Args:
      matrices: by name, `[time, time]`, outputs by inputs, of one row, as from `connectivity`.
      steps: `[time]`, a label for each step, such as its character.
      decades: how far below the largest value the colours reach; what is less is white, like zero.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or no square matrices.
    """
    arrays = {name: np.asarray(found, float) for name, found in checked_mapping("matrices", matrices).items()}
    for name, found in arrays.items():
        fits = found.ndim == 2 and found.shape[0] == found.shape[1] > 0
        check(fits, f"matrices[{name!r}]", f"shape {found.shape}", "[time, time], not empty")
        _check_steps(steps, len(found))
    values = np.concatenate([np.ravel(found) for found in arrays.values()])
    values = values[np.isfinite(values) & (values > 0)]
    top = float(values.max()) if values.size else 1.0
    with style.applied():
        from matplotlib import colormaps
        from matplotlib.colors import LogNorm

        columns = min(len(arrays), 3)
        rows = math.ceil(len(arrays) / columns)
        side = (style.WIDTH - 0.9) / columns if columns > 1 else 3.4
        figure = style.new_figure(width=side * columns + 0.9, height=side * rows + 0.35)
        grid = figure.subplots(rows, columns, squeeze=False)
        norm = LogNorm(top * 10**-decades, top)
        shades = colormaps["viridis"].with_extremes(bad="white", under="white")
        mesh = None
        for axes in grid.flat[len(arrays) :]:
            axes.set_visible(False)
        for index, (axes, (name, found)) in enumerate(zip(grid.flat, arrays.items(), strict=False)):
            shown = np.ma.masked_invalid(np.where(found > 0, found, np.nan))
            mesh = axes.imshow(shown, norm=norm, cmap=shades, interpolation="none", aspect="equal")
            axes.set_title(name)
            axes.grid(False)
            for side_name in "xy":
                _label_steps(axes, side_name, steps, len(found))
            axes.set_xlabel("input at step t")
            if index % columns == 0:
                axes.set_ylabel("output at step s")
        label = r"$\|\partial y_s\,/\,\partial x_t\|$"
        bar = figure.colorbar(mesh, ax=list(grid.flat), pad=0.02, aspect=28, shrink=0.85, label=label)  # pyright: ignore
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def text_figure(
    text: str,
    activations: Mapping[str, Any],
    *,
    columns: int = 76,
    scale: float | None = None,
    title: str | None = None,
) -> Figure:
    """A text in which each character stands on the colour of a unit's activation, one block a unit.

    After Karpathy, Johnson & Fei-Fei 2015, arXiv:1506.02078, Fig. 2.

    Args:
      text: its characters are the steps.
      activations: by name, `[len(text)]`; a block for each.
      columns: characters a line.
      scale: the activation of the full colour; `None` is the largest of each block.
      title: above the blocks.

    Raises:
      InputError: nothing to draw, or activations of another length than the text.
    """
    arrays = _checked_activations(text, activations)
    check(columns > 0, "columns", columns, "a positive int")
    shown, places = _laid_out(text, columns)
    lines = max(line for line, _ in places) + 1
    with style.applied():
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        height = len(arrays) * (0.155 * lines + 0.3) + (0.25 if title else 0.05)
        figure = style.new_figure(height=height)
        panels = figure.subplots(len(arrays), 1, squeeze=False)[:, 0]
        colours = _diverging()
        for axes, (name, found) in zip(panels, arrays.items(), strict=True):
            largest = _largest(found) if scale is None else scale
            boxes = [Rectangle((column, line), 1, 1) for line, column in places]
            level = np.where(np.isfinite(found), np.clip(found / largest, -1, 1), 0)
            faces = [colours((value + 1) / 2) for value in level]
            axes.add_collection(PatchCollection(boxes, facecolors=faces, linewidths=0))
            for character, (line, column) in zip(shown, places, strict=True):
                soft = character in "↵→"
                look: dict[str, Any] = dict(ha="center", va="center", family="DejaVu Sans Mono", fontsize=7)
                axes.text(column + 0.5, line + 0.5, character, color=style.SOFT if soft else style.INK, **look)
            axes.set(xlim=(0, columns), ylim=(lines, 0))
            axes.set_title(f"{name}  (full colour: ±{largest:.2g})")
            axes.axis("off")
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def text_html(
    text: str, activations: Mapping[str, Any], *, scale: float | None = None, title: str = "Units over a text"
) -> str:
    """The same for a browser: one file without scripts or references, with the value of each step where one points.

    Args:
      text: its characters are the steps.
      activations: by name, `[len(text)]`; a block for each.
      scale: the activation of the full colour; `None` is the largest of each block.
      title: of the page.

    Returns:
      An HTML document.

    Raises:
      InputError: nothing to draw, or activations of another length than the text.
    """
    blocks = []
    for name, found in _checked_activations(text, activations).items():
        largest = _largest(found) if scale is None else scale
        spans = []
        for character, value in zip(text, found, strict=True):
            level = float(np.clip(value / largest, -1, 1)) if np.isfinite(value) else 0.0
            mark = {"\n": "↵\n", "\t": "→\t"}.get(character, character)
            spans.append(f'<span style="background:{_mixed(level)}" title="{value:.4g}">{html.escape(mark)}</span>')
        heading = f"{html.escape(name)} <small>full colour: ±{largest:.3g}</small>"
        blocks.append(f"<h2>{heading}</h2>\n<pre>{''.join(spans)}</pre>")
    look = (
        f"body{{font-family:system-ui,sans-serif;color:{style.INK};background:#fff;max-width:60em;margin:2em auto;"
        "padding:0 1em}pre{font:14px/1.5 ui-monospace,Menlo,Consolas,monospace;white-space:pre-wrap;"
        f"overflow-wrap:anywhere}}h2{{font-size:1rem}}small{{font-weight:normal;color:{style.SOFT}}}"
    )
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{look}</style>'
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", *blocks])
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _checked_activations(text: str, activations: Mapping[str, Any]) -> dict[str, np.ndarray]:
    check(bool(text), "text", text, "at least one character")
    arrays = {name: np.asarray(found, float) for name, found in checked_mapping("activations", activations).items()}
    for name, found in arrays.items():
        if found.shape != (len(text),):
            raise InputError(f"activations[{name!r}]", f"shape {found.shape}", f"[{len(text)}], a number a character")
    return arrays


def _laid_out(text: str, columns: int) -> tuple[list[str], list[tuple[int, int]]]:
    """What is written for each character, and in which line and column: line breaks show, and break the line."""
    shown, places, line, column = [], [], 0, 0
    for character in text:
        if column == columns:
            line, column = line + 1, 0
        shown.append({"\n": "↵", "\t": "→"}.get(character, character if character.isprintable() else "·"))
        places.append((line, column))
        column += 1
        if character == "\n":
            line, column = line + 1, 0
    return shown, places


def _largest(values: np.ndarray) -> float:
    """The largest absolute value that is finite; 1 if there is none but zero."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0


def _side(value: float) -> str:
    return POSITIVE if value > 0 else NEGATIVE


def _diverging() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("blue-white-orange", [NEGATIVE, MIDDLE, POSITIVE])


def _mixed(level: float) -> str:
    """The colour at -1..1 on the scale, as CSS writes it."""
    channels = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (MIDDLE, _side(level))]
    share = abs(level)
    return "#{:02X}{:02X}{:02X}".format(*(round((1 - share) * a + share * b) for a, b in zip(*channels, strict=True)))


def _check_steps(steps: Sequence[str] | None, time: int) -> None:
    check(steps is None or len(steps) == time, "steps", steps, f"{time} labels, one a step")


def _label_steps(axes: Axes, side: str, steps: Iterable[str] | None, time: int) -> None:
    """Ticks that name each step, if there are names, and room for them."""
    if steps is None or time > MOST_TICKS:
        axes.locator_params(axis=side, integer=True, nbins=6)  # pyright: ignore[reportArgumentType]
        return
    labels = [{" ": "␣", "\n": "↵", "\t": "→"}.get(step, step) for step in steps]
    (axes.set_xticks if side == "x" else axes.set_yticks)(range(time), labels, fontsize=6.5 if time > 24 else 7.5)
    axes.tick_params(axis=side, length=0)  # pyright: ignore[reportArgumentType]
