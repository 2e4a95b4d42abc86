"""The orthogonal network whose recurrent matrix is a matrix exponential."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.distributions import Kaiming
from rnnjax.cells.input_gated import InputPreset
from rnnjax.cells.orthogonal import OrthogonalCell, mod_relu, planes, skew_matrix
from rnnjax.errors import check_choice
from rnnjax.initializers import Uniform
from rnnjax.kernel import dot

Array = jax.Array


# Numerator of the diagonal Pade approximant of exp of order 13; the denominator has the odd signs turned round.
_PADE = tuple(math.comb(13, power) * math.factorial(26 - power) / math.factorial(26) for power in range(14))
_RADIUS = 5.0  # the approximant is exact to double precision for norms up to 5.4 (Higham 2005)
_HALVINGS = 16


class ExpRNNState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class ExpRNN(OrthogonalCell):
    """Network with an orthogonal recurrent matrix, the exponential of a skew-symmetric one.

        h' = modReLU(U h + W x),  U = exp(A),  A = -A^T
        modReLU(a) = sign(a) * relu(|a| + b)

    Lezcano-Casado & Martinez-Rubio 2019, arXiv:1901.08428. The exponential maps onto all rotations, so that plain
    gradient descent on A moves among them. Parameters: `kernel [in_features, features]`, `skew [features * (features -
    1) / 2]`, the entries of A above the diagonal, row by row, and `bias [features]`, the b.

    The start is that of the authors' code: W from N(0, 2/in_features), b from U(-0.01, 0.01), and A block-diagonal: it
    turns planes of two units, by angles s with s = -tan(u / 2), u from U(0, pi/2), for "cayley", and with s from
    U(-pi, pi) for "henaff". That code updates U itself and pulls gradients back to A by hand; here U is computed from A
    once a sequence.

    Args:
      skew_init: which angles A starts with.

    Raises:
      InputError: a start that is none of the two.
    """

    equation: ClassVar = "h' = modReLU(exp(A) h + Wx),  A = -A^T"
    source: ClassVar = "Lezcano-Casado & Martinez-Rubio 2019, arXiv:1901.08428"
    start: ClassVar = InputPreset(Kaiming("normal"), Uniform(0.01))

    _: dataclasses.KW_ONLY
    skew_init: Literal["cayley", "henaff"] = "cayley"

    def __post_init__(self):
        super().__post_init__()
        check_choice("ExpRNN.skew_init", self.skew_init, ("cayley", "henaff"))

    @property
    def dynamics(self) -> ExpRNN:
        return dataclasses.replace(self, kernel_init=None, bias_init=None, skew_init="cayley")

    def initial_transition(self, key, dtype):
        pairs = (self.features // 2,)
        if self.skew_init == "henaff":
            angles = jax.random.uniform(key, pairs, dtype, -math.pi, math.pi)
        else:
            angles = -jnp.tan(jax.random.uniform(key, pairs, dtype, 0.0, math.pi / 2) / 2)
        return {"skew": planes(angles, self.features)}

    def transition(self, params):
        return exponential(-skew_matrix(params["skew"], self.features))  # exp(A)^T = exp(-A)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ExpRNNState:
        return ExpRNNState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        a = drive["candidate"] + dot(carry.h, weights["recurrent_kernel"])
        return {"candidate": mod_relu(a, weights["bias"])}

    def recur(self, weights, carry, drive):
        h = self.gate_values(weights, carry, drive)["candidate"]
        return ExpRNNState(h), h


def exponential(skew: Array) -> Array:
    """The exponential of a skew-symmetric matrix of a norm up to some 10^5.

    By a diagonal Pade approximant, which makes an orthogonal matrix of a skew-symmetric one, and squaring: Higham 2005,
    doi:10.1137/04061101X. That of JAX has a loop inside, whose gradient accumulates matrices.
    """
    product = functools.partial(jnp.matmul, precision="highest")  # in single precision, not what a GPU takes for it
    norm = jax.lax.stop_gradient(jnp.max(jnp.sum(jnp.abs(skew), axis=0)))
    halvings = jnp.ceil(jnp.log2(jnp.maximum(norm / _RADIUS, jnp.finfo(skew.dtype).tiny)))
    halvings = jnp.clip(halvings, 0, _HALVINGS)
    scaled = skew * jnp.exp2(-halvings)
    identity, second = jnp.eye(len(skew), dtype=skew.dtype), product(scaled, scaled)
    fourth = product(second, second)
    sixth = product(second, fourth)
    powers = (identity, second, fourth, sixth)
    even, odd = (
        sum(_PADE[2 * k + rest] * power for k, power in enumerate(powers))
        + product(sixth, sum(_PADE[2 * k + 6 + rest] * power for k, power in enumerate(powers) if k))
        for rest in (0, 1)
    )
    odd = product(scaled, odd)
    result = jnp.linalg.solve(even - odd, even + odd)
    for count in range(_HALVINGS):
        result = jax.lax.cond(count < halvings, lambda r: product(r, r), lambda r: r, result)
    return result
