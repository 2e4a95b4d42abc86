"""A residual connection around a cell."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from rnnjax.errors import check
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True, repr=False)
class Residual(Wrapper):
    """Adds the input to the output: `y = x + cell(x)`. Parameters and carry are those of the cell.

    He et al. 2016, arXiv:1512.03385, between the layers of a recurrent stack as in Wu et al. 2016, arXiv:1609.08144.

    Args:
      cell: a cell whose outputs are as wide as its inputs.

    Raises:
      InputError: in `init`, if the widths differ.
    """

    def init(self, key: Array, in_features: int) -> PyTree:
        expected = f"{self.output_features}, the width of the output, to add the two"
        check(in_features == self.output_features, "in_features", in_features, expected)
        return self.cell.init(key, in_features)

    def prepare(self, params, *, key=None, batch_shape=()):
        return self.cell.prepare(params, key=key, batch_shape=batch_shape)

    def project(self, weights, xs):
        return self.cell.project(weights, xs), xs

    def stream(self, weights, xs):
        held, at = self.cell.stream(weights, xs)
        return (held, xs), lambda both, t: (at(both[0], t), jax.lax.dynamic_index_in_dim(both[1], t, keepdims=False))

    def recur(self, weights, carry, drive):
        drive, x = drive
        carry, y = self.cell.advance(weights, carry, drive)
        return carry, x.astype(y.dtype) + y

    def affine(self, weights, drive):
        return self.cell.affine(weights, drive[0])

    def readout(self, weights, carry, drive):
        drive, x = drive
        y = self.cell.readout(weights, carry, drive).astype(self.output_dtype)
        return x.astype(y.dtype) + y
