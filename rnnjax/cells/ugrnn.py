"""The update-gate network: a GRU with nothing but its update gate."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell, with_bias
from rnnjax.kernel import dot

Array = jax.Array


class UGRNNState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class UGRNN(HeadedCell):
    """Update-gate recurrent network.

        g  = sigmoid(W x + U h + b),  n = tanh(W x + U h + b)     (blocks of their own)
        h' = g * h + (1 - g) * n

    Collins, Sohl-Dickstein & Sussillo 2016, arXiv:1611.09913: a highway layer along time. The gate *keeps* the state.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and update bias 1, which is
    the constant that the authors' TensorFlow cell adds to the gate; the paper tunes it. "paper" is "default".
    """

    gates: ClassVar = ("update", "candidate")
    equation: ClassVar = "g = sig(Wx+Uh+b);  h' = g*h + (1-g)*tanh(Wx+Uh+b)"
    source: ClassVar = "Collins, Sohl-Dickstein & Sussillo 2016, arXiv:1611.09913"
    verified: ClassVar = ("torchrecurrent 0.2.5",)
    presets: ClassVar = {"default": with_bias(DEFAULT, update=1.0), "paper": with_bias(DEFAULT, update=1.0)}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> UGRNNState:
        return UGRNNState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        return {
            "update": jax.nn.sigmoid(drive["update"] + recurrent["update"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        g = gates["update"]
        h = g * carry.h + (1 - g) * gates["candidate"]
        return UGRNNState(h), h
