"""A plain recurrent network with a weighted residual connection, of two scalars."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, HeadedCell, Preset
from rnnjax.errors import check
from rnnjax.initializers import Constant, Normal
from rnnjax.kernel import dot

Array = jax.Array


class FastRNNState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class FastRNN(HeadedCell):
    """Fast recurrent network: a plain one beside a weighted residual connection.

        n  = tanh(W x + U h + b)
        h' = sigmoid(alpha) * n + sigmoid(beta) * h

    Kusupati et al. 2018, arXiv:1901.02358. Parameters as in every gated cell, and the two trained numbers `alpha [1]`
    and `beta [1]`.

    Presets: "default" draws a LeCun-normal kernel, an orthogonal recurrent kernel and a zero bias; "paper" draws both
    kernels from N(0, 0.1^2) with bias 1, as the authors' code (EdgeML) does. alpha and beta start there as here.
    torchrecurrent 0.2.5 and RecurrentLayers.jl start them the other way round, alpha = 3 and beta = -3, which forgets
    the state at once.

    Args:
      alpha_init: initial alpha; sigmoid(-3) = 0.05 of the candidate is taken over.
      beta_init: initial beta; sigmoid(3) = 0.95 of the state is kept.

    Raises:
      InputError: an initial value that is no number.
    """

    gates: ClassVar = ("candidate",)
    equation: ClassVar = "h' = sig(alpha)*tanh(Wx+Uh+b) + sig(beta)*h"
    source: ClassVar = "Kusupati et al. 2018, arXiv:1901.02358"
    verified: ClassVar = ("torchrecurrent 0.2.5",)
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Normal(0.1), Normal(0.1), Constant(1.0))}

    _: dataclasses.KW_ONLY
    alpha_init: float = -3.0
    beta_init: float = 3.0

    def __post_init__(self):
        super().__post_init__()
        for field in ("alpha_init", "beta_init"):
            given = getattr(self, field)
            valid = isinstance(given, int | float) and not isinstance(given, bool)
            check(valid, f"FastRNN.{field}", given, "a number")

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, alpha_init=-3.0, beta_init=3.0)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        dtype = self.precision.dtype("params")
        scalars = {"alpha": jnp.full((1,), self.alpha_init, dtype), "beta": jnp.full((1,), self.beta_init, dtype)}
        return super().init(key, in_features) | scalars

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> FastRNNState:
        return FastRNNState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        return weights | {name: jax.nn.sigmoid(weights[name]) for name in ("alpha", "beta")}

    def gate_values(self, weights, carry, drive):
        return {"candidate": jnp.tanh(drive["candidate"] + dot(carry.h, weights["recurrent_kernel"]))}

    def recur(self, weights, carry, drive):
        candidate = self.gate_values(weights, carry, drive)["candidate"]
        h = weights["alpha"] * candidate + weights["beta"] * carry.h
        return FastRNNState(h), h
