"""What each registered cell costs beside an LSTM of the same width, by whatever engine `auto` takes."""

from __future__ import annotations

from benchmarks.peers.ours import prepare_cell
from benchmarks.prepared import Prepared
from benchmarks.problem import MODES, Shape, initial_problem
from benchmarks.race import Race
from rnnjax.cells import REGISTRY

YARDSTICK = "lstm"
SHAPE = Shape(32, 100, 64, 64)
QUICK_CELLS = 3


def races(*, quick: bool = False) -> list[Race]:
    """A race with the LSTM for every cell and mode; cells over places, whose inputs are of another kind, are left out.

    Args:
      quick: the first cells only.
    """
    names = [name for name, cell in REGISTRY.items() if name != YARDSTICK and not cell.spatial_axes]
    return [cell_race(name, SHAPE, mode) for name in (names[:QUICK_CELLS] if quick else names) for mode in MODES]


def cell_race(name: str, shape: Shape, mode: str) -> Race:
    """A race between a cell and the LSTM, each checked against itself: they compute different things."""

    def prepare(name: str) -> Prepared:
        cell = REGISTRY[name](shape.hidden)
        return prepare_cell(cell, initial_problem(name, shape), mode, "cpu").against_itself()

    entries = {each: lambda each=each: prepare(each) for each in (YARDSTICK, name)}
    return Race("zoo", "zoo", name, shape, mode, "cpu", entries)
