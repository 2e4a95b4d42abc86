"""Whole layers beside those of other libraries, on the processor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from benchmarks.peers import PEERS
from benchmarks.prepared import Prepared
from benchmarks.problem import Shape, make_problem
from benchmarks.race import Race


def races(cells: Sequence[str], shapes: Sequence[Shape], modes: Sequence[str], peers: Sequence[str]) -> list[Race]:
    """A race for each cell, shape and mode, between these contestants."""
    return [
        layer_race("layers", cell, shape, mode, peers, "cpu") for shape in shapes for cell in cells for mode in modes
    ]


def layer_race(section: str, cell: str, shape: Shape, mode: str, peers: Sequence[str], device: str) -> Race:
    """A race between the layers of libraries."""
    problem = functools.cache(lambda: make_problem(cell, shape))

    def entry(peer: str) -> Callable[[], Prepared]:
        return lambda: PEERS[peer].load().prepare_layer(problem(), mode, device)

    return Race(section, "layers", cell, shape, mode, device, {peer: entry(peer) for peer in peers})
