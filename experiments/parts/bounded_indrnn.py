"""The IndRNN as its authors train it: recurrent weights that cannot leave a range."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax import IndRNN
from rnnjax.cells.distributions import Range
from rnnjax.errors import check
from rnnjax.initializers import Initializer, Normal


@dataclasses.dataclass(frozen=True, repr=False)
class BoundedIndRNN(IndRNN):
    """An IndRNN whose recurrent weights u are held in [-bound, bound].

    Li et al. 2018, arXiv:1803.04831, clip u after each update, to |u| <= gamma^(1/T) for sequences of T steps (gamma is
    2 in the code): no unit can then multiply a gradient by more than gamma. Here u is clipped where it is used, and the
    gradient passes wherever a step against it does not lead further out: what lies outside is as good as on the bound,
    and comes back by itself.

    Args:
      bound: the largest |u|.

    Raises:
      InputError: a bound that is not positive.
    """

    source: ClassVar[str] = "Li et al. 2018, arXiv:1803.04831"

    _: dataclasses.KW_ONLY
    bound: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check(self.bound > 0, "BoundedIndRNN.bound", self.bound, "a number > 0")

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        return {**weights, "recurrent_vector": held(weights["recurrent_vector"], self.bound)}


@jax.custom_vjp
def held(u: jax.Array, bound: float) -> jax.Array:
    """`clip(u, -bound, bound)`, whose gradient is zero only where descent would lead further out."""
    return jnp.clip(u, -bound, bound)


def _forward(u, bound):
    return held(u, bound), (u, bound)


def _backward(residuals, gradient):
    u, bound = residuals
    outward = ((u >= bound) & (gradient < 0)) | ((u <= -bound) & (gradient > 0))
    return jnp.where(outward, 0, gradient), None


held.defvjp(_forward, _backward)


def indrnn_layers(width: int, layers: int, time: int, kernel: Initializer | None = None) -> tuple[BoundedIndRNN, ...]:
    """The layers of a network for sequences of `time` steps of which the last output is read.

    |u| <= 2^(1/T). The layers start with u from U(0, 2^(1/T)), so that they remember for different times, the last one
    with u from U(2^(-1/T), 2^(1/T)): it is to remember everything. As in the authors' code.

    Args:
      width: units of each layer.
      layers: how many.
      time: T.
      kernel: where the input weights start; `None` is N(0, 0.001^2), as in the code for the adding problem.
    """
    bound = 2.0 ** (1 / time)
    ranges = [Range(0.0, bound)] * (layers - 1) + [Range(1 / bound, bound)]
    start = Normal(0.001) if kernel is None else kernel
    return tuple(BoundedIndRNN(width, kernel_init=start, recurrent_init=r, bound=bound) for r in ranges)
