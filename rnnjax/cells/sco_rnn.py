"""The orthogonal network whose recurrent matrix is a scaled Cayley transform."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.input_gated import InputPreset
from rnnjax.cells.orthogonal import OrthogonalCell, mod_relu, planes, skew_matrix
from rnnjax.errors import check
from rnnjax.initializers import Uniform
from rnnjax.kernel import dot

Array = jax.Array


class ScoRNNState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class ScoRNN(OrthogonalCell):
    """Network with an orthogonal recurrent matrix, the scaled Cayley transform of a skew-symmetric one.

        h' = modReLU(U h + W x),  U = (I + A)^-1 (I - A) D,  A = -A^T
        modReLU(a) = sign(a) * relu(|a| + b)

    Helfrich, Willmott & Ye 2018, arXiv:1707.09520. D is diagonal with entries of 1 and, in its last places, -1: without
    it no orthogonal matrix with an eigenvalue -1 is reached. It is not trained. Parameters: `kernel [in_features,
    features]`, `skew [features * (features - 1) / 2]`, the entries of A above the diagonal, row by row, and
    `bias [features]`, the b.

    The start is that of the authors' code: W from U(-0.01, 0.01), b = 0, and A block-diagonal with entries
    -tan(u / 2), u from U(0, pi/2): eigenvalues of the Cayley transform at angles u.

    Args:
      negative: share of -1 among the entries of D, in [0, 1]; the paper tunes it, to one half for the copying task.

    Raises:
      InputError: a share outside [0, 1].
    """

    equation: ClassVar = "h' = modReLU((I+A)^-1 (I-A) D h + Wx),  A = -A^T"
    source: ClassVar = "Helfrich, Willmott & Ye 2018, arXiv:1707.09520"
    start: ClassVar = InputPreset(Uniform(0.01))

    _: dataclasses.KW_ONLY
    negative: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        check(0 <= self.negative <= 1, "ScoRNN.negative", self.negative, "a share in [0, 1]")

    @property
    def scaling(self) -> np.ndarray:
        """The diagonal of D."""
        count = round(self.negative * self.features)
        return np.where(np.arange(self.features) < self.features - count, 1.0, -1.0)

    def initial_transition(self, key, dtype):
        angles = jax.random.uniform(key, (self.features // 2,), dtype, 0.0, math.pi / 2)
        return {"skew": planes(-jnp.tan(angles / 2), self.features)}

    def transition(self, params):
        skew = skew_matrix(params["skew"], self.features)
        identity = jnp.eye(self.features, dtype=skew.dtype)
        cayley = jnp.linalg.solve(identity + skew, identity - skew)
        return (cayley * jnp.asarray(self.scaling, skew.dtype)).T

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ScoRNNState:
        return ScoRNNState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        a = drive["candidate"] + dot(carry.h, weights["recurrent_kernel"])
        return {"candidate": mod_relu(a, weights["bias"])}

    def recur(self, weights, carry, drive):
        h = self.gate_values(weights, carry, drive)["candidate"]
        return ScoRNNState(h), h
