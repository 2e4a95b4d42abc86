"""Which cells can be converted, and how their layers and directions lie in one list."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from rnnjax.cell import Cell
from rnnjax.cells import GRU, LSTM, Elman
from rnnjax.cells.lstmp import LSTMP
from rnnjax.convert.arrays import Shape, check_arrays, flattened
from rnnjax.errors import InputError, check
from rnnjax.wrappers import DropConnect, Dropout, Stack

Cells = Cell | Sequence[Any]
"""A cell; a `Stack`; a pair of cells `(forward, backward)`; or a sequence of such pairs, one a layer."""


def without_dropout(cell: Any) -> Any:
    """The cell inside `Dropout` and `DropConnect`, which have no parameters of their own."""
    while isinstance(cell, Dropout | DropConnect):
        cell = cell.cell
    return cell


def plain(cell: Any, supported: Sequence[type[Cell]] = (Elman, LSTM, GRU)) -> Any:
    """The cell whose parameters are converted.

    Raises:
      InputError: a cell that other libraries do not have.
    """
    inner = without_dropout(cell)
    names = ", ".join(each.__name__ for each in supported)
    check(type(inner) in supported, "cell", cell, f"one of {names}, alone, in a Stack or in Dropout")
    check(getattr(inner, "heads", 1) == 1, "cell", cell, "heads=1: a dense recurrent kernel")
    return inner


def layers_of(cell: Cells) -> list[tuple[Any, ...]]:
    """The layers, lowest first, each a tuple of its one or two directions.

    Raises:
      InputError: something else than `Cells`.
    """
    cell = without_dropout(cell)
    if type(cell) is Stack:
        return [(layer,) for layer in cell.cells]
    if isinstance(cell, Cell):
        return [(cell,)]
    if _is_pair(cell):
        return [tuple(cell)]
    if isinstance(cell, list | tuple) and cell and all(map(_is_pair, cell)):
        return [tuple(pair) for pair in cell]
    expected = "a cell, a Stack, a pair of cells (forward, backward), or a sequence of such pairs, one a layer"
    raise InputError("cell", cell, expected)


def _is_pair(cells: Any) -> bool:
    """A pair of stacks is none: other libraries hand both directions of a layer to the next."""
    return (
        isinstance(cells, list | tuple)
        and len(cells) == 2
        and all(isinstance(cell, Cell) and not isinstance(without_dropout(cell), Stack) for cell in cells)
    )


def assembled(cell: Cells, params: list[tuple[Any, ...]]) -> Any:
    """Parameters of all layers and directions, in the structure that belongs to the cell."""
    cell = without_dropout(cell)
    if type(cell) is Stack:
        return {f"layer_{index}": layer for index, (layer,) in enumerate(params)}
    if isinstance(cell, Cell):
        return params[0][0]
    return params[0] if isinstance(cell[0], Cell) else params


def taken_apart(cell: Cells, params: Any) -> list[tuple[dict[str, Any], ...]]:
    """The inverse of `assembled`; the arrays of each layer are flat and checked.

    Raises:
      InputError: parameters that do not belong to the cell.
    """
    layers = layers_of(cell)
    inner = without_dropout(cell)
    named: list[tuple[tuple[str, Any], ...]]
    if type(inner) is Stack:
        names = [f"layer_{index}" for index in range(len(layers))]
        right = isinstance(params, Mapping) and sorted(params) == sorted(names)
        given = sorted(params) if isinstance(params, Mapping) else type(params).__name__
        check(right, "params", given, f"the keys {', '.join(names)} for {inner}")
        named = [((f"params[{name!r}]", params[name]),) for name in names]
    elif isinstance(inner, Cell):
        named = [(("params", params),)]
    else:
        pairs = [params] if isinstance(inner[0], Cell) else params
        right = isinstance(pairs, list | tuple) and len(pairs) == len(layers)
        right = right and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs)
        check(right, "params", type(params).__name__, f"one pair of parameters for each of {len(layers)} layers")
        named = [
            tuple((f"params[{index}][{direction}]", leaf) for direction, leaf in enumerate(pair))
            for index, pair in enumerate(pairs)
        ]
    return [
        tuple(checked_params(cell, each, argument) for cell, (argument, each) in zip(*layer, strict=True))
        for layer in zip(layers, named, strict=True)
    ]


def checked_params(cell: Cell, params: Any, argument: str = "params") -> dict[str, Any]:
    """The parameters of one cell as NumPy arrays, once names and shapes are right."""
    inner = without_dropout(cell)
    flat = flattened(params, argument)
    check_arrays(argument, flat, shapes(inner), f"{inner}")
    return flat


def shapes(cell: Any) -> dict[str, Shape]:
    """The names and shapes of the parameters of a plain cell."""
    columns = len(cell.gates) * cell.features
    found: dict[str, Shape] = {
        "kernel": ("in_features", columns),
        "recurrent_kernel": (cell.output_features, columns),
        "bias": (columns,),
    }
    if isinstance(cell, GRU) and cell.reset_after:
        found["recurrent_bias"] = (cell.features,)
    if isinstance(cell, LSTMP):
        found["projection"] = (cell.features, cell.output_features)
    return found


def alike(cells: Sequence[Any]) -> bool:
    """Whether plain cells compute the same function of their parameters, whatever their dtypes."""
    first, *others = (dataclasses.replace(cell.dynamics, precision=cells[0].precision) for cell in cells)
    return all(other == first for other in others)
