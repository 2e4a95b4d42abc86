"""The scan engine: one step after the other."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.engines.blocks import bytes_of, even_block, over_blocks, root_block
from rnnjax.engines.engine import Engine
from rnnjax.engines.hoisting import hoisted
from rnnjax.errors import check
from rnnjax.rows import select

Array = jax.Array
PyTree = Any

_WHOLE = 16  # times `drive_bytes`: up to there blocks lose on smaller products what they save in memory traffic
_WEIGHTS = 48  # times the weights: likewise, as each block adds gradients of their size to a sum, but no more than
_WHOLE_AT_MOST = 64  # times `drive_bytes`
_NARROW = 200  # times a row's drive of a step: with weights up to there, steps are faster computed again than stored
_STEPS_AT_LEAST = 8  # without a derivative, as blocks of few steps lose the same way, unless these are large


@dataclasses.dataclass(frozen=True)
class Scan(Engine):
    """One step after the other, by `jax.lax.scan`: serves every cell and every call.

    Args:
      drive_bytes: how much of the drive (what `Cell.project` makes of the inputs) is computed ahead of the steps where
        a derivative is taken. Without a derivative it is a quarter of that, for the cache, or eight steps where these
        are no more than twice of it. A sequence whose drive is at most 16 times as large is run in one block, where a
        derivative is taken up to 64 times, if the drive is at most 48 times as large as the weights. On a CPU the
        backward pass computes each of several blocks again unless `remat=False`, where a step's sums are short: the
        weights are at most 200 times as large as the drive of one row and step.

    Raises:
      InputError: a size that is no positive int.
    """

    name: ClassVar[str] = "scan"

    drive_bytes: int = 1 << 20

    def __post_init__(self):
        given = self.drive_bytes
        valid = isinstance(given, int) and not isinstance(given, bool) and given > 0
        check(valid, "Scan.drive_bytes", given, "a positive int")

    def run(self, cell, weights, carry, xs, call):
        steps = (xs, call.valid, call.resets)
        initial = None if call.resets is None else cell.initial_carry(jax.tree.leaves(xs)[0].shape[1:-1])
        loop: dict[str, Any] = dict(reverse=call.reverse, unroll=call.unroll or 1)

        def advance(weights, initial, carry, step):
            drive, valid, reset = step
            before = carry if reset is None else select(reset, initial, carry)
            after, y = cell.advance(weights, before, drive)
            if valid is not None:
                after, y = select(valid, after, carry), select(valid, y, jnp.zeros_like(y))
            return after, (y, after if call.return_carries else None)

        def stored(weights, carry, steps):
            """The steps with all that a derivative needs: the whole drive, an array a gate."""
            xs, *masks = steps
            steps = (cell.project(weights, xs), *masks)
            if call.hoist:
                return hoisted(advance, weights, initial, carry, steps, **loop)
            return jax.lax.scan(lambda carry, step: advance(weights, initial, carry, step), carry, steps, **loop)

        def streamed(weights, state, steps):
            """The steps by themselves, each of which writes what it gives out to its place in the whole."""
            places, xs, *masks = steps
            held, at = cell.stream(weights, xs)

            def step(state, this):
                carry, whole = state
                place, *masks = this
                carry, outputs = advance(weights, initial, carry, (at(held, place - places[0]), *masks))
                put = lambda array, one: jax.lax.dynamic_update_index_in_dim(array, one, place, 0)  # noqa: E731
                return (carry, jax.tree.map(put, whole, outputs)), None

            return jax.lax.scan(step, state, (places, *masks), **loop)

        def differentiable(weights, carry, steps):
            drive = jax.eval_shape(cell.project, weights, steps[0])
            block = _block_of(call.remat, time) or self._stored_block(weights, drive)
            unasked = call.remat is None and call.hoist and block < time and _cheap(weights, drive, time * rows)
            run = jax.checkpoint(stored) if call.remat or unasked else stored
            return over_blocks(functools.partial(run, weights), carry, steps, block, call.reverse)

        @jax.custom_vjp
        def forward(weights, carry, steps):
            held = jax.eval_shape(lambda *given: cell.stream(*given)[0], weights, steps[0])
            ahead = lambda shape, dtype: jnp.zeros((time, *shape), dtype)  # noqa: E731
            outputs = ahead((*leading, cell.output_features), cell.output_dtype)
            carries = jax.tree.map(lambda leaf: ahead(leaf.shape, leaf.dtype), carry) if call.return_carries else None
            run, state = functools.partial(streamed, weights), (carry, (outputs, carries))
            steps = (jnp.arange(time), *steps)
            return over_blocks(run, state, steps, self._streamed_block(held), call.reverse)[0]

        forward.defvjp(functools.partial(jax.vjp, differentiable), lambda pull, cotangents: pull(cotangents))
        time, *leading = jax.tree.leaves(xs)[0].shape[:-1]
        rows = math.prod(leading)
        run = forward if call.hoist and time else differentiable
        carry, (ys, carries) = run(weights, carry, steps)
        return carry, ys, carries

    def _stored_block(self, weights: PyTree, drive: PyTree) -> int:
        """How many steps of the drive are computed at once where a derivative is taken."""
        whole = max(_WHOLE * self.drive_bytes, min(_WHOLE_AT_MOST * self.drive_bytes, _WEIGHTS * bytes_of(weights)))
        return _block(drive, whole, self.drive_bytes, 1)

    def _streamed_block(self, held: PyTree) -> int:
        """The same where none is taken, of what `Cell.stream` holds."""
        return _block(held, _WHOLE * self.drive_bytes, self.drive_bytes // 4, _STEPS_AT_LEAST)


def _block(held: PyTree, whole: int, size: int, steps: int) -> int:
    """How many steps of an array are made at once: all, if these are no more than `whole` bytes, or as many as take up
    `size`, and so many `steps` at least, if these take up no more than eight times the size.
    """
    time = jax.tree.leaves(held)[0].shape[0]
    step = bytes_of(held) // max(time, 1)
    if step * time <= whole:
        return time
    return even_block(time, max(1, size // step, min(steps, 8 * size // step)))


def _cheap(weights: PyTree, drive: PyTree, rows: int) -> bool:
    """Whether steps, so many of all rows, are faster computed again than stored: on a CPU, where the sums in them are
    so short that a step is done before its gates would have come from memory.
    """
    return jax.default_backend() == "cpu" and bytes_of(weights) * rows <= _NARROW * bytes_of(drive)


def _block_of(remat: bool | int | str | None, time: int) -> int | None:
    """How many steps are stored at once where some are to be computed again."""
    return (root_block(time) if remat == "sqrt" else int(remat)) if remat else None
