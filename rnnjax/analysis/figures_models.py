"""Figures of trained models: which classes are mistaken for which, what is attended to, what noise and size cost."""

from __future__ import annotations

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

MOST_NUMBERS = 12
"""Up to so many classes each field of a confusion matrix has its number."""

MOST_LABELS = 48
"""Up to so many rows or columns each has its own label."""


def confusion_figure(matrix: Any, labels: Sequence[str] | None = None, *, title: str | None = None) -> Figure:
    """How often each class was taken for each: rows are the true classes, columns what was said.

    A row is coloured by its shares, so that classes of any frequency can be compared; the numbers are counts. A class
    that never occurs has a white row.

    Args:
      matrix: `[classes, classes]`, counts, as from `rnnjax.metrics.confusion_matrix`.
      labels: the name of each class.
      title: above the axes.

    Raises:
      InputError: no square matrix of counts, or another number of labels.
    """
    counts = np.asarray(matrix, float)
    square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] > 0
    check(square, "matrix", f"shape {counts.shape}", "[classes, classes], not empty")
    check(bool((counts >= 0).all()), "matrix", float(counts.min()), "counts, all >= 0")
    classes = len(counts)
    names = [str(index) for index in range(classes)] if labels is None else [str(label) for label in labels]
    check(len(names) == classes, "labels", len(names), f"{classes} labels, one a class")
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    with style.applied():
        side = min(style.WIDTH, max(2.6, 1.4 + 0.3 * classes))
        figure = style.new_figure(width=side + 0.7, height=side)
        axes = figure.add_subplot()
        mesh = axes.imshow(shares, cmap=_shades(), vmin=0, vmax=1, interpolation="none")
        if classes <= MOST_NUMBERS:
            for (row, column), count in np.ndenumerate(counts):
                color = "white" if shares[row, column] > 0.55 else style.INK if count else style.SOFT
                look: dict[str, Any] = dict(ha="center", va="center", fontsize=7, color=color)
                axes.text(column, row, f"{count:.0f}", **look)
        _name_places(axes, names, names, turned=max(map(len, names)) > 2)
        axes.set_xlabel("said")
        axes.set_ylabel("true")
        axes.set_title(title or "")
        _frame(axes)
        bar = figure.colorbar(mesh, ax=axes, shrink=0.8, pad=0.03, label="share of the true class")
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        style.settle(figure)
    return figure


def attention_figure(
    weights: Mapping[str, Any],
    rows: Sequence[str] | Mapping[str, Sequence[str]],
    columns: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    *,
    row_label: str = "output",
    column_label: str = "input",
    title: str | None = None,
) -> Figure:
    """Attention weights, a panel a name: in each row, what an output attends to.

    Args:
      weights: by name (a sentence, a head), `[rows, columns]`, each row of which sums to 1; or `[columns]` where there
        is one output.
      rows: the labels of the outputs, such as words; or those of each name.
      columns: those of the inputs, likewise; `None` are those of the rows.
      row_label: what the rows are.
      column_label: what the columns are.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or labels that do not fit the weights.
    """
    columns = rows if columns is None else columns
    arrays: dict[str, tuple[np.ndarray, list[str], list[str]]] = {}
    for name, given in checked_mapping("weights", weights).items():
        found = np.atleast_2d(np.asarray(given, float))
        outputs, inputs = (list(part[name] if isinstance(part, Mapping) else part) for part in (rows, columns))
        expected = f"[{len(outputs)}, {len(inputs)}], as there are labels, and not empty"
        fits = found.size > 0 and found.shape == (len(outputs), len(inputs))
        check(fits, f"weights[{name!r}]", f"shape {found.shape}", expected)
        arrays[name] = found, outputs, inputs
    with style.applied():
        across = 1 if len(arrays) == 1 else 2
        down = math.ceil(len(arrays) / across)
        most = max(found.shape[0] / found.shape[1] for found, _, _ in arrays.values())
        width = style.WIDTH / across - 0.9
        wide = max(found.shape[1] for found, _, _ in arrays.values())
        height = min(max(width if across > 1 else min(width, 0.28 * wide + 0.6), 1.0) * most, 7.5) + 1.0
        figure = style.new_figure(height=down * height)
        grid = figure.subplots(down, across, squeeze=False)
        for axes in grid.flat[len(arrays) :]:
            axes.set_visible(False)
        mesh = None
        for axes, (name, (found, outputs, inputs)) in zip(grid.flat, arrays.items(), strict=False):
            shown = np.where(np.isfinite(found), found, 0)
            mesh = axes.imshow(shown, cmap=_shades(), vmin=0, vmax=1, interpolation="none", aspect="equal")
            _name_places(axes, inputs, outputs, turned=max(map(len, inputs)) > 2)
            axes.set_title(name)
            axes.set_xlabel(column_label)
            axes.set_ylabel(row_label)
            _frame(axes)
        bar = figure.colorbar(mesh, ax=list(grid.flat), shrink=0.7, pad=0.02, aspect=24, label="weight")  # pyright: ignore
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def robustness_figure(
    curves: Mapping[str, tuple[Any, Any]],
    ylabel: str,
    *,
    clean: float | None = None,
    baseline: float | None = None,
    title: str | None = None,
) -> Figure:
    """A metric against the strength of a disturbance, a panel a kind, on a common axis for the metric.

    Args:
      curves: by kind ("noise", "fgsm" ...), the strengths `[points]` and the metric at each.
      ylabel: the metric's name.
      clean: the metric without a disturbance: drawn at strength 0 and as a line.
      baseline: that of the plain baseline.
      title: above the panels.

    Raises:
      InputError: nothing to draw, or strengths and values of different lengths.
    """
    data = {}
    for kind, (strengths, values) in checked_mapping("curves", curves).items():
        at, found = np.asarray(strengths, float), np.asarray(values, float)
        if at.ndim != 1 or at.shape != found.shape or not at.size:
            raise InputError(f"curves[{kind!r}]", f"shape {at.shape} and {found.shape}", "two times [points]")
        order = np.argsort(at, kind="stable")
        at, found = at[order], found[order]
        if clean is not None and at[0] > 0:
            at, found = np.concatenate([[0.0], at]), np.concatenate([[clean], found])
        data[kind] = at, found
    with style.applied():
        columns = min(len(data), 3)
        down = math.ceil(len(data) / columns)
        figure = style.new_figure(width=min(style.WIDTH, 2.4 * columns + 1.2), height=2.3 * down + 0.3)
        grid = figure.subplots(down, columns, sharey=True, squeeze=False)
        for axes in grid.flat[len(data) :]:
            axes.set_visible(False)
        for index, (axes, (kind, (at, found)), stroke) in enumerate(
            zip(grid.flat, data.items(), style.strokes(data).values(), strict=False)
        ):
            if clean is not None:
                axes.axhline(clean, color=style.SOFT, linewidth=0.8, linestyle=(0, (1, 1.2)))
            if baseline is not None:
                axes.axhline(baseline, color=style.INK, linewidth=0.9, linestyle=(0, (3, 2)))
            look: dict[str, Any] = dict(color=stroke.color, linestyle=stroke.linestyle, marker="o", markersize=3.4)
            axes.plot(at, found, clip_on=False, zorder=3, **look)
            axes.set_title(kind, color=stroke.text)
            axes.set_xlim(0, max(float(at.max()), 1e-9))
            axes.locator_params(axis="x", nbins=4)
            axes.set_xlabel("strength")
            if index % columns == 0:
                axes.set_ylabel(ylabel)
        marks = [("undisturbed", clean, (0, (1, 1.2)), style.SOFT), ("baseline", baseline, (0, (3, 2)), style.INK)]
        _legend_above(figure, [mark for mark in marks if mark[1] is not None])
        if title:
            figure.suptitle(title, fontsize=style.SETTINGS["font.size"])
        style.settle(figure)
    return figure


