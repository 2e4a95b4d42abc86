"""Networks for the tests of the tools, drawn by numpy: nothing has to be compiled for them."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from sequences import drawn_like

from rnnjax import GRU, Elman, Precision
from rnnjax.cell import Cell, abstract_params


def network(cell: Cell, time: int, batch_shape: tuple[int, ...] = (2,), in_features: int = 3) -> tuple[Cell, Any, Any]:
    """A cell with random parameters, and random inputs."""
    dtype = cell.output_dtype
    xs = np.random.default_rng(1).standard_normal((*batch_shape, time, in_features))
    return cell, drawn_like(abstract_params(cell, in_features), 0), jnp.asarray(xs, dtype)


def linear(recurrent: Any, time: int, batch_shape: tuple[int, ...] = (2,), precision: str = "float64"):
    """h' = recurrent h + W x."""
    cell = Elman(len(recurrent), activation="identity", precision=Precision(precision))
    cell, params, xs = network(cell, time, batch_shape)
    return cell, {**params, "recurrent_kernel": jnp.asarray(recurrent, precision).T}, xs


def orthogonal(features: int) -> np.ndarray:
    """A random orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(2).standard_normal((features, features)))[0]


@dataclasses.dataclass(frozen=True, repr=False)
class Traced(GRU):
    """A GRU that counts how often its step is traced."""

    count: ClassVar[list[int]] = [0]

    def recur(self, weights, carry, drive):
        self.count[0] += 1
        return super().recur(weights, carry, drive)
