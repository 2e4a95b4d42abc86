"""Engines that are parallel over time beside the scan, as time grows."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import numpy as np

from benchmarks.peers.ours import prepare_cell
from benchmarks.prepared import Absent, Prepared
from benchmarks.problem import CELLS, MODES, Problem, Shape, make_problem
from benchmarks.race import Race
from rnnjax.cells import REGISTRY
from rnnjax.engines import ENGINES
from rnnjax.errors import InputError

SCAN = "scan"

ASSOCIATIVE_CELLS = ("min_gru", "lru")
NEWTON_CELLS = ("elman", "gru")

TIMES = (100, 1000, 10000)


def races(*, quick: bool = False) -> list[Race]:
    """Linear cells of 64 units in the associative engine, and cells of 16 units in Newton's, both beside the scan.

    Args:
      quick: the first cell of each engine and the shortest time only.
    """
    times = TIMES[:1] if quick else TIMES
    found = []
    for engine, cells, sizes in (("associative", ASSOCIATIVE_CELLS, (8, 64)), ("newton", NEWTON_CELLS, (1, 16))):
        batch, width = sizes
        for cell in cells[:1] if quick else cells:
            for time in times:
                shape = Shape(batch, time, width, width)
                found += [engine_race("growth", engine, cell, shape, mode, "cpu") for mode in MODES]
    return found


def engine_race(section: str, engine: str, cell: str, shape: Shape, mode: str, device: str) -> Race:
    """A race between the scan and another engine, for the same cell."""
    problem = functools.cache(lambda: _problem(cell, shape))

    def entry(name: str) -> Callable[[], Prepared]:
        return lambda: _prepare(problem(), name, mode, device)

    return Race(section, engine, cell, shape, mode, device, {name: entry(name) for name in (SCAN, engine)})


def _problem(cell: str, shape: Shape) -> Problem:
    if cell not in REGISTRY:
        raise Absent(f"there is no cell {cell}")
    if cell in CELLS:
        return make_problem(cell, shape)
    params = REGISTRY[cell](shape.hidden).init(jax.random.key(0), shape.inputs)
    xs = np.random.default_rng(0).standard_normal((shape.time, shape.batch, shape.inputs)).astype(np.float32)
    return Problem(cell, shape, params, xs)


def _prepare(problem: Problem, engine: str, mode: str, device: str) -> Prepared:
    if engine not in ENGINES:
        raise Absent(f"there is no engine {engine}")
    try:
        return prepare_cell(REGISTRY[problem.cell](problem.shape.hidden), problem, mode, device, engine=engine)
    except InputError as error:
        if error.argument != "engine":
            raise
        raise Absent(str(error)) from None
