"""What the forward and the backward kernel do alike at a step."""

from __future__ import annotations

import jax
import jax.numpy as jnp

Array = jax.Array

PADDING, STEP, FRESH = 0, 1, 2
"""What a row does at a step: keep its state, go on from it, or go on from the initial one."""


def step_index(index: Array, time: int, reverse: bool) -> Array:
    """The time step of the loop's iteration of the given number."""
    return time - 1 - index if reverse else index


def product(rows: Array, block: Array, transposed: bool = False) -> Array:
    """`rows @ block`, or `rows @ block^T`, summed in float32. float32 operands: to `jax_default_matmul_precision`."""
    axes = (((1,), (1 if transposed else 0,)), ((), ()))
    return jax.lax.dot_general(rows, block, axes, preferred_element_type=jnp.float32)
