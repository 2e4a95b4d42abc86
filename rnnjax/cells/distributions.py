"""Initial distributions that the papers of single cells ask for."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from rnnjax.cells.echo_state import with_spectral_radius
from rnnjax.errors import check, check_choice
from rnnjax.initializers import Initializer


@dataclasses.dataclass(frozen=True)
class Range(Initializer):
    """U(low, high)."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        check(self.low <= self.high, "Range.low", self.low, f"a number <= high={self.high}")

    def __call__(self, key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class Kaiming(Initializer):
    """Variance 2 / ((1 + slope^2) fan_in) of the block (He et al. 2015, arXiv:1502.01852).

    Args:
      distribution: its shape.
      slope: of the leaky rectifier, below zero, that the variance is right for.
    """

    distribution: Literal["uniform", "normal", "truncated_normal"] = "uniform"
    slope: float = 0.0

    def __post_init__(self):
        check_choice("Kaiming.distribution", self.distribution, ("uniform", "normal", "truncated_normal"))

    def __call__(self, key, shape, dtype=jnp.float32):
        check(len(shape) >= 2, "Kaiming", f"shape {shape}", "a matrix; a vector has no fan-in")
        scale = 2.0 / (1.0 + self.slope**2)
        return jax.nn.initializers.variance_scaling(scale, "fan_in", self.distribution)(key, shape, dtype)


@dataclasses.dataclass(frozen=True)
class OverWidth(Initializer):
    """N(0, (std / features)^2): a standard deviation that falls with the width itself, not with its root."""

    std: float = 1.0

    def __post_init__(self):
        check(self.std >= 0, "OverWidth.std", self.std, "a number >= 0")

    def __call__(self, key, shape, dtype=jnp.float32):
        return self.std / shape[-1] * jax.random.normal(key, shape, dtype)


@dataclasses.dataclass(frozen=True)
class Sparse(Initializer):
    """Normal weights into each unit from `connections` others at random, all scaled together to a spectral radius.

    So many entries of each column of the recurrent matrix U of `h U` are not zero. "Smart tanh" of Pascanu, Mikolov &
    Bengio 2013, arXiv:1211.5063, section 4.1.1, after the text; the authors' program has as many in each row.

    Args:
      connections: units that each unit sees, at most all.
      spectral_radius: largest modulus of an eigenvalue.

    Raises:
      InputError: a number out of range, or a block that is not square.
    """

    connections: int = 15
    spectral_radius: float = 0.95

    def __post_init__(self):
        valid = isinstance(self.connections, int) and self.connections >= 1
        check(valid, "Sparse.connections", self.connections, "an int >= 1")
        check(self.spectral_radius >= 0, "Sparse.spectral_radius", self.spectral_radius, "a number >= 0")

    def __call__(self, key, shape, dtype=jnp.float32):
        square = len(shape) == 2 and shape[0] == shape[1]
        check(square, "Sparse", f"shape {shape}", "a square block: it initialises recurrent kernels")
        weight_key, place_key = jax.random.split(key)
        rank = jnp.argsort(jnp.argsort(jax.random.uniform(place_key, shape), axis=0), axis=0)
        wide = jnp.promote_types(dtype, jnp.float32)
        weights = jax.random.normal(weight_key, shape, wide) * (rank < self.connections)
        return with_spectral_radius(weights, self.spectral_radius).astype(dtype)
