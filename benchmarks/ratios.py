"""What follows from the times of a row: ratios, the best peer, geometric means."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from benchmarks.peers import OURS, PEERS

Row = dict[str, Any]

STATISTICS = ("minimum", "median")


def value(row: Row, name: str, quantity: str) -> float | None:
    """What was measured of a contestant, or `None`."""
    return row["contestants"].get(name, {}).get(quantity)


def ratio(row: Row, over: str, under: str, quantity: str) -> float | None:
    """How many times what was measured of `under` comes to what was measured of `over`; `None` if either is missing."""
    above, below = value(row, over, quantity), value(row, under, quantity)
    return None if above is None or not below else above / below


def best_jax_peer(row: Row, quantity: str) -> str | None:
    """The peer on JAX with the least of a quantity, or `None` where there is none."""
    peers = [name for name, peer in PEERS.items() if peer.in_jax and name != OURS]
    found = {name: each for name in peers if (each := value(row, name, quantity)) is not None}
    return min(found, key=found.__getitem__) if found else None


def best_jax_ratio(row: Row, quantity: str) -> float | None:
    """The best JAX peer's time over ours."""
    best = best_jax_peer(row, quantity)
    return None if best is None else ratio(row, best, OURS, quantity)


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """The geometric mean of what is there, or `None` if nothing is."""
    logs = [math.log(each) for each in values if each is not None]
    return math.exp(math.fsum(logs) / len(logs)) if logs else None
