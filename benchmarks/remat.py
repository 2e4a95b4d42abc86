"""Recomputing instead of storing: memory and time of a training step on long sequences."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import rnnjax
from benchmarks.peers.ours import prepare_cell
from benchmarks.prepared import Prepared
from benchmarks.problem import Shape, make_problem
from benchmarks.race import Race

PLAIN = "plain"
WAYS = {PLAIN: None, "sqrt": "sqrt", "blocks of 25": 25, "blocks of 400": 400}
"""Values of `remat`, by name; the first keeps everything."""

SHAPE = Shape(8, 10000, 16, 64)
QUICK_SHAPE = Shape(8, 400, 16, 64)


def races(cells: Sequence[str], shape: Shape) -> list[Race]:
    """A race between the ways for each cell."""
    return [remat_race(cell, shape) for cell in cells]


def remat_race(cell: str, shape: Shape) -> Race:
    """A race between the ways for one cell."""
    problem = functools.cache(lambda: make_problem(cell, shape))

    def entry(remat: str | int | None) -> Callable[[], Prepared]:
        made = rnnjax.cells.get(cell, shape.hidden)
        return lambda: prepare_cell(made, problem(), "training", "cpu", remat=remat)

    entries = {name: entry(remat) for name, remat in WAYS.items()}
    return Race("remat", "remat", cell, shape, "training", "cpu", entries)
