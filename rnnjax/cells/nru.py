"""The non-saturating recurrent unit."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell
from rnnjax.errors import check
from rnnjax.initializers import Uniform
from rnnjax.inputs import checked_width
from rnnjax.kernel import dot

Array = jax.Array

_NORM = 5  # the p of the norm that directions are divided by, in paper and code


class NRUState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`; `memory`: `[*batch, memory_features]`."""

    h: Array
    memory: Array


@dataclasses.dataclass(frozen=True, repr=False)
class NRU(UnitCell):
    """Non-saturating recurrent unit: a memory that is written to and erased from along directions, without gates.

        h' = relu(U [h, m] + W x + b)
        a, e, p, q, r, s = V [h', m] + c
        m' = m + mean over heads k of (a_k * unit(p q^T)_k - e_k * unit(r s^T)_k)

    Chandar et al. 2019, arXiv:1902.06704. The outer products, of vectors of sqrt(heads * memory_features) numbers, are
    read row by row as one direction a head, and `unit` divides each by its norm sum(|v|^5)^(1/5): large matrices of
    directions for few parameters. Nothing saturates, and nothing bounds the memory.

    Parameters: `kernel [in_features, features]`, `recurrent_kernel [features + memory_features, features]`,
    `bias [features]`; `head_kernel [features + memory_features, 2 * heads + 4 * sqrt(heads * memory_features)]` and
    `head_bias`, for a, e, p, q, r, s in this order.

    The equations are those of the authors' code, in its default form; `rectified` puts a rectifier on strengths and
    outer products, an option of that code. That code draws every linear map from U(-k, k) with k = 1/sqrt(fan_in).
    Strengths that see the memory from the start make it grow exponentially with time, out of the range of single
    precision within a thousand steps of normal inputs. So strengths start constant here, their part of the head kernel
    being zero; `strength_scale=1` is the authors' start.

    Args:
      memory_features: width of the memory.
      heads: number of directions written to, and erased from, in a step; times the memory's width it is a square.
      rectified: whether strengths and outer products are rectified.
      strength_scale: what the initial kernel of the strengths a and e is multiplied with; not negative.

    Raises:
      InputError: widths that make no square, or a negative scale.
    """

    recurrent_kernels: ClassVar = ("recurrent_kernel", "head_kernel")
    equation: ClassVar = "h' = relu(U[h,m]+Wx+b);  m' = m + mean_k(a_k*unit(pq^T)_k - e_k*unit(rs^T)_k)"
    source: ClassVar = "Chandar et al. 2019, arXiv:1902.06704"

    _: dataclasses.KW_ONLY
    memory_features: int = 64
    heads: int = 4
    rectified: bool = False
    strength_scale: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        check(self.strength_scale >= 0, "NRU.strength_scale", self.strength_scale, "a number >= 0")
        for field in ("memory_features", "heads"):
            given = getattr(self, field)
            check(isinstance(given, int) and given >= 1, f"NRU.{field}", given, "a positive int")
        square = self.memory_features * self.heads
        expected = f"a width that times heads={self.heads} is a square"
        check(math.isqrt(square) ** 2 == square, "NRU.memory_features", self.memory_features, expected)

    @property
    def dynamics(self) -> NRU:
        return dataclasses.replace(self, strength_scale=0.0)

    @property
    def _rank(self) -> int:
        return math.isqrt(self.memory_features * self.heads)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        width, dtype = checked_width(in_features), self.precision.dtype("params")
        seen, heads = self.features + self.memory_features, 2 * self.heads + 4 * self._rank
        state, head = Uniform((width + seen) ** -0.5), Uniform(seen**-0.5)
        keys = jax.random.split(key, 5)
        head_kernel = head(keys[3], (seen, heads), dtype)
        strengths = 2 * self.heads
        return {
            "kernel": state(keys[0], (width, self.features), dtype),
            "recurrent_kernel": state(keys[1], (seen, self.features), dtype),
            "bias": state(keys[2], (self.features,), dtype),
            "head_kernel": head_kernel.at[:, :strengths].multiply(self.strength_scale),
            "head_bias": head(keys[4], (heads,), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> NRUState:
        return NRUState(self.zeros(batch_shape), self.zeros(batch_shape, self.memory_features))

    def recur(self, weights, carry, drive):
        seen = jnp.concatenate([carry.h, carry.memory], axis=-1)
        h = jax.nn.relu(drive + dot(seen, weights["recurrent_kernel"]))
        seen = jnp.concatenate([h.astype(carry.memory.dtype), carry.memory], axis=-1)
        parts = dot(seen, weights["head_kernel"]) + weights["head_bias"]
        places = [self.heads, 2 * self.heads, *(2 * self.heads + count * self._rank for count in (1, 2, 3))]
        write, erase, *vectors = jnp.split(parts, places, axis=-1)
        change = self._change(write, *vectors[:2]) - self._change(erase, *vectors[2:])
        return NRUState(h, carry.memory + change), h

    def _change(self, strengths: Array, left: Array, right: Array) -> Array:
        """The mean over heads of strengths times directions, `[*batch, memory_features]`."""
        outer = left[..., :, None] * right[..., None, :]
        directions = outer.reshape(*outer.shape[:-2], self.heads, self.memory_features)
        if self.rectified:
            strengths, directions = jax.nn.relu(strengths), jax.nn.relu(directions)
        return jnp.mean(strengths[..., None] * _unit(directions), axis=-2)


def _unit(v: Array) -> Array:
    """v / sum(|v|^5)^(1/5) along the last axis; zero where v is."""
    # Divided by the largest entry first, as fifth powers leave the range of single precision early. The quotient does
    # not depend on that divisor: it needs no derivative.
    peak = jax.lax.stop_gradient(jnp.max(jnp.abs(v), axis=-1, keepdims=True))
    v = v / jnp.where(peak > 0, peak, 1.0)
    powers = jnp.sum(jnp.abs(v) ** _NORM, axis=-1, keepdims=True)
    return v / jnp.where(peak > 0, powers, 1.0) ** (1 / _NORM)
