"""Timing that treats all contestants alike on a noisy machine: in turns, never one after the other."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

TURN_SECONDS = 0.02
"""A contestant is called again within its turn until so much time is over: the caches are then its own."""

REST_SECONDS = 0.002
"""Before each turn: threads that the contestant before has left spinning for more work fall asleep."""


def interleave(
    contestants: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    seconds: float,
    alone: float = math.inf,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[dict[str, list[float]], dict[str, Exception], int]:
    """Times contestants in rounds, in each of which everyone has a turn.

    The order is rotated from round to round, and every other round is run backwards, so that nobody always starts and
    nobody always follows the same one. Each is called once before the clock runs.

    Args:
      contestants: what to call, by name.
      rounds: at least so many rounds.
      seconds: rounds go on until so much time is over.
      alone: whoever has used so many seconds alone, in two calls or more, sits out the rest, so that a slow one does
        not make everybody wait.
      clock: tells the time in seconds.
      sleep: waits for so many seconds.

    Returns:
      The seconds of each call by name, the errors of those that raised one (they are out from there on), and the
      number of rounds.
    """
    times: dict[str, list[float]] = {name: [] for name in contestants}
    errors: dict[str, Exception] = {}

    def turn(name: str, timed: bool) -> None:
        sleep(REST_SECONDS)
        began = clock()
        while True:
            start = clock()
            contestants[name]()
            stop = clock()
            if timed:
                times[name].append(stop - start)
            if not timed or stop - began >= TURN_SECONDS:
                return

    def everyone(order: list[str], timed: bool = True) -> None:
        for name in order:
            slow = len(times[name]) > 1 and sum(times[name]) > alone
            if name not in errors and not slow:
                try:
                    turn(name, timed)
                except Exception as error:  # the race goes on without it
                    errors[name] = error

    names = list(contestants)
    everyone(names, timed=False)
    began, done = clock(), 0
    while len(errors) < len(names) and (done < rounds or clock() - began < seconds):
        first = done % len(names)
        order = names[first:] + names[:first]
        everyone(order[::-1] if done % 2 else order)
        done += 1
    return {name: times[name] for name in names if name not in errors}, errors, done
