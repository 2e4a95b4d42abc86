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
      lower: the lower end of the interval.
      upper: the upper end.
      count: how many runs it rests on.
    """

    value: float
    lower: float
    upper: float
    count: int


def interquartile_mean(values: ArrayLike) -> float:
    """The mean of the middle half of the values: robust like the median, and less noisy.

    The lowest and the highest quarter are left out, where a quarter is no whole number by weights: the mean of the
    quantile function between 1/4 and 3/4. Agarwal et al. 2021, arXiv:2108.13264. NaN counts as the worst there is only
    if it is put in as such: here it is an error.

    Raises:
      InputError: no values, or one that is NaN.
    """
    ordered = np.sort(np.asarray(values, float).ravel())
    check(ordered.size > 0 and not np.isnan(ordered).any(), "values", values, "at least one number, and no NaN")
    edges = np.arange(ordered.size + 1) / ordered.size
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0, None)
    inside = weights > 0  # an infinite value outside of the middle half has no part
    return float(np.sum(ordered[inside] * weights[inside]) / weights.sum())


def bootstrap(
    values: ArrayLike,
    statistic: Callable[[np.ndarray], float] = interquartile_mean,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """A statistic of runs that differ in their seed, with the percentile interval of the bootstrap.

    Efron 1979, doi:10.1214/aos/1176344552.

    Args:
      values: one a run.
      statistic: of the values.
      level: of the interval.
      resamples: how many times as many runs are drawn from these with replacement.
      seed: of the drawing.

    Raises:
      InputError: no values, a NaN, or a level outside of (0, 1).
    """
    values = np.asarray(values, float).ravel()
    check(values.size > 0 and not np.isnan(values).any(), "values", values, "at least one number, and no NaN")
    check(0 < level < 1, "level", level, "a number in (0, 1)")
    drawn = np.random.default_rng(seed).choice(values, size=(resamples, values.size))
    found = np.array([statistic(row) for row in drawn])
    finite = found[np.isfinite(found)] if np.isfinite(values).all() else found
    tail = (1 - level) / 2
    lower, upper = np.quantile(finite, [tail, 1 - tail], method="inverted_cdf")
    return Estimate(statistic(values), float(lower), float(upper), values.size)
