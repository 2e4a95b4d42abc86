"""Which units follow a signal that a reader can name, such as being inside a quotation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnjax.errors import check


class UnitMatches(NamedTuple):
    """Units in the order in which they follow a signal, best first. NumPy arrays.

    Attributes:
      units: `[units]`, indices.
      correlations: `[units]`, Pearson's r of each; 0 for a unit that never moves.
    """

    units: np.ndarray
    correlations: np.ndarray


def match_units(activations: Any, signal: Any) -> UnitMatches:
    """The units that follow a signal most closely: those that are in a quotation, or count the length of a line.

    Karpathy, Johnson & Fei-Fei 2015 (arXiv:1506.02078) found such units by looking; here they are ranked by the
    absolute value of Pearson's correlation. Of many units some follow any signal by chance: compare with a shuffled
    signal, or with other text.

    Args:
      activations: `[..., time, units]`, as from `visited_states`, outputs, or one of the `gate_activations`.
      signal: `[..., time]`, numbers or bools, as from `nesting_depth` and `steps_since`; where it is NaN, steps do not
        count.

    Returns:
      All units, the best first.

    Raises:
      InputError: shapes that do not fit each other, or fewer than two steps that count.
    """
    units, wanted = np.asarray(activations, float), np.asarray(signal, float)
    fits = units.ndim >= 2 and units.shape[:-1] == wanted.shape
    check(fits, "signal", f"shape {wanted.shape}", f"shape {units.shape[:-1]}, the activations without their last axis")
    units, wanted = units.reshape(-1, units.shape[-1]), wanted.ravel()
    there = np.isfinite(wanted)
    check(int(there.sum()) >= 2, "signal", f"{int(there.sum())} steps that count", "two or more")
    units, wanted = units[there], wanted[there]
    units, wanted = units - units.mean(axis=0), wanted - wanted.mean()
    spread = np.sqrt(np.sum(units**2, axis=0) * np.sum(wanted**2))
    moves = spread > 1e-12 * len(wanted)
    correlations = np.where(moves, wanted @ units / np.where(moves, spread, 1), 0.0)
    order = np.argsort(-np.abs(correlations), kind="stable")
    return UnitMatches(order, correlations[order])


def nesting_depth(text: str, opening: str = '"', closing: str | None = None) -> np.ndarray:
    """How many marks are open after each character, `[len(text)]`: one from an opening mark on to before the closing.

    Args:
      text: the text.
      opening: one character.
      closing: one character; `None` is the same one, as for quotation marks, that opens and closes by turns.

    Returns:
      Ints; a closing mark too many counts for nothing.

    Raises:
      InputError: marks of another length than one.
    """
    for name, mark in (("opening", opening), ("closing", closing)):
        check(mark is None or len(mark) == 1, name, mark, "one character")
    depth, depths = 0, []
    for character in text:
        if closing is None:
            depth = depth ^ (character == opening)
        else:
            depth = max(depth + (character == opening) - (character == closing), 0)
        depths.append(depth)
    return np.asarray(depths, int)


def steps_since(text: str, mark: str = "\n") -> np.ndarray:
    """How many characters ago the mark was, `[len(text)]`: 0 at the mark; before the first, as if it came before all.

    Args:
      text: the text.
      mark: one character; a line break makes this the place in the line.

    Raises:
      InputError: a mark of another length than one.
    """
    check(len(mark) == 1, "mark", mark, "one character")
    last, steps = -1, []
    for place, character in enumerate(text):
        last = place if character == mark else last
        steps.append(place - last)
    return np.asarray(steps, int)
