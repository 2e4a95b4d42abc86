"""What an engine is: a way to run a cell over time, and the calls it can serve."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar

import jax

from rnnjax.cell import Cell

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True)
class Call:
    """What an unroll asks of an engine besides cell, weights, carry and inputs. Time is the first axis throughout.

    Args:
      valid: `[time, *batch]`, false where a step is padding: the carry stays and the output is zero. Padding follows
        the valid steps of a row, and inputs are zero there.
      resets: `[time, *batch]`, true where the initial carry takes the place of the state before the step.
      reverse: from the last step to the first.
      return_carries: whether to return the state after each step.
      remat: what is recomputed in the backward pass; `False` is nothing, `None` what the engine finds faster.
      unroll: steps a loop iteration, `None` for the engine's own choice.
      hoist: whether the derivative may be one of the engine's own; without it the result can be differentiated in
        forward mode.
    """

    valid: Array | None = None
    resets: Array | None = None
    reverse: bool = False
    return_carries: bool = False
    remat: bool | int | str | None = None
    unroll: int | None = None
    hoist: bool = True


@dataclasses.dataclass(frozen=True)
class Engine(abc.ABC):
    """A way to run a cell over time. Its fields are its options; an engine without any is chosen by its name alone."""

    name: ClassVar[str] = ""

    def covers(self, cell: Cell) -> bool:
        """Whether there are calls of the cell that the engine can serve, on the device that it is for."""
        del cell
        return True

    def refusal(self, cell: Cell, weights: PyTree, carry: PyTree, xs: PyTree, call: Call) -> str | None:
        """Why the engine cannot serve a call, as a clause, or `None` if it can. Looks at shapes and dtypes only."""
        del cell, weights, carry, xs, call
        return None

    @abc.abstractmethod
    def run(
        self, cell: Cell, weights: PyTree, carry: PyTree, xs: PyTree, call: Call
    ) -> tuple[PyTree, Array, PyTree | None]:
        """Runs a cell over time.

        Args:
          cell: the cell.
          weights: from `cell.prepare`.
          carry: the state before the first step.
          xs: inputs `[time, *batch, in_features]`.
          call: what else was asked for.

        Returns:
          The final carry, the outputs `[time, *batch, output_features]`, and the carries `[time, ...]` or `None`.
        """
