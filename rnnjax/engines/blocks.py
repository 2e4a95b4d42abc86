"""A sequence in blocks of consecutive steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

PyTree = Any


def over_blocks(
    run: Callable[[PyTree, PyTree], tuple[PyTree, PyTree]], carry: PyTree, steps: PyTree, block: int, reverse: bool
) -> tuple[PyTree, PyTree]:
    """Runs a sequence block by block, handing the carry on.

    Args:
      run: one block, `(carry, steps) -> (carry, outputs)`, in the direction of the whole.
      carry: the state before the first block.
      steps: `[time, ...]`.
      block: steps a block, at least 1. The last block in time is shorter where this does not divide the time.
      reverse: from the last block to the first.

    Returns:
      The final carry and the outputs `[time, ...]`.
    """
    time = jax.tree.leaves(steps)[0].shape[0]
    if block >= time:
        return run(carry, steps)
    block = max(1, block)
    whole = time - time % block
    head = jax.tree.map(lambda leaf: leaf[:whole].reshape(whole // block, block, *leaf.shape[1:]), steps)
    tail = jax.tree.map(lambda leaf: leaf[whole:], steps)

    def blocks(carry):
        carry, outputs = jax.lax.scan(run, carry, head, reverse=reverse)
        return carry, jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), outputs)

    if whole == time:
        return blocks(carry)
    if reverse:
        carry, last = run(carry, tail)
        carry, first = blocks(carry)
    else:
        carry, first = blocks(carry)
        carry, last = run(carry, tail)
    return carry, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), first, last)


def bytes_of(tree: PyTree) -> int:
    """The size of all arrays of a pytree, or of what stands in for them."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def root_block(time: int) -> int:
    """About sqrt(time), so that the carries between blocks and the steps of one block take up the same memory."""
    return math.isqrt(max(time - 1, 0)) + 1


def even_block(time: int, most: int) -> int:
    """The largest block of at most `most` steps that divides the time; `most` itself if that one is much smaller."""
    divisor = max(k for k in range(1, most + 1) if time % k == 0)
    return divisor if 2 * divisor > most else most
