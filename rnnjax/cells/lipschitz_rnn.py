"""The Lipschitz recurrent neural network."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.distributions import OverWidth
from rnnjax.cells.gated import GatedCell, Preset
from rnnjax.errors import check
from rnnjax.initializers import Glorot
from rnnjax.kernel import dot

Array = jax.Array


class LipschitzRNNState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class LipschitzRNN(GatedCell):
    """Euler step of a linear system plus a Lipschitz nonlinearity.

        h' = h + epsilon * (A h + tanh(U h + W x + b))
        A  = (1 - beta) (M + M^T) + beta (M - M^T) - gamma I,   and U likewise, from a matrix of its own

    Erichson et al. 2021, arXiv:2006.12070. beta moves both matrices from symmetric (0) to antisymmetric (1), the
    paper from 1/2 on; gamma shifts their eigenvalues to the left. Parameters: `kernel [in_features, features]`,
    `recurrent_kernel [features, features]`, that of U, `linear_kernel [features, features]`, the M of A, and
    `bias [features]`.

    "default" is "paper", what the authors' code draws: a Glorot-normal W, both square matrices from
    N(0, (1/features)^2), zero biases. beta, gamma and epsilon are hyper-parameters; the paper lets those of A and U
    differ, its code, like this cell, does not.

    Args:
      beta: share of the antisymmetric part, in [0, 1].
      gamma: shift of the eigenvalues, not negative.
      epsilon: length of the Euler step, above zero.

    Raises:
      InputError: a number outside its range.
    """

    gates: ClassVar = ("candidate",)
    recurrent_kernels: ClassVar = ("recurrent_kernel", "linear_kernel")
    equation: ClassVar = "h' = h + epsilon*(Ah + tanh(Uh+Wx+b)),  A = (1-beta)(M+M^T) + beta(M-M^T) - gamma*I"
    source: ClassVar = "Erichson et al. 2021, arXiv:2006.12070"
    presets: ClassVar = {
        "default": Preset(Glorot("normal"), OverWidth()),
        "paper": Preset(Glorot("normal"), OverWidth()),
    }

    _: dataclasses.KW_ONLY
    beta: float = 0.8
    gamma: float = 0.01
    epsilon: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        check(0 <= self.beta <= 1, "LipschitzRNN.beta", self.beta, "a share in [0, 1]")
        check(self.gamma >= 0, "LipschitzRNN.gamma", self.gamma, "a number >= 0")
        check(self.epsilon > 0, "LipschitzRNN.epsilon", self.epsilon, "a number > 0")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, linear_key = jax.random.split(key)
        linear = self._recurrent(self.initializers.recurrent, linear_key, self.precision.dtype("params"))
        return {**super().init(key, in_features), "linear_kernel": linear}

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        matrices = [self._shifted(weights["recurrent_kernel"]), self._shifted(weights.pop("linear_kernel"))]
        weights["recurrent_kernel"] = jnp.concatenate(matrices, axis=-1)  # one product a step
        return weights

    def _shifted(self, kernel: Array) -> Array:
        symmetric, skew = kernel + kernel.T, kernel - kernel.T
        identity = jnp.eye(self.features, dtype=kernel.dtype)
        return (1 - self.beta) * symmetric + self.beta * skew - self.gamma * identity

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LipschitzRNNState:
        return LipschitzRNNState(self.zeros(batch_shape))

    def _parts(self, weights, carry, drive):
        recurrent, linear = jnp.split(dot(carry.h, weights["recurrent_kernel"]), 2, axis=-1)
        return jnp.tanh(drive["candidate"] + recurrent), linear

    def gate_values(self, weights, carry, drive):
        return {"candidate": self._parts(weights, carry, drive)[0]}

    def recur(self, weights, carry, drive):
        candidate, linear = self._parts(weights, carry, drive)
        h = carry.h + self.epsilon * (linear + candidate)
        return LipschitzRNNState(h), h
