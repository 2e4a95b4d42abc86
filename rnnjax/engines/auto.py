"""Which engine `engine="auto"` takes: a table, each line of which a row of the benchmark stands behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rnnjax.cell import Cell
from rnnjax.engines.associative import Associative
from rnnjax.engines.engine import Call, Engine
from rnnjax.engines.scan import Scan

PyTree = Any


class Line(NamedTuple):
    """One line of the table.

    `engine`: what is taken. `when`: the cells it is taken for, in words, and `applies` in code. `row`: which of the
    benchmark's results show that it pays.
    """

    engine: Engine
    when: str
    applies: Callable[[Cell], bool]
    row: str


TABLE = (
    Line(Associative(), "affine in the state", lambda cell: cell.affine_in_state, "associative against scan"),
    Line(Scan(), "any", lambda cell: True, "scan against the peers"),
)
"""The first line that applies, and whose engine can serve the call, is taken.

No line names an engine for GPUs alone: none has been measured on one yet. Name such an engine yourself.
"""


def choose(cell: Cell, weights: PyTree, carry: PyTree, xs: PyTree, call: Call) -> Engine:
    """The engine that `engine="auto"` takes for a call."""
    arguments = (cell, weights, carry, xs, call)
    return next(line.engine for line in TABLE if line.applies(cell) and line.engine.refusal(*arguments) is None)
