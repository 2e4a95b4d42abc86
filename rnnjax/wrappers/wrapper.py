"""What all wrappers around one cell share."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.errors import check
from rnnjax.precision import Precision

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True, repr=False)
class Wrapper(Cell):
    """A cell around one other cell, with that cell's parameters and carry unless a subclass says otherwise.

    Class attributes:
      has_parameters: whether it has some of its own; those of the cell then lie under "cell".

    Args:
      cell: the cell inside.

    Raises:
      InputError: something that is no cell.
    """

    has_parameters: ClassVar[bool] = False

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
    def precision(self) -> Precision:
        """The dtype policy of the cell inside, which the parameters of the wrapper follow too."""
        return precision_of(self.cell)

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

    def trainable(self, params: PyTree) -> PyTree:
        if not self.has_parameters:
            return self.cell.trainable(params)
        own = {name: jax.tree.map(lambda _: True, leaf) for name, leaf in params.items()}
        return own | {"cell": self.cell.trainable(params["cell"])}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> PyTree:
        return self.cell.initial_carry(batch_shape)


def precision_of(cell: Cell) -> Precision:
    """The dtype policy of a cell; one that has none computes in the dtype of its outputs."""
    return getattr(cell, "precision", None) or Precision(cell.output_dtype.name)
