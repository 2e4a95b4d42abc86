"""A gated network whose gate and candidate share their kernels."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset
from rnnjax.errors import InputError, check
from rnnjax.initializers import Constant, Normal
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array

_SHARED = ("candidate",)  # the one block of the kernels


class FastGRNNState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class FastGRNN(GatedCell):
    """Fast gated recurrent network: gate and candidate differ in their biases alone.

        a  = W x + U h
        z  = sigmoid(a + b_z),  n = tanh(a + b_n)
        h' = z * h + (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n

    Kusupati et al. 2018, arXiv:1901.02358, made for small devices: half the kernels of a gated cell, which may also be
    products of two narrow ones. The gate *keeps* the state.

    Parameters: `kernel [in_features, features]` W, `recurrent_kernel [features, features]` U, `bias [2 * features]` in
    the order of `gates`, and the trained numbers `zeta [1]` and `nu [1]`. With an `input_rank` r, W is `kernel
    [in_features, r] @ kernel_factor [r, features]`; with a `recurrent_rank`, U is `recurrent_kernel [features, r] @
    recurrent_factor [r, features]`. The initialisers of W and U draw both factors.

    Presets: "default" draws a LeCun-normal kernel, an orthogonal recurrent kernel and zero biases; "paper" draws both
    kernels from N(0, 0.1^2) with biases 1, as the authors' code (EdgeML) does. zeta and nu start there as here. That
    code can also prune the kernels, which this cell does not. torchrecurrent 0.2.5 puts a tanh in the place of the
    gate's sigmoid unless told otherwise, and starts at zeta = 3, nu = -3.

    Args:
      input_rank: rank of W, or `None` for a full matrix.
      recurrent_rank: rank of U, or `None` for a full matrix.
      zeta_init: initial zeta.
      nu_init: initial nu.

    Raises:
      InputError: a rank that is no positive int, an initial value that is no number.
    """

    gates: ClassVar = ("update", "candidate")
    equation: ClassVar = "z = sig(Wx+Uh+b_z);  h' = z*h + (sig(zeta)*(1-z)+sig(nu))*tanh(Wx+Uh+b_n)"
    source: ClassVar = "Kusupati et al. 2018, arXiv:1901.02358"
    verified: ClassVar = ("torchrecurrent 0.2.5",)
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Normal(0.1), Normal(0.1), Constant(1.0))}

    _: dataclasses.KW_ONLY
    input_rank: int | None = None
    recurrent_rank: int | None = None
    zeta_init: float = 1.0
    nu_init: float = -4.0

    def __post_init__(self):
        super().__post_init__()
        for field in ("input_rank", "recurrent_rank"):
            given = getattr(self, field)
            valid = given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 1)
            check(valid, f"FastGRNN.{field}", given, "a positive int, or None")
        for field in ("zeta_init", "nu_init"):
            given = getattr(self, field)
            valid = isinstance(given, int | float) and not isinstance(given, bool)
            check(valid, f"FastGRNN.{field}", given, "a number")

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, zeta_init=1.0, nu_init=-4.0)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        kernel, recurrent, bias = self.initializers
        keys = jax.random.split(key, 5)
        input_rank, recurrent_rank = self.input_rank or self.features, self.recurrent_rank or self.features
        params = {
            "kernel": kernel.blocks(keys[0], _SHARED, (in_features, input_rank), dtype),
            "recurrent_kernel": recurrent.blocks(keys[1], _SHARED, (self.features, recurrent_rank), dtype),
            "bias": bias.blocks(keys[2], self.gates, (self.features,), dtype),
            "zeta": jnp.full((1,), self.zeta_init, dtype),
            "nu": jnp.full((1,), self.nu_init, dtype),
        }
        if self.input_rank is not None:
            params["kernel_factor"] = kernel.blocks(keys[3], _SHARED, (input_rank, self.features), dtype)
        if self.recurrent_rank is not None:
            params["recurrent_factor"] = recurrent.blocks(keys[4], _SHARED, (recurrent_rank, self.features), dtype)
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> FastGRNNState:
        return FastGRNNState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        return weights | {name: jax.nn.sigmoid(weights[name]) for name in ("zeta", "nu")}

    def project(self, weights, xs):
        shared = dot_inputs(xs, weights["kernel"])
        if self.input_rank is not None:
            shared = dot_inputs(shared, weights["kernel_factor"])
        bias = self.split(weights["bias"])
        return {gate: shared + bias[gate] for gate in self.gates}

    def gate_values(self, weights, carry, drive):
        shared = dot(carry.h, weights["recurrent_kernel"])
        if self.recurrent_rank is not None:
            shared = dot(shared, weights["recurrent_factor"])
        return {
            "update": jax.nn.sigmoid(drive["update"] + shared),
            "candidate": jnp.tanh(drive["candidate"] + shared),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        z = gates["update"]
        h = z * carry.h + (weights["zeta"] * (1 - z) + weights["nu"]) * gates["candidate"]
        return FastGRNNState(h), h
