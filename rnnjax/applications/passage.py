"""A passage of text with what a language model makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rnnjax.report import Section


def passage(
    tokens: Sequence[str], losses: np.ndarray, states: np.ndarray | None = None, units: int = 3, note: str = ""
) -> Section:
    """The passage twice: coloured by the surprise at each token, and by the units that hold longest.

    Args:
      tokens: `[tokens + 1]`, as they are to be shown.
      losses: `[tokens]` in nats, of each token but the first.
      states: `[tokens, features]`, the outputs of the recurrent layer after each token but the last; `None` leaves
        the units out.
      units: how many units.
      note: what is said where units are left out.
    """
    from rnnjax.analysis.figures_explain import text_figure

    over = lambda values, shown: np.repeat(values, [len(token) for token in shown])  # noqa: E731
    surprise = {"loss above its mean": over(losses - losses.mean(), tokens[1:])}
    mean = f"{losses.mean():.3f} nats ({math.log2(math.e) * losses.mean():.3f} bits)"
    caption = f"A token of this passage costs {mean} in the mean."
    figures = [(caption, text_figure("".join(tokens[1:]), surprise))]
    text = "What the model foresaw, on blue, and what it did not, on orange. "
    if states is None:
        return Section("A passage of the validation text", text + note, tuple(figures))
    change = np.abs(np.diff(states, axis=0)).mean(0) / np.maximum(states.std(0), 1e-6)
    slow = np.argsort(change)[:units]
    held = {f"unit {unit}": over(states[:, unit], tokens[:-1]) for unit in slow}
    figures.append(("The outputs of these units after each token.", text_figure("".join(tokens[:-1]), held)))
    text += "Then what single units keep track of: those whose output changes least from token to token."
    return Section("A passage of the validation text", text, tuple(figures))
