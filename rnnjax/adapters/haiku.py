"""Any cell as a module of Haiku."""

from __future__ import annotations

import functools
from typing import Any

import haiku as hk
import jax

from rnnjax.adapters.parameters import held, widths
from rnnjax.cell import Cell, abstract_params
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any


class RNNCore(hk.RNNCore):
    """One step of a cell, as Haiku's own cores are: for `hk.dynamic_unroll` and `hk.static_unroll`.

    Parameters have the names of the cell's, those of a cell inside a cell joined by dots ("layer_0.kernel"). The state
    is the cell's carry, a named tuple. The core is deterministic: for dropout with one mask a sequence take `RNN`.

    Args:
      cell: any cell or wrapper.
      name: of the module.
    """

    def __init__(self, cell: Cell, name: str | None = None):
        super().__init__(name=name)
        self.cell = cell

    def __call__(self, inputs: PyTree, prev_state: PyTree) -> tuple[Array, PyTree]:
        """One step in Haiku's order: `(inputs, state) -> (output, state)`."""
        state, output = self.cell.step(_params(self.cell, inputs), prev_state, inputs)
        return output, state

    def initial_state(self, batch_size: int | None) -> PyTree:
        """The cell's initial carry, without a batch axis for `None`."""
        return self.cell.initial_carry(() if batch_size is None else (batch_size,))


class RNN(hk.Module):
    """A cell over a sequence: `rnnjax.unroll`, with results in Haiku's order.

    Parameters have the names of the cell's, those of a cell inside a cell joined by dots.

    Args:
      cell: any cell or wrapper.
      name: of the module.
    """

    def __init__(self, cell: Cell, name: str | None = None):
        super().__init__(name=name)
        self.cell = cell

    def __call__(
        self, xs: PyTree, state: PyTree | None = None, *, is_training: bool = False, **options: Any
    ) -> tuple[Any, PyTree]:
        """Runs the cell.

        Args:
          xs: `[*batch, time, in_features]`; with `time_major=True` `[time, *batch, in_features]`, Haiku's own default.
          state: the one before the first step; `None` is the cell's.
          is_training: whether `hk.next_rng_key()` draws dropout masks, one a sequence.
          **options: the others of `rnnjax.unroll`: `lengths`, `resets`, `reverse`, `time_major`, `engine` ...

        Returns:
          `(outputs, state)`; with `return_carries=True`, `(outputs, states of all steps)`.

        Raises:
          InputError: as `rnnjax.unroll`.
        """
        key = hk.next_rng_key() if is_training else None
        params = _params(self.cell, xs)
        carry, outputs, *carries = unroll(self.cell, params, xs, state, key=key, **options)
        return outputs, carries[0] if carries else carry


def _params(cell: Cell, inputs: PyTree) -> PyTree:
    """The cell's parameters, declared by their names; drawn together, when the first is found missing."""
    in_features = widths(inputs)
    drawn = functools.cache(lambda: jax.tree.leaves(cell.init(hk.next_rng_key(), in_features)))
    leaves, structure = jax.tree.flatten_with_path(abstract_params(cell, in_features))
    params = []
    for index, (path, leaf) in enumerate(leaves):
        name = ".".join(str(entry.key) for entry in path)
        params.append(hk.get_parameter(name, leaf.shape, leaf.dtype, lambda *_, index=index: drawn()[index]))
    return held(cell, structure.unflatten(params))
