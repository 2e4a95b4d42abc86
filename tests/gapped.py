"""A cell outside the library: its inputs are a pytree, and its initial carry is not zero."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from catalog import FLOAT64
from sequences import BATCH, TIME, drawn_like

from rnnjax import UnitCell
from rnnjax.cell import abstract_params
from rnnjax.kernel import dot


class GappedState(NamedTuple):
    h: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Gapped(UnitCell):
    """A cell outside the library: inputs `{"gap": [..., 1], "x": [..., n]}`, a state that decays and starts at 1/2."""

    def init(self, key, in_features):
        kernel_key, recurrent_key = jax.random.split(key)
        dtype = self.precision.dtype("params")
        return {
            "kernel": jax.random.normal(kernel_key, (in_features["x"], self.features), dtype),
            "recurrent_kernel": jax.random.normal(recurrent_key, (self.features, self.features), dtype),
            "bias": jnp.zeros(self.features, dtype),
        }

    def initial_carry(self, batch_shape=()):
        return GappedState(self.zeros(batch_shape) + jnp.asarray(0.5, self.precision.dtype("carry")))

    def project(self, weights, xs):
        return {"x": super().project(weights, xs["x"]), "keep": jnp.exp(-(xs["gap"] ** 2))}

    def recur(self, weights, carry, drive):
        h = jnp.tanh(drive["x"] + dot(drive["keep"] * carry.h, weights["recurrent_kernel"]))
        return GappedState(h), h


def gapped_example():
    """Parameters, inputs `{"gap", "x"}` and a carry for `Gapped(4)`."""
    cell = Gapped(4, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, {"gap": 1, "x": 5}), 0)
    shapes = {"gap": (BATCH, TIME, 1), "x": (BATCH, TIME, 5)}
    xs = drawn_like({name: jax.ShapeDtypeStruct(shape, jnp.float64) for name, shape in shapes.items()}, 1)
    return params, xs, drawn_like(cell.initial_carry((BATCH,)), 2)
