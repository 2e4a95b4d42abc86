"""How the work is cut into programs, and what fits on chip."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

SHARED_MEMORY = {
    "7.5": 64, "8.0": 163, "8.6": 99, "8.7": 163, "8.9": 99, "9.0": 227, "10.0": 227, "10.3": 227, "12.0": 99,
}  # fmt: skip
"""KiB of shared memory that a program may have, by compute capability (CUDA C++ Programming Guide, its last tables)."""

LEAST_MEMORY = 64
"""KiB, for GPUs that are not in the table."""

NARROWEST = 16
"""The least rows and columns of a tile that a GPU's matrix units multiply."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a kernel is launched: one program for each block of rows and each head.

    Args:
      rows: rows of the batch a program runs.
      warps: groups of 32 threads a program has.
      interpret: run the kernel as plain JAX, on any device.
      reverse: from the last step to the first.
      compute: the dtype of the operands of products; they are summed in float32.
      carry: the dtype that states are rounded to between steps.
    """

    rows: int
    warps: int
    interpret: bool
    reverse: bool
    compute: str
    carry: str


def default_warps(rows: int, width: int) -> int:
    """Warps for tiles `[rows, width]`: beyond 1024 elements four do not have the registers for all gates."""
    return 4 if rows * width <= 1024 else 8


def refused_width(width: int, gates: int, compute: Any, rows: int, capability: str) -> str | None:
    """Why a head of this width cannot be kept on chip, as a clause, or `None` if it can.

    On chip are a head's recurrent weights of all gates, and the operands of a product: two tiles of float32 are the
    most that Triton's compiler took for them, over all three cells and both dtypes, 16 to 256 units and 16 to 64 rows.
    """
    if width < NARROWEST or width & (width - 1):
        return f"a head is {width} units wide, and the kernels take powers of two from {NARROWEST}"
    weights = gates * width * width * jnp.dtype(compute).itemsize
    needed, given = weights + 2 * rows * width * 4, SHARED_MEMORY.get(capability, LEAST_MEMORY) * 1024
    if needed > given:
        return (
            f"{gates} gates of {width} x {width} in {compute} and {rows} rows take {needed // 1024} KiB on chip, and a "
            f"GPU of compute capability {capability} has {given // 1024} (more heads are narrower)"
        )
    return None
