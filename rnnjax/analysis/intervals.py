"""What few trials say about a rate."""

from __future__ import annotations

import math

from rnnjax.errors import check

_Z = 1.959963984540054  # of the standard normal distribution, for 95 %


def wilson(solved: int, of: int) -> tuple[float, float]:
    """The 95 % score interval of a success rate.

        (p + z^2/2n +- z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n),   p = solved / of,  n = of,  z = 1.96

    Unlike p +- z sqrt(p (1 - p)/n) it has a width where all trials ended alike: 3 of 3 is a rate from 0.44 to 1.

    Args:
      solved: trials that succeeded.
      of: trials.

    Returns:
      The lower and the upper end, within [0, 1]; (0, 1) where there was no trial.

    Raises:
      InputError: counts below zero, or more successes than trials.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    check(0 <= solved <= of, "solved, of", (solved, of), "counts, 0 <= solved <= of")
    if of == 0:
        return 0.0, 1.0
    rate, shift = solved / of, _Z**2 / of
    middle = rate + shift / 2
    spread = math.sqrt(shift * (rate * (1 - rate) + shift / 4))
    low, high = (middle - spread) / (1 + shift), (middle + spread) / (1 + shift)
    return (0.0 if solved == 0 else low), (1.0 if solved == of else high)
