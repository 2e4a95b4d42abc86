"""One row of the benchmark: contestants that compute the same, checked against each other and timed in turns."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.prepared import Absent, Prepared
from benchmarks.problem import Shape
from benchmarks.timing import interleave

TOLERANCE = {"cpu": 1e-3, "gpu": 5e-2}
"""Largest error of a result, as a share of its largest entry. Products are in TF32 on a GPU."""


@dataclasses.dataclass(frozen=True)
class Race:
    """Contestants for one cell, shape and mode. The first one is what the others are checked against.

    Attributes:
      section: the part of the benchmark: layers, growth, remat, zoo, ablation or gpu.
      topic: what is compared.
      cell: the name of the cell.
      shape: the sizes.
      mode: "forward" or "training".
      device: "cpu" or "gpu".
      entries: what prepares the contestants, by name; each raises `Absent` if there is no such contestant.
    """

    section: str
    topic: str
    cell: str
    shape: Shape
    mode: str
    device: str
    entries: dict[str, Callable[[], Prepared]]

    @property
    def key(self) -> dict[str, str]:
        """What tells this race from the others."""
        return {
            "section": self.section,
            "topic": self.topic,
            "cell": self.cell,
            "shape": str(self.shape),
            "mode": self.mode,
        }


def run_race(
    race: Race, *, rounds: int, seconds: float, alone: float = math.inf, compilations: int = 1
) -> dict[str, Any]:
    """Prepares, checks and times the contestants of a race.

    A contestant that cannot start is `absent` and one that raises or computes something else has `failed`; both say
    why, and the race goes on without them.

    Args:
      race: the race.
      rounds: at least so many rounds.
      seconds: rounds go on until so much time is over.
      alone: whoever has used so many seconds alone, in two calls or more, sits out the rest.
      compilations: how often each is compiled, in turns; the least time counts.

    Returns:
      The race's key, the number of rounds, and what was measured of each contestant: plain values.
    """
    measured: dict[str, dict[str, Any]] = {}
    prepared: dict[str, Prepared] = {}
    reference: np.ndarray | None = None
    for name, prepare in race.entries.items():
        try:
            contestant = prepare()
            result = contestant.result()
            reference = result if reference is None else reference
            error = disagreement(result, reference if contestant.expected is None else contestant.expected)
            if not error <= TOLERANCE[race.device]:
                raise ArithmeticError(f"its result is off by {error:.1e} of the largest entry")
        except Absent as reason:
            measured[name] = {"absent": str(reason)}
        except Exception as error:  # the race goes on without it
            measured[name] = {"failed": one_line(error)}
        else:
            prepared[name] = contestant
            measured[name] = {
                "parameters": contestant.parameters,
                "error": error,
                "compile_seconds": contestant.compile_seconds,
                "memory_bytes": contestant.memory_bytes,
            }
    for again in range(1, compilations):
        for name in list(prepared)[:: (-1) ** again]:
            if (recompile := prepared[name].recompile) is not None:
                measured[name]["compile_seconds"] = min(measured[name]["compile_seconds"], recompile())
    runs = {name: contestant.run for name, contestant in prepared.items()}
    times, errors, done = interleave(runs, rounds=rounds, seconds=seconds, alone=alone)
    for name, each in times.items():
        measured[name] |= {"minimum": min(each), "median": statistics.median(each), "calls": len(each)}
    for name, error in errors.items():
        measured[name] = {"failed": one_line(error)}
    return {**race.key, "rounds": done, "contestants": measured}


def disagreement(result: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a share of the largest entry that is expected; infinite for another shape."""
    if result.shape != expected.shape:
        return float("inf")
    scale = float(np.abs(expected).max())
    return float(np.abs(result - expected).max()) / (scale or 1.0)


def one_line(error: Exception) -> str:
    """An error as its class and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
