"""Cells made of cells: stacks, residual connections, dropout."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.errors import InputError, check
from rnnjax.kernel import KernelStandIn, dot

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
        cells = tuple(self.cells) if isinstance(self.cells, Iterable) else ()
        if not cells or not all(isinstance(cell, Cell) for cell in cells):
            raise InputError("Stack.cells", self.cells, "a sequence of at least one cell, and cells only")
        axes = [cell.spatial_axes for cell in cells]
        check(len(set(axes)) == 1, "Stack.cells", self.cells, f"cells of as many spatial axes each, not {axes}")
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
    def output_features(self) -> int:
        return self.cells[-1].output_features

    @property
    def output_dtype(self) -> jnp.dtype:
        return self.cells[-1].output_dtype

    @property
    def dynamics(self) -> Stack:
        return Stack(tuple(cell.dynamics for cell in self.cells))

    def init(self, key: Array, in_features: int) -> dict[str, PyTree]:
        params = {}
        for index, (cell, cell_key) in enumerate(zip(self.cells, jax.random.split(key, len(self.cells)), strict=True)):
            params[f"layer_{index}"] = cell.init(cell_key, in_features)
            in_features = cell.output_features
        return params

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
        carries = []
        y = None
        for index, (cell, cell_weights, cell_carry) in enumerate(zip(self.cells, weights, carry, strict=True)):
            drive = drive if index == 0 else cell.project(cell_weights, y)
            cell_carry, y = cell.advance(cell_weights, cell_carry, drive)
            carries.append(cell_carry)
        return tuple(carries), y


@dataclasses.dataclass(frozen=True, repr=False)
class _Wrapper(Cell):
    """A cell around one other cell, with that cell's parameters and carry."""

    cell: Cell

    def __post_init__(self):
        check(isinstance(self.cell, Cell), f"{type(self).__name__}.cell", self.cell, "a cell")

    @property
    def recurrent_kernels(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.cell.recurrent_kernels

    @property
    def affine_in_state(self) -> bool:  # type: ignore[override]
        return self.cell.affine_in_state

    @property
    def spatial_axes(self) -> int:  # type: ignore[override]
        return self.cell.spatial_axes

    @property
    def fixed(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.cell.fixed

    @property
    def output_features(self) -> int:
        return self.cell.output_features

    @property
    def output_dtype(self) -> jnp.dtype:
        return self.cell.output_dtype

    @property
    def dynamics(self) -> Cell:
        return dataclasses.replace(self, cell=self.cell.dynamics)

    def init(self, key: Array, in_features: int) -> PyTree:
        return self.cell.init(key, in_features)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> PyTree:
        return self.cell.initial_carry(batch_shape)


@dataclasses.dataclass(frozen=True, repr=False)
class Residual(_Wrapper):
    """Adds the input to the output: `y = x + cell(x)`. Parameters and carry are those of the cell.

    He et al. 2016, arXiv:1512.03385, between the layers of a recurrent stack as in Wu et al. 2016, arXiv:1609.08144.

    Args:
      cell: a cell whose outputs are as wide as its inputs.

    Raises:
      InputError: in `init`, if the widths differ.
    """

    def init(self, key: Array, in_features: int) -> PyTree:
        expected = f"{self.output_features}, the width of the output, to add the two"
        check(in_features == self.output_features, "in_features", in_features, expected)
        return self.cell.init(key, in_features)

    def prepare(self, params, *, key=None, batch_shape=()):
        return self.cell.prepare(params, key=key, batch_shape=batch_shape)

    def project(self, weights, xs):
        return self.cell.project(weights, xs), xs

    def recur(self, weights, carry, drive):
        drive, x = drive
        carry, y = self.cell.advance(weights, carry, drive)
        return carry, x.astype(y.dtype) + y

    def affine(self, weights, drive):
        return self.cell.affine(weights, drive[0])

    def readout(self, weights, carry, drive):
        drive, x = drive
        y = self.cell.readout(weights, carry, drive).astype(self.output_dtype)
        return x.astype(y.dtype) + y


@dataclasses.dataclass(frozen=True, repr=False)
class Dropout(_Wrapper):
    """Variational dropout: units of inputs, outputs and recurrent connections, with one mask a sequence.

    Each kept unit is divided by the share of kept units. The masks are drawn once a sequence and row, from the key
    given to `unroll` or `step`; without a key the cell is the one inside. The recurrent mask acts on the state as it
    enters a product with a recurrent kernel, one mask for all gates of a cell, and leaves the direct path of the state
    alone.

    Gal & Ghahramani 2016, arXiv:1512.05287.

    Args:
      cell: the cell inside; its parameters and carry are those of the whole.
      input: share of input units dropped, in [0, 1).
      output: share of output units dropped.
      recurrent: share of state units dropped on their way into recurrent kernels.

    Raises:
      InputError: a share outside [0, 1).
    """

    _: dataclasses.KW_ONLY
    input: float = 0.0
    output: float = 0.0
    recurrent: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        for field in ("input", "output", "recurrent"):
            share = getattr(self, field)
            valid = isinstance(share, int | float) and 0.0 <= share < 1.0
            check(valid, f"Dropout.{field}", share, "a share in [0, 1)")

    def prepare(self, params, *, key=None, batch_shape=()):
        keys: list[Any] = [None] * 4 if key is None else list(jax.random.split(key, 4))
        weights = {"cell": self.cell.prepare(params, key=keys[0], batch_shape=batch_shape)}
        if key is None:
            return weights
        if self.input:  # the width of the inputs is not known yet: one key a row, from which `project` draws
            weights["input"] = jax.random.split(keys[1], batch_shape)
        if self.output:
            weights["output"] = _mask(keys[2], self.output, (*batch_shape, self.output_features), self.output_dtype)
        if self.recurrent:
            weights["recurrent"] = self._recurrent_masks(keys[3], weights["cell"], batch_shape)
        return weights

    def _recurrent_masks(self, key, weights, batch_shape):
        masks = {}
        for path, leaf in jax.tree.leaves_with_path(weights):
            place = self._place(path, leaf)
            if place is not None and place not in masks:
                place_key, dtype = jax.random.fold_in(key, len(masks)), jnp.promote_types(leaf.dtype, jnp.float32)
                masks[place] = _mask(place_key, self.recurrent, (*batch_shape, _width(leaf)), dtype)
        check(bool(masks), "Dropout.recurrent", self.recurrent, f"0: {self.cell} has no recurrent kernel matrix")
        return masks

    def _place(self, path, leaf):
        """Which cell's state, of what width, a leaf of the weights multiplies; `None` if it is no such kernel."""
        named = [index for index, entry in enumerate(path) if getattr(entry, "key", None) in self.recurrent_kernels]
        kernel = named and leaf.ndim in (2, 3)
        return f"{jax.tree_util.keystr(path[: named[0]])} {_width(leaf)}" if kernel else None

    def project(self, weights, xs):
        if "input" in weights:
            xs = jax.tree.map(lambda leaf: leaf * self._input_mask(weights["input"], leaf), xs)
        return self.cell.project(weights["cell"], xs)

    def _input_mask(self, keys, leaf):
        draw = lambda key: _mask(key, self.input, leaf.shape[-1:], leaf.dtype)  # noqa: E731
        return jax.vmap(draw)(keys.reshape(-1)).reshape(*keys.shape, -1)

    def recur(self, weights, carry, drive):
        carry, y = self.cell.advance(self._inner(weights), carry, drive)
        return carry, y * weights["output"] if "output" in weights else y

    def affine(self, weights, drive):
        return self.cell.affine(self._inner(weights), drive)

    def readout(self, weights, carry, drive):
        y = self.cell.readout(self._inner(weights), carry, drive).astype(self.output_dtype)
        return y * weights["output"] if "output" in weights else y

    def _inner(self, weights):
        """The weights of the cell inside, kernels replaced by such that drop units."""
        if "recurrent" not in weights:
            return weights["cell"]
        drop = lambda path, leaf: self._dropping(path, leaf, weights)  # noqa: E731
        return jax.tree_util.tree_map_with_path(drop, weights["cell"])

    def _dropping(self, path, leaf, weights):
        place = self._place(path, leaf)
        return leaf if place is None else _DroppingKernel(leaf, weights["recurrent"][place])


class _DroppingKernel(KernelStandIn):
    """A kernel that sees only the units of the state which the mask keeps."""

    def __init__(self, kernel: Any, mask: Array):
        super().__init__(kernel)
        self.mask = mask

    def tap(self, h: Array) -> Array:
        return dot(h * self.mask.astype(h.dtype), self.kernel)


def _width(kernel: Array) -> int:
    """The width of the state that `dot` multiplies with a kernel."""
    return math.prod(kernel.shape[:-1])


def _mask(key: Array, rate: float, shape: tuple[int, ...], dtype) -> Array:
    return jax.random.bernoulli(key, 1.0 - rate, shape).astype(dtype) / (1.0 - rate)
