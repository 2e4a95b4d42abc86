"""How often a decoder is fed its own words in training, by the number of the update."""

from __future__ import annotations

import math

from rnnjax.errors import check, check_choice

SCHEDULES = ("none", "fixed", "linear", "exponential", "inverse_sigmoid")


def own_share(schedule: str, update: int, speed: float = 1000.0, most: float = 0.25) -> float:
    """The probability that a decoder is fed its own last word in the place of the target's.

        linear  i / k        exponential  1 - exp(-1/k)^i        inverse sigmoid  1 - k / (k + exp(i / k))

    after i updates and with the speed k, but at most `most`; "fixed" is `most` from the start, "none" zero. One minus
    this is the epsilon of Bengio, Vinyals, Jaitly & Shazeer 2015, arXiv:1506.03099, sec. 2.4.

    Args:
      schedule: one of `SCHEDULES`.
      update: the number of the update, the first being 0.
      speed: the k, in updates.
      most: the largest probability.

    Raises:
      InputError: an unknown schedule, a speed that is not positive, or a probability that is none.
    """
    check_choice("schedule", schedule, SCHEDULES)
    check(speed > 0, "speed", speed, "a number of updates > 0")
    check(0 <= most <= 1, "most", most, "a probability")
    if schedule in ("none", "fixed"):
        return 0.0 if schedule == "none" else most
    steps = update / speed
    if schedule == "linear":
        share = steps
    elif schedule == "exponential":
        share = -math.expm1(-steps)
    else:
        share = 1 / (1 + speed * math.exp(-steps))
    return min(share, most)
