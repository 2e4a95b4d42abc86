"""The time-aware LSTM: the short-term part of the memory fades with the time that passed."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset, with_bias
from rnnjax.cells.lstm import LSTMState
from rnnjax.initializers import Normal
from rnnjax.inputs import checked_width, timed
from rnnjax.kernel import dot

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True, repr=False)
class TimeAwareLSTM(GatedCell):
    """LSTM for uneven steps ("T-LSTM"): a learnt short-term part of the memory fades with the elapsed time.

        c_s = tanh(W_d c + b_d)                              the short-term part of the memory
        c*  = c - c_s + c_s / log(e + elapsed)               what is left of it, and the long-term part
        i, f, o = sigmoid(W x + U h + b),  g = tanh(W x + U h + b)     (blocks of their own)
        c'  = f * c* + i * g
        h'  = o * tanh(c')

    Baytas, Xiao, Zhang, Wang, Jain & Zhou 2017, doi:10.1145/3097983.3097997. Inputs are `rnnjax.inputs.Timed(x,
    elapsed)` with elapsed >= 0, or plain arrays, whose steps are one unit of time apart; where no time passed the cell
    is an LSTM. Parameters as in every gated cell, and `decomposition_kernel [features, features]`,
    `decomposition_bias [features]`, the W_d and b_d. The authors' autoencoder computes these equations; their
    supervised model has a sigmoid in the place of the tanh of c_s. `TLSTM` in torchrecurrent is another cell, the
    strongly-typed one.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels and W_d orthogonal, and forget bias 1; "paper"
    draws all matrices from N(0, 0.1^2), biases zero, as the authors' code.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    recurrent_kernels: ClassVar = ("recurrent_kernel", "decomposition_kernel")
    equation: ClassVar = "s = tanh(W_d c+b_d);  c' = f*(c - s + s/log(e+dt)) + i*tanh(Wx+Uh+b);  h' = o*tanh(c')"
    source: ClassVar = "Baytas et al. 2017, doi:10.1145/3097983.3097997"
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0),
        "paper": Preset(Normal(0.1), Normal(0.1)),
    }

    def init(self, key: Array, in_features: PyTree) -> dict[str, Array]:
        key, decomposition_key = jax.random.split(key)
        params = super().init(key, checked_width(in_features))
        dtype, square = self.precision.dtype("params"), (self.features, self.features)
        params["decomposition_kernel"] = self.initializers.recurrent(decomposition_key, square, dtype)
        params["decomposition_bias"] = jnp.zeros(self.features, dtype)
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def project(self, weights, xs):
        xs = timed(xs)
        compute = self.precision.dtype("compute")
        wide = jnp.promote_types(compute, jnp.float32)  # long times in a narrow dtype would lose their difference
        kept = 1 / jnp.log(math.e + xs.elapsed.astype(wide))
        return super().project(weights, xs.x) | {"kept": kept.astype(compute)}

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        return {
            "input": jax.nn.sigmoid(drive["input"] + recurrent["input"]),
            "forget": jax.nn.sigmoid(drive["forget"] + recurrent["forget"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
            "output": jax.nn.sigmoid(drive["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        short = jnp.tanh(dot(carry.c, weights["decomposition_kernel"]) + weights["decomposition_bias"])
        left = carry.c - (1 - drive["kept"]) * short
        c = gates["forget"] * left + gates["input"] * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        return LSTMState(h, c), h
