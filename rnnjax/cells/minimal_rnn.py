"""The minimal recurrent network: a gated average of what the inputs are encoded as."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, with_bias
from rnnjax.errors import InputError
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class MinimalRNNState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class MinimalRNN(GatedCell):
    """Minimal recurrent network.

        z  = tanh(W x + b)
        u  = sigmoid(U h + V z + b)
        h' = u * h + (1 - u) * z

    Chen 2017, arXiv:1711.06788; Chen, Pennington & Schoenholz 2018, arXiv:1806.05394, on how its signals travel. The
    state stays in the space of the encoded inputs z, of which it is an average. The gate *keeps* the state.

    Parameters: `kernel [in_features, features]` W; `recurrent_kernel [features, features]` U; `latent_kernel
    [features, features]` V; `bias [2 * features]`, blocks in the order of `gates`. U and V belong to the update gate
    and are both drawn by `recurrent_init`; W belongs to the candidate.

    Presets: "default" draws a LeCun-normal kernel, orthogonal U and V, and update bias 1. "paper" is "default": no
    distribution is taken over from the papers, nor the critical initialisation of the second.
    """

    gates: ClassVar = ("update", "candidate")
    equation: ClassVar = "z = tanh(Wx+b);  u = sig(Uh+Vz+b);  h' = u*h + (1-u)*z"
    source: ClassVar = "Chen 2017, arXiv:1711.06788"
    verified: ClassVar = ("torchrecurrent 0.2.5",)
    presets: ClassVar = {"default": with_bias(DEFAULT, update=1.0), "paper": with_bias(DEFAULT, update=1.0)}

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype, square = self.precision.dtype("params"), (self.features, self.features)
        kernel, recurrent, bias = self.initializers
        kernel_key, recurrent_key, latent_key, bias_key = jax.random.split(key, 4)
        return {
            "kernel": kernel.blocks(kernel_key, ("candidate",), (in_features, self.features), dtype),
            "recurrent_kernel": recurrent.blocks(recurrent_key, ("update",), square, dtype),
            "latent_kernel": recurrent.blocks(latent_key, ("update",), square, dtype),
            "bias": bias.blocks(bias_key, self.gates, (self.features,), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> MinimalRNNState:
        return MinimalRNNState(self.zeros(batch_shape))

    def project(self, weights, xs):
        bias = self.split(weights["bias"])
        z = jnp.tanh(dot_inputs(xs, weights["kernel"]) + bias["candidate"])
        return {"update": dot_inputs(z, weights["latent_kernel"]) + bias["update"], "candidate": z}

    def gate_values(self, weights, carry, drive):
        update = jax.nn.sigmoid(drive["update"] + dot(carry.h, weights["recurrent_kernel"]))
        return {"update": update, "candidate": drive["candidate"]}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        u = gates["update"]
        h = u * carry.h + (1 - u) * gates["candidate"]
        return MinimalRNNState(h), h
