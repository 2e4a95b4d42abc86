"""What all cells share whose step is affine in the state."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class AffineCell(UnitCell):
    """A cell `h' = A h + b`, `y = readout(h')`, with a diagonal A that, like b, depends on the input alone.

    A subclass defines `affine`, the steps as maps of the state, and `readout` where the output is not the state; both
    for drives with any leading axes, so that an engine can compute them for all steps at once. `recur` follows.
    """

    affine_in_state: ClassVar[bool] = True
    recurrent_kernels: ClassVar[tuple[str, ...]] = ()
    jacobian: ClassVar = "diagonal"

    @property
    def state_dtype(self) -> jnp.dtype:
        """The dtype of A and b: never narrower than float32, since entries of A lie so near to one."""
        wide = jnp.promote_types(self.precision.dtype("compute"), self.precision.dtype("carry"))
        return jnp.promote_types(wide, jnp.float32)

    def readout(self, weights, carry, drive):
        del weights, drive
        return carry[0]

    def recur(self, weights, carry, drive):
        carry = self.affine(weights, drive)(carry)
        return carry, self.readout(weights, carry, drive)