def size_figure(
    variants: Mapping[str, tuple[float, float]],
    ylabel: str,
    *,
    title: str | None = None,
) -> Figure:
    """A metric against the size of the file, a point for each variant of a model; sizes on a logarithmic axis.

    Args:
      variants: by name, bytes and the metric.
      ylabel: the metric's name.
      title: above the axes.

    Raises:
      InputError: nothing to draw, or a size that is not above zero.
    """
    for name, (size, _) in checked_mapping("variants", variants).items():
        check(size > 0, f"variants[{name!r}]", size, "a number of bytes above 0, and a metric")
    with style.applied():
        from matplotlib.ticker import LogLocator, NullFormatter

        figure = style.new_figure(height=3.0)
        axes = figure.add_subplot()
        axes.set_xscale("log")
        strokes = style.strokes(variants)
        for place, (name, (size, value)) in enumerate(variants.items()):
            axes.plot(size / 1000, value, "o", color=strokes[name].color, markersize=6, mew=0, zorder=3)
            look: dict[str, Any] = dict(textcoords="offset points", color=strokes[name].text, fontsize=style.LABEL_SIZE)
            below = place % 2  # neighbours in size often have the same metric
            at = (0, -6) if below else (0, 6)
            axes.annotate(name, (size / 1000, value), at, ha="center", va="top" if below else "bottom", **look)
        sizes = np.array([size for size, _ in variants.values()]) / 1000
        values = np.array([value for _, value in variants.values()], float)
        values = values[np.isfinite(values)]
        spread = float(np.ptp(values)) if values.size else 0.0
        margin = max(0.2 * spread, 1e-3 * float(np.abs(values).max(initial=0.0)), 1e-6)
        if values.size:
            axes.set_ylim(float(values.min()) - margin, float(values.max()) + margin)
        axes.set_xlim(float(sizes.min()) / 1.6, float(sizes.max()) * 1.6)
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=12))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.4g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("size of the file, thousands of bytes")
        axes.set_ylabel(ylabel)
        axes.set_title(title or "")
        style.settle(figure)
    return figure


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("white-blue", ["#FFFFFF", "#9CC9E6", style.PALETTE[0], "#00385B"])


def _frame(axes: Axes) -> None:
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.5)


def _name_places(axes: Axes, columns: Iterable[str], rows: Iterable[str], turned: bool) -> None:
    """A tick for each row and column, if there is room for their names."""
    marks = {" ": "␣", "\n": "↵", "\t": "→"}
    for side, names in (("x", list(columns)), ("y", list(rows))):
        if len(names) > MOST_LABELS:
            axes.locator_params(axis=side, integer=True, nbins=6)  # pyright: ignore[reportArgumentType]
            continue
        shown = [marks.get(name, name) for name in names]
        size = 7.5 if len(names) <= 16 else 6.0
        if side == "x":
            look: dict[str, Any] = dict(rotation=90 if turned else 0, fontsize=size)
            axes.set_xticks(range(len(names)), shown, **look)
        else:
            axes.set_yticks(range(len(names)), shown, fontsize=size)
        axes.tick_params(axis=side, length=0)  # pyright: ignore[reportArgumentType]


def _legend_above(figure: Figure, marks: list[tuple[str, Any, Any, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=ink, linestyle=dash, linewidth=0.9, label=f"{name} {value:.3g}")
        for name, value, dash, ink in marks
    ]
    if handles:
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
