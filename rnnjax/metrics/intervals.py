"""Prediction intervals that cover what they promise, by how far off they were before."""

from __future__ import annotations

import numpy as np

from rnnjax.errors import check


def conformal_margin(low: np.ndarray, high: np.ndarray, targets: np.ndarray, share: float) -> np.ndarray:
    """By how much intervals have to be widened to cover a share of the targets, for each step ahead: `[horizon]`.

    The quantile of `max(low - y, y - high)` at `ceil((n + 1) share) / n`, which may be negative. Where a step ahead has
    too few targets for that, those of all steps are taken together, and where these are too few the largest.

    Args:
      low: `[rows, horizon]`.
      high: `[rows, horizon]`.
      targets: `[rows, horizon]`, NaN where there is none.
      share: between 0 and 1.
    """
    excess = np.maximum(low - targets, targets - high)
    together = excess[np.isfinite(excess)]
    check(together.size > 0, "targets", f"shape {targets.shape}, all missing", "a value in the validation part")
    margins = []
    for column in excess.T:
        own = column[np.isfinite(column)]
        own = own if np.ceil((own.size + 1) * share) <= own.size else together
        rank = min(int(np.ceil((own.size + 1) * share)), own.size)
        margins.append(np.sort(own)[rank - 1])
    return np.array(margins)
