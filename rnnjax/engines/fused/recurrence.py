"""What the kernels have to know of a cell: one step as a function of tiles on chip."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax

Array = jax.Array
Tiles = tuple[Array, ...]


@dataclasses.dataclass(frozen=True)
class Recurrence:
    """One step of a cell: `states = after(arguments, direct states)`, in float32, on tiles `[rows, width of a head]`.

    An argument is what is known of a gate before its nonlinearity: the sum of a drive and a recurrent product, or one
    of the two alone where the cell does more with it than add it. The derivative of a step is that of `after`, which
    the backward kernel takes by `jax.vjp`, so that a cell is written down once.

    Args:
      after: the states after a step, that which enters the recurrent products first. A function of a module, so that
        equal recurrences are compiled once.
      drive: for each gate, which argument its drive is part of.
      product: for each gate, which argument its recurrent product is part of.
      states: how many states there are.
      direct: which states before the step `after` reads, besides what the products bring of the first.
      biased: gates whose recurrent product has a bias of its own.
    """

    after: Callable[[Tiles, Tiles], Tiles]
    drive: tuple[int, ...]
    product: tuple[int, ...]
    states: int
    direct: tuple[int, ...] = ()
    biased: tuple[int, ...] = ()

    @property
    def gates(self) -> int:
        """How many gates there are."""
        return len(self.drive)

    @property
    def arguments(self) -> int:
        """How many arguments there are."""
        return 1 + max(self.drive + self.product)
