"""How figures look, and how they are written to files. Matplotlib is imported when a function is called.

The figures are `matplotlib.figure.Figure` objects made without pyplot: nothing global changes and no window opens.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that people with any colour vision tell apart: Okabe & Ito 2008, without yellow, which is lost on white."""

DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
"""Line styles, one for each time that the palette has been used up."""

WIDTH = 6.5
"""Inches: the text width of a page."""

LABEL_SIZE = 8
"""Points, of ticks, legends and the labels of lines."""

INK, SOFT, GRID = "#1B1F24", "#57606A", "#E3E6EA"

SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "font.size": 8.5,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": LABEL_SIZE,
    "ytick.labelsize": LABEL_SIZE,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": LABEL_SIZE,
    "figure.facecolor": "white",
    "figure.dpi": 150,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "rnnjax",
}
"""What differs from matplotlib's defaults, whatever the reader's own settings are."""


class Stroke(NamedTuple):
    """How the line of one name is drawn: its colour, its line style, and the colour of text that belongs to it."""

    color: str
    linestyle: Any
    text: str


def strokes(names: Iterable[str]) -> dict[str, Stroke]:
    """A stroke for each name, by its place among them: the same names in the same order look the same everywhere."""
    styles = {}
    for index, name in enumerate(dict.fromkeys(names)):
        color = PALETTE[index % len(PALETTE)]
        styles[name] = Stroke(color, DASHES[index // len(PALETTE) % len(DASHES)], _legible(color))
    return styles


def _legible(color: str, contrast: float = 4.5) -> str:
    """The colour, darkened until text of it on white has the contrast that WCAG 2.1 asks for (SC 1.4.3)."""
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    while True:
        linear = [(c / 255 / 12.92) if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in channels]
        luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        if 1.05 / (luminance + 0.05) >= contrast:
            return "#{:02X}{:02X}{:02X}".format(*channels)
        channels = [round(c * 0.95) for c in channels]


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """The style, for as long as the context lasts. Ticks and text take it on when they are made or drawn."""
    import matplotlib

    settings: Any = SETTINGS
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield


def new_figure(width: float = WIDTH, height: float = 3.4) -> Figure:
    """An empty figure, width and height in inches, that makes room for its labels by itself."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def settle(figure: Figure) -> None:
    """Lays a figure out for good: ticks take on the style, and each time it is written it is the same."""
    for _ in range(2):  # the room that labels need depends on ticks, which depend on the room
        figure.draw_without_rendering()
    figure.set_layout_engine("none")


class End(NamedTuple):
    """A label at the right end of a line: its text, the height in data coordinates, and the colour of the text."""

    text: str
    y: float
    color: str


def label_ends(figure: Figure, axes: Axes, ends: Iterable[End]) -> None:
    """Writes labels to the right of the axes, at the height where each line ends, and apart from each other.

    A line that ends at -inf has its label at the bottom. The y axis has to be linear, and its limits final: they decide
    where labels go.
    """
    ends = list(ends)
    figure.draw_without_rendering()
    spacing = 1.35 * LABEL_SIZE * figure.dpi / 72 / axes.get_window_extent().height
    bottom, top = axes.get_ylim()
    wanted = (np.array([end.y for end in ends]) - bottom) / (top - bottom)
    places = _apart(np.clip(np.nan_to_num(wanted, nan=0.0), 0, 1), spacing)
    for end, start, place in zip(ends, wanted, places, strict=True):
        line = dict(arrowstyle="-", color=end.color, lw=0.6, shrinkA=1, shrinkB=0) if 0 <= start <= 1 else None
        axes.annotate(
            end.text,
            xy=(1.004, start if line else place),
            xytext=(1.035, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            verticalalignment="center",
            color=end.color,
            fontsize=LABEL_SIZE,
            annotation_clip=False,
            arrowprops=line,
        )


def _apart(places: np.ndarray, spacing: float) -> np.ndarray:
    """Places >= 0 that are `spacing` apart and as close to the given ones as may be, in the sense of least squares.

    The order stays. Less the spacing between them, the places wanted have to be in ascending order: where they are
    not, neighbours take their mean.
    """
    order = np.argsort(places, kind="stable")
    gaps = np.arange(len(order)) * spacing
    blocks: list[list[float]] = []  # of neighbours that touch: the place of the lowest one
    for place in places[order] - gaps:
        blocks.append([place])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    lowest = [max(float(np.mean(block)), 0.0) for block in blocks for _ in block]
    apart = np.empty(len(order))
    apart[order] = lowest + gaps
    return apart


def write_svg(figure: Figure, file: Any) -> None:
    """Writes a figure as SVG to a path or a text file: text as text, the same bytes each time, and no date.

    Args:
      figure: from this package, or any other.
      file: a path, or a file open for text.
    """
    with applied():
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})


def write_png(figure: Figure, file: Any, dpi: int = 300) -> None:
    """Writes a figure as PNG to a path or a binary file, `dpi` dots an inch."""
    with applied():
        figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None})


def svg(figure: Figure) -> str:
    """The figure as SVG text."""
    text = io.StringIO()
    write_svg(figure, text)
    return text.getvalue()


def save(figure: Figure, path: str | pathlib.Path) -> None:
    """Writes a figure to a file whose name ends in `.svg` or `.png`.

    Raises:
      InputError: another ending.
    """
    writers = {".svg": write_svg, ".png": write_png}
    ending = pathlib.Path(path).suffix.lower()
    check(ending in writers, "path", str(path), "a name that ends in .svg or .png")
    writers[ending](figure, path)
