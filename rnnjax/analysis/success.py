"""Over what lengths a network succeeds: counts, for success rates against length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnjax.errors import InputError, check


class SuccessByLength(NamedTuple):
    """How many trials succeeded at each length: what `success_figure` draws.

    Attributes:
      lengths: `[lengths]`.
      solved: `[lengths]`, trials that succeeded.
      of: `[lengths]`, all trials.
    """

    lengths: np.ndarray
    solved: np.ndarray
    of: np.ndarray

    @property
    def rates(self) -> np.ndarray:
        """The share of trials that succeeded, `[lengths]`."""
        return self.solved / self.of


def success_by_length(
    outcomes: Callable[[int], Any] | Sequence[Any],
    lengths: Sequence[int],
    *,
    below: float | None = None,
    above: float | None = None,
) -> SuccessByLength:
    """Counts successes at each length: of seeds trained there, of sequences a trained network is shown, of both.

    The measure of memory that needs no access to the state: the length up to which a task that asks for it is solved,
    as in Pascanu, Mikolov & Bengio 2013 (arXiv:1211.5063, Fig. 7) for seeds trained at each length, and in their
    section 4.1 for one network shown longer sequences than it was trained on.

    Args:
      outcomes: `length -> outcome`, called once for each length in turn; or the outcomes themselves, one for each. An
        outcome has any shape, one entry a trial: booleans, or values of a metric.
      lengths: the lengths.
      below: for a metric, the trial has succeeded if it is below this.
      above: for a metric, the trial has succeeded if it is above this. A metric that is NaN has failed.

    Returns:
      Lengths, successes and trials.

    Raises:
      InputError: no lengths, other than one outcome a length, an empty outcome, a metric without exactly one of `below`
        and `above`, or booleans with one.
    """
    given = np.asarray(lengths)
    check(given.ndim == 1 and given.size > 0, "lengths", lengths, "a sequence of numbers, not empty")
    if callable(outcomes):
        found = [outcomes(length) for length in given.tolist()]
    else:
        found = list(outcomes)
        check(len(found) == len(given), "outcomes", f"shape ({len(found)},)", f"one for each of {len(given)} lengths")
    succeeded = [_succeeded(np.asarray(jax.device_get(outcome)), below, above) for outcome in found]
    counts = [(int(trials.sum()), trials.size) for trials in succeeded]
    solved, of = (np.array(part) for part in zip(*counts, strict=True))
    return SuccessByLength(given, solved, of)


def _succeeded(outcome: np.ndarray, below: float | None, above: float | None) -> np.ndarray:
    check(outcome.size > 0, "outcomes", f"shape {outcome.shape}", "at least one trial a length")
    bounds = (below is not None) + (above is not None)
    if outcome.dtype == bool:
        check(bounds == 0, "below, above", (below, above), "neither, for outcomes that are booleans")
        return outcome
    if bounds != 1:
        raise InputError("below, above", (below, above), "one of them, for outcomes that are a metric")
    return outcome < below if below is not None else outcome > above


def reach(found: SuccessByLength, rate: float = 0.5) -> float:
    """The longest length up to which the success rate stays at `rate` or more; 0 if it never does.

    Args:
      found: from `success_by_length`.
      rate: a share in (0, 1].

    Returns:
      One of the lengths, or 0.

    Raises:
      InputError: a rate outside (0, 1].
    """
    check(0 < rate <= 1, "rate", rate, "a share in (0, 1]")
    order = np.argsort(found.lengths, kind="stable")
    held = np.logical_and.accumulate(found.rates[order] >= rate)
    return float(found.lengths[order][held][-1]) if held.any() else 0.0
