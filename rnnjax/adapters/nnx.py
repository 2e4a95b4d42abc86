"""Any cell as a module of Flax NNX."""

from __future__ import annotations

from typing import Any

import jax
from flax import nnx

from rnnjax.adapters.parameters import held
from rnnjax.cell import Cell
from rnnjax.engines import Engine
from rnnjax.errors import check
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any


class _Parameters(nnx.Module):
    """The parameters of a cell as `nnx.Param`s under their names; those of a cell inside a cell in a module."""

    def __init__(self, params: dict[str, PyTree]):
        for name, value in params.items():
            setattr(self, name, _Parameters(value) if isinstance(value, dict) else nnx.Param(value))

    def tree(self) -> dict[str, PyTree]:
        """Nested dicts of arrays."""
        return {
            name: value.tree() if isinstance(value, _Parameters) else value.get_value()
            for name, value in vars(self).items()
            if isinstance(value, _Parameters | nnx.Param)
        }


class RNNCell(nnx.RNNCellBase):
    """One step of a cell, as NNX's own cells are: for `nnx.RNN` and whatever else takes an `nnx.RNNCellBase`.

    Parameters are `nnx.Param`s under their names in `params`, and the carry is the cell's named tuple.

    Args:
      cell: any cell or wrapper.
      in_features: width of the inputs; for inputs that are a pytree the same pytree of ints.
      rngs: the stream "params" draws the parameters.
    """

    def __init__(self, cell: Cell, in_features: PyTree, *, rngs: nnx.Rngs):
        self.cell = cell
        self.params = _Parameters(cell.init(rngs.params(), in_features))

    def __call__(  # type: ignore[override]
        self, carry: PyTree, inputs: PyTree, *, rngs: nnx.Rngs | None = None
    ) -> tuple[PyTree, Array]:
        """One step: `(carry, inputs [*batch, in_features]) -> (carry, output [*batch, features])`.

        With `rngs`, the stream "dropout" draws the cell's masks; without, the step is deterministic.
        """
        params = held(self.cell, self.params.tree())
        return self.cell.step(params, carry, inputs, key=_key(rngs))

    def initialize_carry(self, input_shape: tuple[int, ...], rngs: Any = None, carry_init: Any = None) -> PyTree:
        """The cell's initial carry for inputs of a shape. It draws nothing from `rngs`."""
        del rngs
        check(carry_init is None, "carry_init", carry_init, "None: a cell has an initial carry of its own")
        return self.cell.initial_carry(input_shape[:-1])

    @property
    def num_feature_axes(self) -> int:
        """The axes of an input that are no batch axes."""
        return 1 + self.cell.spatial_axes


class RNN(nnx.Module):
    """A cell over a sequence: `rnnjax.unroll` with the arguments of `nnx.RNN`.

    It can stand where an `nnx.RNN` does, in `nnx.Bidirectional` too. Unlike there, outputs keep the order of the inputs
    (`keep_order`), outputs past a row's length are zero, and a row of length 0 keeps the carry that it started from.

    Args:
      cell: any cell or wrapper.
      in_features: width of the inputs; for inputs that are a pytree the same pytree of ints.
      time_major: whether inputs and outputs are `[time, *batch, ...]`.
      return_carry: whether to return the final carry too, `(carry, outputs)`.
      reverse: runs each row backwards within its own length.
      engine: as in `rnnjax.unroll`.
      remat: as in `rnnjax.unroll`.
      unroll: steps a loop iteration of the scan.
      rngs: the stream "params" draws the parameters.
    """

    def __init__(
        self,
        cell: Cell,
        in_features: PyTree,
        *,
        time_major: bool = False,
        return_carry: bool = False,
        reverse: bool = False,
        engine: str | Engine = "auto",
        remat: bool | int | str | None = None,
        unroll: int | None = None,
        rngs: nnx.Rngs,
    ):
        self.cell = cell
        self.params = _Parameters(cell.init(rngs.params(), in_features))
        self.time_major = time_major
        self.return_carry = return_carry
        self.reverse = reverse
        self.engine = engine
        self.remat = remat
        self.unroll = unroll

    def __call__(
        self,
        inputs: PyTree,
        *,
        initial_carry: PyTree | None = None,
        seq_lengths: Any = None,
        resets: Any = None,
        return_carry: bool | None = None,
        time_major: bool | None = None,
        reverse: bool | None = None,
        keep_order: bool | None = True,
        rngs: nnx.Rngs | None = None,
    ) -> Any:
        """Runs the cell.

        Args:
          inputs: `[*batch, time, in_features]`.
          initial_carry: the state before the first step; `None` is the cell's.
          seq_lengths: `[*batch]` ints, or `None` where every row is full.
          resets: `[*batch, time]` bools, as in `rnnjax.unroll`.
          return_carry: overrides the attribute.
          time_major: overrides the attribute.
          reverse: overrides the attribute.
          keep_order: has to be true.
          rngs: the stream "dropout" draws the cell's masks, one a sequence; without it the module is deterministic.
            `nnx.Bidirectional` does not hand it on.

        Returns:
          Outputs `[*batch, time, features]`, or `(carry, outputs)`.

        Raises:
          InputError: as `rnnjax.unroll`.
        """
        check(keep_order is not False, "keep_order", keep_order, "True: outputs keep the order of the inputs")
        carry, ys = unroll(
            self.cell,
            held(self.cell, self.params.tree()),
            inputs,
            initial_carry,
            lengths=seq_lengths,
            resets=resets,
            reverse=self.reverse if reverse is None else reverse,
            time_major=self.time_major if time_major is None else time_major,
            engine=self.engine,
            remat=self.remat,
            unroll=self.unroll,
            key=_key(rngs),
        )
        return (carry, ys) if (self.return_carry if return_carry is None else return_carry) else ys


def _key(rngs: Any) -> Array | None:
    """A key where there is a stream for it; `nnx.Bidirectional` hands on a single stream, which is for carries."""
    drawing = isinstance(rngs, nnx.Rngs) and ("dropout" in rngs or "default" in rngs)
    return rngs.dropout() if drawing else None
