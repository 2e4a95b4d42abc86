"""The losses of a text that is read as one stream, chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnjax.models.language_model import losses_of
from rnnjax.models.sequence_layer import Blocks


def stream_losses(model: Any, params: Any, codes: np.ndarray, chunk: int) -> np.ndarray:
    """The loss in nats of each token but the first, whatever the chunks: `[tokens] -> [tokens - 1]`.

    Recurrent layers hand their state on from chunk to chunk. Blocks read the last `Blocks.overlap` tokens of a chunk
    once more with the next one, and chunks end where windows do.

    Args:
      model: a `LanguageModel`.
      params: its parameters.
      codes: the numbers of the tokens, at least two.
      chunk: about how many tokens to read at once.
    """
    run, count = losses_of(model), len(codes) - 1
    carry: Any = None
    if isinstance(model.cell, Blocks):
        assert model.cell.span is not None
        lead = model.cell.overlap
        fresh = model.cell.span - lead
        chunk = max(chunk // fresh, 1) * fresh
    else:
        lead, carry = 0, model.cell.initial_carry((1,))
    found = []
    for start in range(0, max(count - lead, 1), chunk):
        rows = codes[start : start + lead + chunk + 1]
        padded = np.pad(rows, (0, lead + chunk + 1 - len(rows)))[None]
        carry, losses = run(params, carry, padded[:, :-1], padded[:, 1:])
        found.append(np.asarray(losses)[0, lead if start else 0 : len(rows) - 1])
    return np.concatenate(found)
