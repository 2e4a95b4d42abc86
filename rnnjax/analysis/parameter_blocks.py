"""The parameters of a cell in the blocks that a reader thinks in: by leaf, and by gate within a leaf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.cells.gated import GatedCell
from rnnjax.cells.input_gated import InputGatedCell
from rnnjax.cells.partly_gated import PartlyGatedCell
from rnnjax.cells.rg_lru import RGLRU
from rnnjax.wrappers.stack import Stack
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array
PyTree = Any


def parameter_blocks(cell: Cell, params: PyTree) -> dict[str, Array]:
    """Parameters by name, each gate's columns apart.

    The leaves of a cell whose gates lie side by side along the last axis (`kernel`, `recurrent_kernel` and `bias` of
    LSTM, GRU, minGRU and all that is built like them) are cut into one block a gate, in the cells of stacks and
    wrappers too. All other leaves are blocks as they are.

    Args:
      cell: the cell.
      params: from `cell.init`, or of that structure: gradients, moments of an optimiser. Leaves may have leading axes
        more, of seeds or of snapshots.

    Returns:
      By path: "kernel/forget", "layer_0/recurrent_kernel/candidate", "peephole".
    """
    found: dict[str, Array] = {}
    gates = dict(_gate_leaves(cell, ()))
    for path, leaf in jax.tree.leaves_with_path(params):
        names = tuple(str(getattr(entry, "key", getattr(entry, "idx", entry))) for entry in path)
        layout = gates.get(names)
        if layout is None or jnp.shape(leaf)[-1] != layout[1] * len(layout[0]) or len(layout[0]) == 1:
            found["/".join(names)] = leaf
            continue
        for gate, block in zip(layout[0], jnp.split(leaf, len(layout[0]), axis=-1), strict=True):
            found["/".join((*names, gate))] = block
    return found


def _gate_leaves(cell: Cell, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[tuple[str, ...], int]]]:
    """The paths of leaves that hold a block a gate, with the gates in order and the width of a block."""
    if isinstance(cell, Stack):
        for index, layer in enumerate(cell.cells):
            yield from _gate_leaves(layer, (*path, f"layer_{index}"))
    elif isinstance(cell, Wrapper):
        yield from _gate_leaves(cell.cell, (*path, "cell") if cell.has_parameters else path)
    elif isinstance(cell, GatedCell | InputGatedCell):
        partly = isinstance(cell, PartlyGatedCell)
        width = cell.features // getattr(cell, "heads", 1)
        yield (*path, "kernel"), (cell.gates, width if isinstance(cell, RGLRU) else cell.features)
        yield (*path, "recurrent_kernel"), (cell.recurrent_gates if partly else cell.gates, width)
        yield (*path, "bias"), (cell.biased_gates if partly else cell.gates, cell.features)
