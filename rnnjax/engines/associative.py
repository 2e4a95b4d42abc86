"""The associative engine: a cell that is affine in its state, run as a chain of maps.

The steps of such a cell are maps `h' = A_t h + b_t` (`rnnjax.affine`). They are made for all steps at once; the states
follow from them by a loop whose steps cost next to nothing, or by a parallel scan (`rnnjax.engines.affine_recurrence`);
the outputs are read out of all states at once.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.engines import affine_recurrence as recurrence
from rnnjax.engines.affine_recurrence import where
from rnnjax.engines.engine import Engine
from rnnjax.errors import check

Array = jax.Array
PyTree = Any
_map = jax.tree.map


@dataclasses.dataclass(frozen=True)
class Associative(Engine):
    """All steps of a cell that is affine in its state, at once.

    Time is cut into blocks, whose maps are composed one after the other in all blocks at the same time; the maps of
    whole blocks are a shorter chain, treated likewise. `block=2` is a binary tree, and a block as long as the sequence a
    plain loop. Blelloch 1990, CMU-CS-90-190; Martin & Cundy 2018, arXiv:1709.04057.

    `remat=k` recomputes blocks of k steps in the backward pass, "sqrt" such of about sqrt(time) steps, and `True` the
    whole sequence at once; inputs are projected anew too. `unroll` is refused: blocks are chosen by `block`.

    Args:
      block: steps a block; `None` is the whole sequence on a CPU, and 32 elsewhere. On two CPU cores a loop took a half
        to a twentieth of the time of `jax.lax.associative_scan` for 256 to 65536 steps, and compiled ten to a hundred
        times faster. The 32 has not been measured on an accelerator.

    Raises:
      InputError: a block that is no int of at least 2.
    """

    name: ClassVar[str] = "associative"

    block: int | None = None

    def __post_init__(self):
        valid = isinstance(self.block, int) and not isinstance(self.block, bool) and self.block >= 2
        check(valid or self.block is None, "Associative.block", self.block, "an int >= 2, or None")

    def refusal(self, cell, weights, carry, xs, call):
        del weights, carry, xs
        if not cell.affine_in_state:
            return f"{cell} is not affine in its state"
        if call.unroll is not None:
            return f"it has no loop over steps that unroll={call.unroll} could set"
        return None

    def run(self, cell, weights, carry, xs, call):
        if call.remat:
            return _rematerialised(self._run, cell, weights, carry, xs, call)
        return self._run(cell, weights, carry, xs, call)

    def _run(self, cell, weights, carry, xs, call):
        time = jax.tree.leaves(xs)[0].shape[0]
        drive = cell.project(weights, xs)
        if time:
            states = self._states(cell, cell.affine(weights, drive), carry, call)
            final = _map(lambda leaf, old: leaf[0 if call.reverse else -1].astype(old.dtype), states, carry)
        else:
            states, final = _map(lambda leaf: jnp.zeros((0, *leaf.shape), leaf.dtype), carry), carry
        ys = cell.readout(weights, states, drive).astype(cell.output_dtype)
        if call.valid is not None:
            ys = where(call.valid, ys, jnp.zeros_like(ys))
        return final, ys, _cast_like(states, carry) if call.return_carries else None

    def _states(self, cell, maps, carry, call):
        """The state after each step, in the dtype of the maps."""
        shape = jax.tree.leaves(carry)[0].shape
        time = max(maps, key=jnp.ndim).shape[0]
        carry = _cast_like(carry, _map(lambda leaf: maps[0], carry))
        valid, resets, reverse = call.valid, call.resets, call.reverse
        fresh = carry
        if resets is not None:
            fresh = jax.lax.stop_gradient(_cast_like(cell.initial_carry(resets.shape[1:]), carry))
            resets = resets if valid is None else resets & valid
        if (self.block or (time if jax.default_backend() == "cpu" else 32)) >= time:
            maps = _map(lambda leaf: jnp.broadcast_to(leaf, (time, *shape)) if leaf.ndim > len(shape) else leaf, maps)
            run = recurrence.looped if call.hoist else recurrence.in_a_loop
            return run(reverse, maps, valid, resets, fresh, carry)
        maps = _map(lambda leaf: jnp.broadcast_to(leaf, (time, *shape)), maps)
        if valid is not None:
            maps = where(valid, maps, maps.identity())
        in_order = functools.partial(_map, lambda leaf: leaf[::-1] if reverse else leaf)
        run = recurrence.blocked if call.hoist else recurrence.in_blocks
        return in_order(run(self.block or 32, in_order(maps), in_order(resets), fresh, carry))


def _cast_like(tree: PyTree, like: PyTree) -> PyTree:
    return _map(lambda leaf, other: leaf.astype(other.dtype), tree, like)


def _rematerialised(run, cell, weights, carry, xs, call):
    """The sequence in blocks, of which only the carries between them and the inputs are kept for the backward pass."""
    time = jax.tree.leaves(xs)[0].shape[0]
    block = {"sqrt": math.isqrt(max(time - 1, 0)) + 1, True: time}.get(call.remat, call.remat)
    block = max(1, min(int(block), time))
    count = -(-time // block)
    extra = count * block - time
    valid = call.valid
    if extra and valid is None:
        valid = jnp.ones((time, *jax.tree.leaves(carry)[0].shape[:-1]), bool)

    def cut(leaf):
        leaf = jnp.concatenate([leaf, jnp.zeros((extra, *leaf.shape[1:]), leaf.dtype)])
        return leaf.reshape(count, block, *leaf.shape[1:])

    @jax.checkpoint
    def one(carry, part):
        xs, valid, resets = part
        carry, ys, carries = run(cell, weights, carry, xs, dataclasses.replace(call, valid=valid, resets=resets))
        return carry, (ys, carries)

    carry, outputs = jax.lax.scan(one, carry, _map(cut, (xs, valid, call.resets)), reverse=call.reverse)
    return carry, *_map(lambda leaf: leaf.reshape(count * block, *leaf.shape[2:])[:time], outputs)
