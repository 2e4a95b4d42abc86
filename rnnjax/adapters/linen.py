"""Any cell as a module of Flax Linen."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.adapters.parameters import held, widths
from rnnjax.cell import Cell, abstract_params
from rnnjax.engines import Engine
from rnnjax.errors import check
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any


class RNNCell(nn.RNNCellBase):
    """One step of a cell, as Linen's own cells are: for `nn.RNN` and whatever else takes an `nn.RNNCellBase`.

    Parameters have the names of the cell's, and so does the carry, which is the cell's named tuple. A random stream
    "dropout" draws the cell's masks. In `nn.RNN` say `split_rngs={"params": False, "dropout": False}`, so that a
    sequence has one mask.

    Attributes:
      cell: any cell or wrapper.
    """

    cell: Cell

    @nn.compact
    def __call__(self, carry: PyTree, inputs: PyTree) -> tuple[PyTree, Array]:
        """One step: `(carry, inputs [*batch, in_features]) -> (carry, output [*batch, features])`."""
        return self.cell.step(_params(self, self.cell, inputs), carry, inputs, key=_key(self))

    @nn.nowrap
    def initialize_carry(self, rng: Any, input_shape: tuple[int, ...]) -> PyTree:
        """The cell's initial carry for inputs of a shape. It draws nothing from the key."""
        del rng
        return self.cell.initial_carry(input_shape[:-1])

    @property
    def num_feature_axes(self) -> int:
        """The axes of an input that are no batch axes."""
        return 1 + self.cell.spatial_axes


class RNN(nn.Module):
    """A cell over a sequence: `rnnjax.unroll` with the arguments of `nn.RNN`.

    It can stand where an `nn.RNN` does, in `nn.Bidirectional` too. Unlike there, outputs keep the order of the inputs
    (`keep_order`), outputs past a row's length are zero, and a row of length 0 keeps the carry that it started from.
    Parameters have the names of the cell's. A random stream "dropout" draws the cell's masks, one a sequence; without
    it the module is deterministic.

    Attributes:
      cell: any cell or wrapper.
      time_major: whether inputs and outputs are `[time, *batch, ...]`.
      return_carry: whether to return the final carry too, `(carry, outputs)`.
      reverse: runs each row backwards within its own length.
      engine: as in `rnnjax.unroll`.
      remat: as in `rnnjax.unroll`.
      unroll: steps a loop iteration of the scan.
    """

    cell: Cell
    time_major: bool = False
    return_carry: bool = False
    reverse: bool = False
    engine: str | Engine = "auto"
    remat: bool | int | str | None = None
    unroll: int | None = None

    @nn.compact
    def __call__(
        self,
        inputs: PyTree,
        *,
        initial_carry: PyTree | None = None,
        init_key: Any = None,
        seq_lengths: Any = None,
        resets: Any = None,
        return_carry: bool | None = None,
        time_major: bool | None = None,
        reverse: bool | None = None,
        keep_order: bool = True,
    ) -> Any:
        """Runs the cell.

        Args:
          inputs: `[*batch, time, in_features]`.
          initial_carry: the state before the first step; `None` is the cell's.
          init_key: taken for the sake of `nn.RNN`'s arguments, and not used.
          seq_lengths: `[*batch]` ints, or `None` where every row is full.
          resets: `[*batch, time]` bools, as in `rnnjax.unroll`.
          return_carry: overrides the attribute.
          time_major: overrides the attribute.
          reverse: overrides the attribute.
          keep_order: has to be true.

        Returns:
          Outputs `[*batch, time, features]`, or `(carry, outputs)`.

        Raises:
          InputError: as `rnnjax.unroll`.
        """
        del init_key
        check(keep_order, "keep_order", keep_order, "True: outputs keep the order of the inputs")
        carry, ys = unroll(
            self.cell,
            _params(self, self.cell, inputs),
            inputs,
            initial_carry,
            lengths=seq_lengths,
            resets=resets,
            reverse=self.reverse if reverse is None else reverse,
            time_major=self.time_major if time_major is None else time_major,
            engine=self.engine,
            remat=self.remat,
            unroll=self.unroll,
            key=_key(self),
        )
        return (carry, ys) if (self.return_carry if return_carry is None else return_carry) else ys


def _params(module: nn.Module, cell: Cell, inputs: PyTree) -> dict[str, PyTree]:
    """The cell's parameters, declared by their names; drawn together, where they are not there yet."""
    in_features = widths(inputs)
    shapes = abstract_params(cell, in_features)
    drawn = {}
    if module.is_initializing() and not all(module.has_variable("params", name) for name in shapes):
        drawn = cell.init(module.make_rng("params"), in_features)

    def start(key, name):
        del key
        if name in drawn:
            return drawn[name]
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes[name])  # Linen looks at the shapes

    return held(cell, {name: module.param(name, start, name) for name in shapes})


def _key(module: nn.Module) -> Array | None:
    return module.make_rng("dropout") if module.has_rng("dropout") else None
