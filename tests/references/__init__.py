"""Each registered cell written once more in NumPy, one row and one step at a time, from its paper's equations.

A file is a family. It holds, by the names of the registry (and of `VARIANTS`):

- `EQUATIONS`: `step(params, state, x) -> (state, y)`, for one row: `state` is a tuple of arrays as the carry has them,
  `x` the input `[in_features]`.
- `SIZES`: the number of parameters, `size(in_features, features)`, counted by hand.
- `STARTS`: fields that say where the cell starts from, and nothing else; for cells without `kernel_init` and
  `bias_init`.
- `CARRIES`: a function from a randomly drawn carry to one that the cell can be in, where not every number can be one
  (a normaliser is positive).
- `FLAT`: paths of leaves, as in `0/kernel` for a parameter or `2/h` for a part of the carry, that outputs depend on in
  jumps or not at all (the patterns of a network of signs): their gradient is zero, rightly.
- `SQUARE`: names of cells whose inputs must be as wide as their state; their sizes are tested on such inputs.
- `VARIANTS`: further cells for the catalog, `(name, make[, in_features[, places]])` with `make(precision)`; each has
  its equations.

A new file is listed in `FAMILIES`.
"""

from __future__ import annotations

import importlib
from typing import Any

FAMILIES = ("textbook", "lstm_family", "gru_family", "simple_gated", "stable", "linear", "memory")

_modules = [importlib.import_module(f"references.{family}") for family in FAMILIES]


def _all(name: str) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for module in _modules:
        own = getattr(module, name, {})
        assert not set(own) & set(merged), f"{module.__name__}.{name} repeats a name"
        merged |= own
    return merged


EQUATIONS, SIZES, STARTS = _all("EQUATIONS"), _all("SIZES"), _all("STARTS")
CARRIES, FLAT = _all("CARRIES"), _all("FLAT")
SQUARE = {name for module in _modules for name in getattr(module, "SQUARE", ())}
VARIANTS = [variant for module in _modules for variant in getattr(module, "VARIANTS", [])]
