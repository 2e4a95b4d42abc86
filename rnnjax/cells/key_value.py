"""Cells whose state is a matrix a head, that keys write values into and queries read out of."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from rnnjax.cell import UnitCell
from rnnjax.errors import check
from rnnjax.initializers import Initializer, Lecun


@dataclasses.dataclass(frozen=True, repr=False)
class KeyValueCell(UnitCell):
    """What fast weights have: heads, and the widths of their keys and values.

    Args:
      features: width of the outputs, that of all heads' values.
      heads: number of heads; it divides `features`.
      key_features: width of the keys of a head; `None` means that of its values, features / heads.
      kernel_init: initialiser of each block of the kernels.
      precision: the dtype policy.

    Raises:
      InputError: a field out of range.
    """

    _: dataclasses.KW_ONLY
    heads: int = 1
    key_features: int | None = None
    kernel_init: Initializer = Lecun()

    def __post_init__(self):
        super().__post_init__()
        name = type(self).__name__
        valid = positive(self.heads) and self.features % self.heads == 0
        check(valid, f"{name}.heads", self.heads, f"a positive int that divides features={self.features}")
        valid = self.key_features is None or positive(self.key_features)
        check(valid, f"{name}.key_features", self.key_features, "a positive int, or None")
        check(isinstance(self.kernel_init, Initializer), f"{name}.kernel_init", self.kernel_init, "an Initializer")

    @property
    def dynamics(self) -> Self:
        return dataclasses.replace(self, kernel_init=Lecun())

    @property
    def value_width(self) -> int:
        """The width of the values of a head."""
        return self.features // self.heads

    @property
    def key_width(self) -> int:
        """The width of the keys of a head."""
        return self.key_features or self.value_width


def positive(given: Any) -> bool:
    """Whether this is an int of at least 1."""
    return isinstance(given, int) and not isinstance(given, bool) and given >= 1
