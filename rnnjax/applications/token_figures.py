"""Texts token by token: what gates do at each, and values a token as colours of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from rnnjax.analysis.figures_explain import text_figure
from rnnjax.analysis.gate_statistics import gate_activations
from rnnjax.applications.network import NO_GATES
from rnnjax.cell import Cell
from rnnjax.errors import InputError
from rnnjax.models.sequence_layer import Blocks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 76
"""Characters a line."""


def gate_means(
    cell: Cell | Blocks, params: Mapping[str, Any], read: jax.Array, lengths: np.ndarray
) -> dict[str, np.ndarray]:
    """The mean of each gate over its units, `[texts, steps]`, of a layer that `sequence_layer` made.

    Nothing for a cell without gates, or a Transformer. Of two directions the gates of the forward one.

    Args:
      cell: of the layer.
      params: the layer's parameters.
      read: what it reads, `[texts, steps, features]`.
      lengths: `[texts]`.
    """
    if isinstance(cell, Blocks):
        return {}
    try:
        found = gate_activations(cell, params.get("forward", params)["cell"], read, lengths=lengths)
    except InputError:  # a cell without gates
        return {}
    way = ", forwards" if "forward" in params else ""
    layers: Any = getattr(cell, "cells", (cell,))
    candidates = {name for layer in layers for name in layer.candidates}
    return {
        f"{name.replace('_', ' ')} gate{way}": np.asarray(values).reshape(*values.shape[:2], -1).mean(-1)
        for name, values in found.items()
        if name.rpartition("/")[2] not in candidates
    }


def told_of(cell: Cell | Blocks, gates: bool) -> str:
    """What follows the first block of a figure, as a sentence."""
    if isinstance(cell, Blocks):
        return f"Then the output of the unit that varies most. {NO_GATES}"
    each = "each gate's mean over the units, against its mean over the text; and " if gates else ""
    return f"Then {each}the output of the unit that varies most."


def coloured(tokens: Sequence[str], values: Mapping[str, np.ndarray]) -> Figure:
    """A text whose tokens stand on the colours of their values, by name `[tokens]`; no token is cut by a line's end."""
    gaps = [0] * len(tokens) if all(len(token) == 1 for token in tokens) else spaces(tokens)
    text = "".join(token + " " * gap for token, gap in zip(tokens, gaps, strict=True))
    wide = {name: _spread(found, tokens, gaps) for name, found in values.items()}
    return text_figure(text, wide, columns=COLUMNS)


def spaces(tokens: Sequence[str]) -> list[int]:
    """The spaces behind each token, so many that no token is cut at the end of a line."""
    gaps, column = [], 0
    for token, following in zip(tokens, [*tokens[1:], ""], strict=True):
        column = (column + len(token)) % COLUMNS
        fits = column + 1 + len(following) <= COLUMNS
        gaps.append(0 if column == 0 else 1 if fits else COLUMNS - column)
        column = (column + gaps[-1]) % COLUMNS
    return gaps


def _spread(values: np.ndarray, tokens: Sequence[str], gaps: Sequence[int]) -> np.ndarray:
    """A value a character from one a token; spaces behind it have none."""
    widths = [len(token) for token in tokens]
    pairs = zip(values, widths, gaps, strict=True)
    return np.concatenate([np.concatenate([np.full(width, value), np.zeros(gap)]) for value, width, gap in pairs])
