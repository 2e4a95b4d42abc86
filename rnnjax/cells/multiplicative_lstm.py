"""The multiplicative LSTM."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, with_bias
from rnnjax.cells.lstm import LSTMState
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class MultiplicativeLSTM(GatedCell):
    """LSTM whose recurrent matrix depends on the input: the multiplicative LSTM ("mLSTM") of 2016.

        m       = (W_m x) * (U_m h)
        i, f, o = sigmoid(W x + U m + b),  g = tanh(W x + U m + b)     (blocks of their own)
        c'      = f * c + i * g
        h'      = o * tanh(c')

    Krause, Lu, Murray & Renals 2016, arXiv:1609.07959. U diag(W_m x) U_m is a transition matrix for each input. The
    name mLSTM is used for the matrix memory of xLSTM, too, which has nothing to do with it. Parameters as in every
    gated cell, and `intermediate_kernel [in_features, features]`, `intermediate_recurrent_kernel [features, features]`,
    the W_m and U_m. torchrecurrent adds biases inside both factors of m, which the paper does not have; its other
    equations are these.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1; "paper" is
    the same: the paper does not say. W_m and U_m start as kernels and recurrent kernels do.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    recurrent_kernels: ClassVar = ("intermediate_recurrent_kernel",)
    equation: ClassVar = "m = (W_m x)*(U_m h);  c' = f*c + i*tanh(Wx+Um+b);  h' = o*tanh(c')"
    source: ClassVar = "Krause, Lu, Murray & Renals 2016, arXiv:1609.07959"
    presets: ClassVar = {"default": with_bias(DEFAULT, forget=1.0), "paper": with_bias(DEFAULT, forget=1.0)}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, kernel_key, recurrent_key = jax.random.split(key, 3)
        params = super().init(key, in_features)
        dtype = self.precision.dtype("params")
        kernel, recurrent, _ = self.initializers
        params["intermediate_kernel"] = kernel(kernel_key, (in_features, self.features), dtype)
        square = (self.features, self.features)
        params["intermediate_recurrent_kernel"] = recurrent(recurrent_key, square, dtype)
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def project(self, weights, xs):
        return super().project(weights, xs) | {"intermediate": dot_inputs(xs, weights["intermediate_kernel"])}

    def gate_values(self, weights, carry, drive):
        m = drive["intermediate"] * dot(carry.h, weights["intermediate_recurrent_kernel"])
        recurrent = self.split(dot(m, weights["recurrent_kernel"]))
        return {
            "input": jax.nn.sigmoid(drive["input"] + recurrent["input"]),
            "forget": jax.nn.sigmoid(drive["forget"] + recurrent["forget"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
            "output": jax.nn.sigmoid(drive["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        return LSTMState(h, c), h
