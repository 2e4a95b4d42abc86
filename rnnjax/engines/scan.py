"""The scan engine: one step after the other."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.engines.blocks import even_block, over_blocks, root_block
from rnnjax.engines.engine import Engine
from rnnjax.engines.hoisting import hoisted
from rnnjax.errors import check

Array = jax.Array
PyTree = Any

_BLOCKS_AT_LEAST = 8  # with fewer, what is saved in memory traffic is lost on smaller products


@dataclasses.dataclass(frozen=True)
class Scan(Engine):
    """One step after the other, by `jax.lax.scan`: serves every cell and every call.

    Args:
      drive_bytes: how much of the drive (what `Cell.project` makes of the inputs) is computed ahead of the steps. A
        sequence whose drive is more than 8 times as large is run in blocks.

    Raises:
      InputError: a size that is no positive int.
    """

    name: ClassVar[str] = "scan"

    drive_bytes: int = 1 << 21

    def __post_init__(self):
        given = self.drive_bytes
        valid = isinstance(given, int) and not isinstance(given, bool) and given > 0
        check(valid, "Scan.drive_bytes", given, "a positive int")

    def run(self, cell, weights, carry, xs, call):
        steps = (xs, call.valid, call.resets)
        initial = None if call.resets is None else cell.initial_carry(jax.tree.leaves(xs)[0].shape[1:-1])

        def advance(weights, initial, carry, step):
            drive, valid, reset = step
            before = carry if reset is None else _where(reset, initial, carry)
            after, y = cell.advance(weights, before, drive)
            if valid is not None:
                after, y = _where(valid, after, carry), _where(valid, y, jnp.zeros_like(y))
            return after, (y, after if call.return_carries else None)

        loop: dict[str, Any] = dict(reverse=call.reverse, unroll=call.unroll or 1)

        def run(carry, steps):
            xs, *masks = steps
            steps = (cell.project(weights, xs), *masks)
            if call.hoist:
                return hoisted(advance, weights, initial, carry, steps, **loop)
            return jax.lax.scan(lambda carry, step: advance(weights, initial, carry, step), carry, steps, **loop)

        time = jax.tree.leaves(xs)[0].shape[0]
        block = self._block(cell, weights, xs, call.remat)
        if call.remat:
            run = jax.checkpoint(run)
        carry, (ys, carries) = (
            run(carry, steps) if block >= time else over_blocks(run, carry, steps, block, call.reverse)
        )
        return carry, ys, carries

    def _block(self, cell: Any, weights: PyTree, xs: PyTree, remat: bool | int | str | None) -> int:
        """How many steps are projected at once, or stored at once if some are to be computed again."""
        time = jax.tree.leaves(xs)[0].shape[0]
        if remat:
            return root_block(time) if remat == "sqrt" else int(remat)
        drive = jax.eval_shape(cell.project, weights, xs)
        step = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(drive)) // max(time, 1)
        if step * time <= _BLOCKS_AT_LEAST * self.drive_bytes:
            return time
        return even_block(time, max(1, self.drive_bytes // step))


def _where(condition: Array, chosen: PyTree, other: PyTree) -> PyTree:
    def choose(a, b):
        return jnp.where(condition.reshape(condition.shape + (1,) * (a.ndim - condition.ndim)), a, b)

    return jax.tree.map(choose, chosen, other)
