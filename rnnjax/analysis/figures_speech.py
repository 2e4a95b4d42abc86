"""Figures of recognised speech: features, and what was heard when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.analysis import style
from rnnjax.errors import check

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def alignment_figure(
    features: Any, probabilities: Any, letters: Sequence[str], hop: float, *, title: str | None = None
) -> Figure:
    """Features as a heat map, and below it the probability of each letter in each frame.

    Letters that reach a probability of 0.1 somewhere are drawn, and named at their peak. The blank is not drawn.

    Args:
      features: `[frames, features]`.
      probabilities: `[frames, 1 + letters]`, the blank first.
      letters: their names.
      hop: from a frame to the next, in seconds.
      title: above the figure.

    Raises:
      InputError: features, probabilities and letters that do not fit each other.
    """
    shown, shares = np.asarray(features, float), np.asarray(probabilities, float)
    expected = f"[{len(shown)}, {1 + len(letters)}]: a row a frame, the blank and the letters"
    check(shown.ndim == 2 and shown.size > 0, "features", f"shape {shown.shape}", "[frames, features], not empty")
    fits = shares.shape == (len(shown), 1 + len(letters))
    check(fits, "probabilities", f"shape {shares.shape}", expected)
    with style.applied():
        figure = style.new_figure(height=3.1)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
        end = len(shown) * hop
        look: dict[str, Any] = dict(aspect="auto", origin="lower", cmap="Greys", interpolation="none")
        above.imshow(shown.T, extent=(0, end, 0.5, shown.shape[1] + 0.5), **look)
        above.grid(False)
        above.set_ylabel("feature")
        times = (np.arange(len(shown)) + 0.5) * hop
        drawn = [place for place in range(len(letters)) if shares[:, 1 + place].max() >= 0.1]
        drawn.sort(key=lambda place: int(shares[:, 1 + place].argmax()))
        strokes = style.strokes(letters[place] for place in drawn)
        for place in drawn:
            curve, stroke = shares[:, 1 + place], strokes[letters[place]]
            below.plot(times, curve, color=stroke.color, linestyle=stroke.linestyle)
            for peak in _peaks(curve):
                mark: dict[str, Any] = dict(ha="center", va="bottom", color=stroke.text)
                below.text(times[peak], min(curve[peak], 1.0) + 0.03, letters[place], **mark)
        below.set_ylim(0, 1.2)
        below.set_yticks([0, 0.5, 1])
        below.set_xlim(0, end)
        below.set_ylabel("probability")
        below.set_xlabel("time (s)")
        above.set_title(title or "")
        style.settle(figure)
    return figure


def _peaks(curve: np.ndarray) -> list[int]:
    """The highest frame of each stretch above 0.1."""
    above = np.concatenate([[False], curve >= 0.1, [False]])
    starts, ends = np.flatnonzero(above[1:] & ~above[:-1]), np.flatnonzero(~above[1:] & above[:-1])
    return [int(start + curve[start:end].argmax()) for start, end in zip(starts, ends, strict=True)]
