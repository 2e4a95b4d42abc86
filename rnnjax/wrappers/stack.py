"""Cells on top of each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.errors import InputError, check
from rnnjax.precision import Precision
from rnnjax.wrappers.wrapper import precision_of

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True, repr=False)
class Stack(Cell):
    """Cells on top of each other: the output of each is the input of the next.

    Parameters: `{"layer_0": ..., "layer_1": ...}`; carry: a tuple of the layers' carries. `unroll` runs a stack layer
    by layer, each over the whole sequence; `step` runs all layers, one step.

    Args:
      cells: the layers, lowest first.

    Raises:
      InputError: no cells, or something that is no cell.
    """

    cells: tuple[Cell, ...]

    def __post_init__(self):
        name = f"{type(self).__name__}.cells"
        cells = tuple(self.cells) if isinstance(self.cells, Iterable) else ()
        if not cells or not all(isinstance(cell, Cell) for cell in cells):
            raise InputError(name, self.cells, "a sequence of at least one cell, and cells only")
        axes = [cell.spatial_axes for cell in cells]
        check(len(set(axes)) == 1, name, self.cells, f"cells of as many spatial axes each, not {axes}")
        object.__setattr__(self, "cells", cells)

    @property
    def spatial_axes(self) -> int:  # type: ignore[override]
        return self.cells[0].spatial_axes

    @property
    def fixed(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.fixed))

    @property
    def recurrent_kernels(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(name for cell in self.cells for name in cell.recurrent_kernels))

    @property
    def precision(self) -> Precision:
        """The dtype policy of the last layer."""
        return precision_of(self.cells[-1])

    @property
    def output_features(self) -> int:
        return self.cells[-1].output_features

    @property
    def output_dtype(self) -> jnp.dtype:
        return self.cells[-1].output_dtype

    @property
    def dynamics(self) -> Cell:
        return dataclasses.replace(self, cells=tuple(cell.dynamics for cell in self.cells))

    def init(self, key: Array, in_features: int) -> dict[str, PyTree]:
        params, widths = {}, []
        for index, (cell, cell_key) in enumerate(zip(self.cells, jax.random.split(key, len(self.cells)), strict=True)):
            params[f"layer_{index}"] = cell.init(cell_key, self.input_width(in_features, widths))
            widths.append(cell.output_features)
        return params

    def input_width(self, in_features: PyTree, widths: Sequence[int]) -> PyTree:
        """The width of the inputs of a layer, above layers whose outputs have these widths."""
        return widths[-1] if widths else in_features

    def input(self, xs: PyTree, ys: Sequence[Array]) -> PyTree:
        """The inputs of a layer, from those of the stack and the outputs of the layers below it."""
        return ys[-1] if ys else xs

    def output(self, ys: Sequence[Array]) -> Array:
        """The outputs of the stack, from those of all layers."""
        return ys[-1]

    def trainable(self, params):
        return {f"layer_{index}": cell.trainable(params[f"layer_{index}"]) for index, cell in enumerate(self.cells)}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> tuple[PyTree, ...]:
        return tuple(cell.initial_carry(batch_shape) for cell in self.cells)

    def prepare(self, params, *, key=None, batch_shape=()):
        keys = [None] * len(self.cells) if key is None else jax.random.split(key, len(self.cells))
        return tuple(
            cell.prepare(params[f"layer_{index}"], key=cell_key, batch_shape=batch_shape)
            for index, (cell, cell_key) in enumerate(zip(self.cells, keys, strict=True))
        )

    def project(self, weights, xs):
        return self.cells[0].project(weights[0], xs)

    def recur(self, weights, carry, drive):
        return self._through(weights, carry, drive, None)

    def _through(self, weights, carry, drive, x):
        """One step of all layers, from the drive of the lowest and the input of the stack."""
        carries, ys = [], []
        for cell, cell_weights, cell_carry in zip(self.cells, weights, carry, strict=True):
            drive = cell.project(cell_weights, self.input(x, ys)) if ys else drive
            cell_carry, y = cell.advance(cell_weights, cell_carry, drive)
            carries.append(cell_carry)
            ys.append(y)
        return tuple(carries), self.output(ys)
