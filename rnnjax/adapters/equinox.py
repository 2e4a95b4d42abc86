"""Any cell as a module of Equinox."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax

from rnnjax.adapters.parameters import held
from rnnjax.cell import Cell
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any


class RNNCell(eqx.Module):
    """One step of a cell.

    Equinox' own cells take one row and are mapped over a batch; this one takes any batch axes, none included.

    Args:
      cell: any cell or wrapper. It is static.
      in_features: width of the inputs; for inputs that are a pytree the same pytree of ints.
      key: draws the parameters.
    """

    params: PyTree
    cell: Cell = eqx.field(static=True)

    def __init__(self, cell: Cell, in_features: PyTree, *, key: Array):
        self.cell = cell
        self.params = cell.init(key, in_features)

    def __call__(self, carry: PyTree, x: PyTree, *, key: Array | None = None) -> tuple[PyTree, Array]:
        """One step in the order of `jax.lax.scan`: `(carry, x) -> (carry, y)`. A key draws dropout masks."""
        return self.cell.step(held(self.cell, self.params), carry, x, key=key)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> PyTree:
        """The state before the first step."""
        return self.cell.initial_carry(batch_shape)


class RNN(eqx.Module):
    """A cell over a sequence: `rnnjax.unroll`.

    Args:
      cell: any cell or wrapper. It is static.
      in_features: width of the inputs; for inputs that are a pytree the same pytree of ints.
      key: draws the parameters.
    """

    params: PyTree
    cell: Cell = eqx.field(static=True)

    def __init__(self, cell: Cell, in_features: PyTree, *, key: Array):
        self.cell = cell
        self.params = cell.init(key, in_features)

    def __call__(
        self, xs: PyTree, carry: PyTree | None = None, *, key: Array | None = None, **options: Any
    ) -> tuple[PyTree, Array]:
        """Runs the cell.

        Args:
          xs: `[*batch, time, in_features]`, with no batch axes under `jax.vmap`.
          carry: the state before the first step; `None` is the cell's.
          key: draws dropout masks, one a sequence; without one the module is deterministic.
          **options: the others of `rnnjax.unroll`: `lengths`, `resets`, `reverse`, `time_major`, `engine` ...

        Returns:
          `(carry, ys)`, and what else the options ask for.

        Raises:
          InputError: as `rnnjax.unroll`.
        """
        return unroll(self.cell, held(self.cell, self.params), xs, carry, key=key, **options)
