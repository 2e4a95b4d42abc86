"""What a reader keeps in mind of a text, and how closely the units of a network follow it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from rnnjax.analysis.units import match_units, nesting_depth, steps_since

SIGNALS = ("place in the line", "inside quotes", "inside brackets")


def signal(name: str, text: str) -> np.ndarray:
    """What a reader keeps in mind after each character, `[characters]`: of the `SIGNALS`, by name.

    A quotation or bracket that is never closed ends with its paragraph.
    """
    if name == "place in the line":
        return steps_since(text).astype(float)
    paragraphs = [part for part in re.split(r"(\n\s*\n)", text) if part]
    if name == "inside quotes":
        return np.concatenate([nesting_depth(part) for part in paragraphs]).astype(float)
    depth = [sum(nesting_depth(part, *pair) for pair in ("()", "[]", "{}")) for part in paragraphs]
    return (np.concatenate(depth) > 0).astype(float)


def correlations(
    marks: dict[str, np.ndarray], states: dict[str, np.ndarray], control: dict[str, np.ndarray], texts: dict[str, str]
) -> dict[str, Any] | None:
    """How closely a unit follows a signal: the one that does so best on the validation part, tested on the test part.

    Args:
      marks: by split, the signal `[rows, time]`.
      states: by split, `[rows, time, units]`, of the trained network.
      control: the same of an untrained one.
      texts: by split, the characters of all rows.

    Returns:
      The "unit" and the absolute values of correlations: "trained"; "untrained", of the best unit of the control; and
      "memoryless", of the best guess from the current character. `None` where the text hardly has the signal.
    """
    rare = [min(np.mean(mark > 0), np.mean(mark == 0)) for mark in marks.values()]
    if min(rare) < 0.002:
        return None
    settled = {split: mark.copy() for split, mark in marks.items()}
    for mark in settled.values():
        mark[:, : settling(mark.shape[1])] = np.nan
    characters = {split: np.array(list(text)).reshape(marks[split].shape) for split, text in texts.items()}
    means = {char: marks["validation"][characters["validation"] == char].mean() for char in set(texts["validation"])}
    overall = marks["validation"].mean()
    guess = np.array([means.get(char, overall) for char in texts["test"]]).reshape(*marks["test"].shape, 1)
    unit, trained = _best(states, settled)
    _, untrained = _best(control, settled)
    memoryless = abs(float(match_units(guess, settled["test"]).correlations[0]))
    return {"unit": unit, "trained": trained, "untrained": untrained, "memoryless": memoryless}


def _best(states: dict[str, np.ndarray], marks: dict[str, np.ndarray]) -> tuple[int, float]:
    unit = int(match_units(states["validation"], marks["validation"]).units[0])
    return unit, abs(float(match_units(states["test"][..., unit : unit + 1], marks["test"]).correlations[0]))


def settling(time: int) -> int:
    """The characters at the start of a row that do not count: a row starts without a past."""
    return min(64, time // 4)
