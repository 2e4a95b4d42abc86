"""The LSTM with coupled input and forget gates."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell, Preset, with_bias
from rnnjax.cells.lstm import LSTMState
from rnnjax.initializers import Normal
from rnnjax.kernel import dot


@dataclasses.dataclass(frozen=True, repr=False)
class CIFGLSTM(HeadedCell):
    """LSTM that writes as much as it forgets: coupled input and forget gates.

        f, o = sigmoid(W x + U h + b),  g = tanh(W x + U h + b)     (blocks of their own)
        c' = f * c + (1 - f) * g
        h' = o * tanh(c')

    Greff, Srivastava, Koutnik, Steunebrink & Schmidhuber 2015, arXiv:1503.04069: one of the eight variants of the
    LSTM compared there, with three quarters of its parameters. The cell state is a mean of candidates and stays in
    (-1, 1). The variants of the paper have peepholes; this one has none.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1; "paper"
    draws kernels and recurrent kernels from N(0, 0.1^2).
    """

    gates: ClassVar = ("forget", "candidate", "output")
    equation: ClassVar = "c' = f*c + (1-f)*tanh(Wx+Uh+b);  h' = o*tanh(c')"
    source: ClassVar = "Greff et al. 2015, arXiv:1503.04069"
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0),
        "paper": Preset(Normal(0.1), Normal(0.1)),
    }
    verified: ClassVar = ("torch 2.13.0",)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        return {
            "forget": jax.nn.sigmoid(drive["forget"] + recurrent["forget"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
            "output": jax.nn.sigmoid(drive["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        f = gates["forget"]
        c = f * carry.c + (1 - f) * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        return LSTMState(h, c), h
