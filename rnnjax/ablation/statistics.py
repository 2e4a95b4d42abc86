"""What a handful of seeds says: interquartile means, and intervals by resampling the seeds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.errors import check


class Estimate(NamedTuple):
    """A number with its interval.

    Attributes:
      value: the estimate.
      lower: the lower end of the interval; NaN where no runs differ in their seed alone, which then says nothing.
      upper: the upper end; likewise.
      count: how many runs it rests on.
    """

    value: float
    lower: float
    upper: float
    count: int


def interquartile_mean(values: ArrayLike) -> float:
    """The mean of the middle half of the values: robust like the median, and less noisy.

    The lowest and the highest quarter are left out, where a quarter is no whole number by weights: the mean of the
    quantile function between 1/4 and 3/4. Agarwal et al. 2021, arXiv:2108.13264. A run without a result is put in as
    an infinite value, the worst there is; NaN is an error.

    Raises:
      InputError: no values, or one that is NaN.
    """
    return float(_middle(_checked(values)[None])[0])


def bootstrap(
    values: ArrayLike,
    statistic: Callable[[np.ndarray], float] = interquartile_mean,
    *,
    strata: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """A statistic of runs that differ in their seed, with the percentile interval of the bootstrap.

    Efron 1979, doi:10.1214/aos/1176344552; stratified as in Agarwal et al. 2021, arXiv:2108.13264.

    Args:
      values: one a run.
      statistic: of the values.
      strata: for each run a label, such as the number of its setting: runs are drawn in the place of those with the
        same label, so that the interval is about seeds and not about what else the runs differ in.
      level: of the interval.
      resamples: how many times as many runs are drawn from these with replacement.
      seed: of the drawing.

    Raises:
      InputError: no values, a NaN, labels that do not fit, or a level outside of (0, 1).
    """
    values = _checked(values)
    labels = np.zeros(values.size, int) if strata is None else np.asarray(strata).ravel()
    check(labels.size == values.size, "strata", f"shape {labels.shape}", f"shape {values.shape}")
    check(0 < level < 1, "level", level, "a number in (0, 1)")
    random = np.random.default_rng(seed)
    groups = [values[labels == label] for label in np.unique(labels)]
    drawn = np.concatenate([random.choice(group, size=(resamples, group.size)) for group in groups], axis=1)
    found = _middle(drawn) if statistic is interquartile_mean else np.array([statistic(row) for row in drawn])
    tail = (1 - level) / 2
    limits = np.quantile(found, [tail, 1 - tail], method="inverted_cdf")  # which takes infinite values
    if max(group.size for group in groups) == 1:
        limits = np.full(2, np.nan)
    return Estimate(statistic(values), float(limits[0]), float(limits[1]), values.size)


def _checked(values: ArrayLike) -> np.ndarray:
    flat = np.asarray(values, float).ravel()
    check(flat.size > 0 and not np.isnan(flat).any(), "values", values, "at least one number, and no NaN")
    return flat


def _middle(rows: np.ndarray) -> np.ndarray:
    """The interquartile mean of each row."""
    ordered = np.sort(rows, axis=1)
    edges = np.arange(ordered.shape[1] + 1) / ordered.shape[1]
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0, None)
    inside = weights > 0  # an infinite value outside of the middle half has no part
    return ordered[:, inside] @ weights[inside] / weights.sum()
