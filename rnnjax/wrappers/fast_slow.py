"""Fast cells in a row within one step, and a slow cell between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.errors import InputError, check
from rnnjax.precision import Precision
from rnnjax.wrappers.wrapper import precision_of

Array = jax.Array
PyTree = Any


class FastSlowState(NamedTuple):
    """`fast`: the carry that the fast cells hand on to each other; `slow`: that of the slow cell."""

    fast: Any
    slow: Any


@dataclasses.dataclass(frozen=True, repr=False)
class FastSlow(Cell):
    """Fast-slow network: k fast cells update one state in turn, and a slow cell sees and feeds them once a step.

        F  = fast_1(F, x),   S' = slow(S, output of fast_1)
        F  = fast_2(F, output of slow)
        F' = fast_i(F, 0)    for i = 3 ... k,    y = output of fast_k

    Mujika, Meier & Steger 2017, arXiv:1705.08639. The fast cells have one state between them, and weights each. As in
    the authors' code, the third and later fast cells are given one zero as their input; and there, dropout lies between
    the cells, which here is `Dropout` around each of them.

    Parameters: `{"fast_0": ..., "fast_1": ..., "slow": ...}`.

    Args:
      fast: two or more cells whose carries are alike, such as `(LSTM(64), LSTM(64))`.
      slow: the cell in between.

    Raises:
      InputError: fewer than two fast cells, something that is no cell, or cells with axes of places; in `init`, fast
        cells whose carries differ.
    """

    fast: tuple[Cell, ...]
    slow: Cell

    def __post_init__(self):
        fast = tuple(self.fast) if isinstance(self.fast, Iterable) else ()
        if len(fast) < 2 or not all(isinstance(cell, Cell) for cell in fast):
            raise InputError("FastSlow.fast", self.fast, "a sequence of at least two cells, and cells only")
        object.__setattr__(self, "fast", fast)
        check(isinstance(self.slow, Cell), "FastSlow.slow", self.slow, "a cell")
        places = any(cell.spatial_axes for cell in (*fast, self.slow))
        check(not places, "FastSlow.fast", fast, "cells without axes of places")

    @property
    def _cells(self) -> dict[str, Cell]:
        return {**{f"fast_{index}": cell for index, cell in enumerate(self.fast)}, "slow": self.slow}

    @property
    def fixed(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(name for cell in self._cells.values() for name in cell.fixed))

    def trainable(self, params):
        return {name: cell.trainable(params[name]) for name, cell in self._cells.items()}

    @property
    def recurrent_kernels(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(name for cell in self._cells.values() for name in cell.recurrent_kernels))

    @property
    def precision(self) -> Precision:
        """The dtype policy of the last fast cell."""
        return precision_of(self.fast[-1])

    @property
    def output_features(self) -> int:
        return self.fast[-1].output_features

    @property
    def output_dtype(self) -> jnp.dtype:
        return self.fast[-1].output_dtype

    @property
    def dynamics(self) -> FastSlow:
        return FastSlow(tuple(cell.dynamics for cell in self.fast), self.slow.dynamics)

    def init(self, key: Array, in_features: PyTree) -> dict[str, PyTree]:
        alike = _shapes(self.fast[0])
        for cell in self.fast:
            check(_shapes(cell) == alike, "FastSlow.fast", cell, f"cells with carries like that of {self.fast[0]}")
        widths = [in_features, self.slow.output_features, *(1 for _ in self.fast[2:]), self.fast[0].output_features]
        drawn = zip(self._cells.items(), widths, jax.random.split(key, len(widths)), strict=True)
        return {name: cell.init(cell_key, width) for (name, cell), width, cell_key in drawn}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> FastSlowState:
        return FastSlowState(self.fast[0].initial_carry(batch_shape), self.slow.initial_carry(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        keys = [None] * len(self._cells) if key is None else jax.random.split(key, len(self._cells))
        return {
            name: cell.prepare(params[name], key=cell_key, batch_shape=batch_shape)
            for (name, cell), cell_key in zip(self._cells.items(), keys, strict=True)
        }

    def project(self, weights, xs):
        return self.fast[0].project(weights["fast_0"], xs)

    def recur(self, weights, carry, drive):
        fast, y = self.fast[0].advance(weights["fast_0"], carry.fast, drive)
        slow, given = self.slow.advance(weights["slow"], carry.slow, self.slow.project(weights["slow"], y))
        for index, cell in enumerate(self.fast[1:], start=1):
            own = weights[f"fast_{index}"]
            fast, y = cell.advance(own, fast, cell.project(own, given))
            given = jnp.zeros_like(y[..., :1])
        return FastSlowState(fast, slow), y


def _shapes(cell: Cell) -> tuple[Any, ...]:
    """Structure, shapes and dtypes of the carry of a cell."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(cell.initial_carry))
    return structure, [(leaf.shape, leaf.dtype) for leaf in leaves]
