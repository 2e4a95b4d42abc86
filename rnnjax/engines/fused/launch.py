"""The launch of a kernel: one program for each block of rows and each head, and which part of each array it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from rnnjax.engines.fused.plan import Plan

Array = jax.Array
Input = tuple[Array, pl.BlockSpec]
Output = tuple[jax.ShapeDtypeStruct, pl.BlockSpec]


@dataclasses.dataclass(frozen=True)
class Shapes:
    """The axes all arrays of a launch share, and the block of each kind of array that program `(i, head)` sees.

    A program sees all time steps of its own rows and head. A block costs nothing by itself: what a kernel reads out of
    it comes on chip, at the step at which it is read.
    """

    time: int
    batch: int
    heads: int
    width: int
    rows: int

    @classmethod
    def of(cls, steps: Array, plan: Plan) -> Shapes:
        """From an array `[time, batch, gates, heads, width]`."""
        time, batch, _, heads, width = steps.shape
        return cls(time, batch, heads, width, plan.rows)

    @property
    def grid(self) -> tuple[int, int]:
        """How many programs: blocks of rows, heads."""
        return self.batch // self.rows, self.heads

    def steps(self, array: Array) -> Input:
        """Several tiles a step: `[time, batch, k, heads, width]`, seen as `[time, rows, k, width]`."""
        return array, self._steps_spec(array.shape[2])

    def states(self, array: Array) -> Input:
        """One tile a step: `[time, batch, heads, width]`, seen as `[time, rows, width]`."""
        return array, self._states_spec()

    def carry(self, array: Array) -> Input:
        """One tile: `[batch, heads, width]`, seen as `[rows, width]`."""
        return array, self._carry_spec()

    def mode(self, array: Array) -> Input:
        """`[time, batch]`, seen as `[time, rows]`."""
        return array, pl.BlockSpec((self.time, self.rows), lambda i, head: (0, i))

    def kernel(self, array: Array) -> Input:
        """`[heads, width, gates, width]`, seen as `[width, gates, width]`."""
        return array, pl.BlockSpec((None, *array.shape[1:]), lambda i, head: (head, 0, 0, 0))

    def bias(self, array: Array) -> Input:
        """`[k, heads, width]`, seen as `[k, width]`."""
        return array, pl.BlockSpec((array.shape[0], None, self.width), lambda i, head: (0, head, 0))

    def new_steps(self, tiles: int, dtype: Any) -> Output:
        """A result like `steps`."""
        shape = (self.time, self.batch, tiles, self.heads, self.width)
        return jax.ShapeDtypeStruct(shape, dtype), self._steps_spec(tiles)

    def new_states(self, dtype: Any) -> Output:
        """A result like `states`."""
        return jax.ShapeDtypeStruct((self.time, self.batch, self.heads, self.width), dtype), self._states_spec()

    def new_carry(self, dtype: Any) -> Output:
        """A result like `carry`."""
        return jax.ShapeDtypeStruct((self.batch, self.heads, self.width), dtype), self._carry_spec()

    def _steps_spec(self, tiles):
        return pl.BlockSpec((self.time, self.rows, tiles, None, self.width), lambda i, head: (0, i, 0, head, 0))

    def _states_spec(self):
        return pl.BlockSpec((self.time, self.rows, None, self.width), lambda i, head: (0, i, head, 0))

    def _carry_spec(self):
        return pl.BlockSpec((self.rows, None, self.width), lambda i, head: (i, head, 0))


def launch(
    body: Callable[..., None], name: str, plan: Plan, shapes: Shapes, inputs: Sequence[Input], outputs: Sequence[Output]
) -> list[Array]:
    """Runs a kernel body over the grid by Pallas' Triton route.

    That route is the one Pallas has for GPUs older than Hopper. JAX 0.11 announces its removal in favour of Mosaic GPU:
    this function and `Shapes` are all that knows of it.
    """
    call = pl.pallas_call(
        body,
        grid=shapes.grid,
        in_specs=[spec for _, spec in inputs],
        out_specs=[spec for _, spec in outputs],
        out_shape=[shape for shape, _ in outputs],
        interpret=plan.interpret,
        # More stages would load steps ahead into the shared memory that the weights need.
        compiler_params=triton.CompilerParams(num_warps=plan.warps, num_stages=1),
        name=name,
    )
    return call(*(array for array, _ in inputs))
