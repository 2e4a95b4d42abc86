"""A case of a golden file and the cell of ours that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rnnjax import Cell, Precision

DOUBLE = Precision("float64")


class Case(NamedTuple):
    """A cell, the package that computed it, and the way from the package's weights to the cell's parameters.

    Args:
      library: name of the package, as in the golden file's name.
      cell: in float64, of `golden.FEATURES` units on `golden.INPUTS` inputs.
      converted: `{name: array}` of the package to the parameters of the cell; differentiable.
      name: of the cell in the registry, where the case has another name.
      constant: names of the package's weights whose gradient is zero, rightly.
    """

    library: str
    cell: Cell
    converted: Callable[[dict[str, Any]], Any]
    name: str | None = None
    constant: tuple[str, ...] = ()
