"""Our own layers."""

from __future__ import annotations

import rnnjax
from benchmarks.prepared import Prepared, prepare
from benchmarks.problem import Problem
from rnnjax.cell import Cell


def prepare_cell(cell: Cell, problem: Problem, mode: str, device: str, **options) -> Prepared:
    """Compiles `rnnjax.unroll` of a cell, with these options."""

    def apply(params, xs):
        return rnnjax.unroll(cell, params, xs, time_major=True, **options)[1]

    return prepare(apply, problem.params, problem.xs, mode, device)


def prepare_layer(problem: Problem, mode: str, device: str) -> Prepared:
    """Compiles the layer of a problem."""
    return prepare_cell(rnnjax.cells.get(problem.cell, problem.shape.hidden), problem, mode, device)
