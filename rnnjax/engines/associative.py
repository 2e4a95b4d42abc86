"""The associative engine: a cell that is affine in its state, run as a chain of maps.

The steps of such a cell are maps `h' = A_t h + b_t` (`rnnjax.affine`). They are made for all steps at once; the states
follow from them by a loop whose steps cost next to nothing, or by a parallel scan (`rnnjax.engines.affine_recurrence`);
the outputs are read out of all states at once.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.engines import affine_recurrence as recurrence
from rnnjax.engines.affine_recurrence import where
from rnnjax.engines.blocks import bytes_of, even_block, over_blocks, root_block
from rnnjax.engines.engine import Engine
from rnnjax.errors import check

Array = jax.Array
PyTree = Any
_map = jax.tree.map


@dataclasses.dataclass(frozen=True)
class Associative(Engine):
    """All steps of a cell that is affine in its state, at once.

    Time is cut into blocks, whose maps are composed one after the other in all blocks at the same time; the maps of
    whole blocks are a shorter chain, treated likewise. `block=2` is a binary tree, and a block as long as the sequence
    a plain loop. Blelloch 1990, CMU-CS-90-190; Martin & Cundy 2018, arXiv:1709.04057.

    `remat=k` recomputes k steps at once in the backward pass, "sqrt" about sqrt(time) steps, and `True` the whole
    sequence; inputs are projected anew too. `unroll` is refused.

    Args:
      block: steps a block; `None` is the whole sequence on a CPU, and 32 elsewhere. On two CPU cores a loop took a half
        to a twentieth of the time of `jax.lax.associative_scan` for 256 to 65536 steps, and compiled ten to a hundred
        times faster. The 32 has not been measured on an accelerator.
      drive_bytes: in a loop, how much of the drive (what `Cell.project` makes of the inputs) is computed ahead of the
        steps, so that it is still in the cache when they need it. A sequence whose drive is more than four times as
        large is run in parts.

    Raises:
      InputError: a block that is no int of at least 2, or a size that is no positive int.
    """

    name: ClassVar[str] = "associative"

    block: int | None = None
    drive_bytes: int = 1 << 21

    def __post_init__(self):
        check(self.block is None or _is_int(self.block, 2), "Associative.block", self.block, "an int >= 2, or None")
        check(_is_int(self.drive_bytes, 1), "Associative.drive_bytes", self.drive_bytes, "a positive int")

    def covers(self, cell):
        return cell.affine_in_state

    def refusal(self, cell, weights, carry, xs, call):
        del weights, carry, xs
        if not self.covers(cell):
            return f"{cell} is not affine in its state"
        if call.unroll is not None:
            return f"it has no loop over steps that unroll={call.unroll} could set"
        return None

    def run(self, cell, weights, carry, xs, call):
        time = jax.tree.leaves(xs)[0].shape[0]
        block = self._steps_at_once(cell, weights, xs, call.remat)
        run = functools.partial(self._run, cell, weights, call)
        if call.remat:
            run = jax.checkpoint(run)
        steps = xs, call.valid, call.resets
        carry, (ys, carries) = (
            run(carry, steps) if block >= time else over_blocks(run, carry, steps, block, call.reverse)
        )
        return carry, ys, carries

    def _steps_at_once(self, cell: Any, weights: PyTree, xs: PyTree, remat: bool | int | str | None) -> int:
        """How many steps are run at once: those that are recomputed together, or those whose drive fits the cache."""
        time = jax.tree.leaves(xs)[0].shape[0]
        if remat:
            return time if remat is True else root_block(time) if remat == "sqrt" else int(remat)
        if self.block or jax.default_backend() != "cpu":
            return time
        drive = jax.eval_shape(cell.project, weights, xs)
        step = bytes_of(drive) // max(time, 1)
        return time if step * time <= 4 * self.drive_bytes else even_block(time, max(1, self.drive_bytes // step))

    def _run(self, cell, weights, call, carry, steps):
        """Some steps: `(carry, (ys, carries))`, for inputs and masks of these steps."""
        xs, valid, resets = steps
        call = dataclasses.replace(call, valid=valid, resets=resets)
        time = jax.tree.leaves(xs)[0].shape[0]
        drive = cell.project(weights, xs)
        if time:
            states = self._states(time, cell, cell.affine(weights, drive), carry, call)
            final = _map(lambda leaf, old: leaf[0 if call.reverse else -1].astype(old.dtype), states, carry)
        else:
            states, final = _map(lambda leaf: jnp.zeros((0, *leaf.shape), leaf.dtype), carry), carry
        ys = cell.readout(weights, states, drive).astype(cell.output_dtype)
        if call.valid is not None:
            ys = where(call.valid, ys, jnp.zeros_like(ys))
        return final, (ys, _cast_like(states, carry) if call.return_carries else None)

    def _states(self, time, cell, maps, carry, call):
        """The state after each step, in the dtype of the maps."""
        shape = jax.tree.leaves(carry)[0].shape
        carry = _map(lambda leaf: leaf.astype(maps[0].dtype), carry)
        valid, resets, reverse = call.valid, call.resets, call.reverse
        fresh = carry
        if resets is not None:
            fresh = jax.lax.stop_gradient(_cast_like(cell.initial_carry(resets.shape[1:]), carry))
            resets = resets if valid is None else resets & valid
        if (self.block or (time if jax.default_backend() == "cpu" else 32)) >= time:
            maps = _map(lambda leaf: jnp.broadcast_to(leaf, (time, *shape) if leaf.ndim > len(shape) else shape), maps)
            run = recurrence.looped if call.hoist else recurrence.in_a_loop
            return run(reverse, maps, valid, resets, fresh, carry)
        maps = _map(lambda leaf: jnp.broadcast_to(leaf, (time, *shape)), maps)
        if valid is not None:
            maps = where(valid, maps, maps.identity())
        in_order = functools.partial(_map, lambda leaf: leaf[::-1] if reverse else leaf)
        run = recurrence.blocked if call.hoist else recurrence.in_blocks
        return in_order(run(self.block or 32, in_order(maps), in_order(resets), fresh, carry))


def _is_int(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _cast_like(tree: PyTree, like: PyTree) -> PyTree:
    return _map(lambda leaf, other: leaf.astype(other.dtype), tree, like)
