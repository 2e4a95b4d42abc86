"""The LSTM with a refine gate and uniform gate initialisation."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell
from rnnjax.cells.lstm import LSTMState
from rnnjax.errors import check
from rnnjax.initializers import Initializer
from rnnjax.kernel import dot


@dataclasses.dataclass(frozen=True)
class UniformGates(Initializer):
    """Biases with which forget gates start uniformly distributed: b_f = logit U(1/features, 1 - 1/features).

    A "refine" gate gets -b_f, unit by unit of the same draw; the biases of all other gates are zero. Gu et al. 2020,
    arXiv:1910.09890, equation 12.
    """

    def __call__(self, key, shape, dtype=jnp.float32):
        wide = jnp.promote_types(dtype, jnp.float32)
        margin = min(1 / shape[-1], 0.5)
        u = jax.random.uniform(key, shape, wide, margin, 1 - margin)
        return (jnp.log(u) - jnp.log1p(-u)).astype(dtype)

    def blocks(self, key, gates, shape, dtype=jnp.float32):
        check("forget" in gates, "UniformGates", gates, 'a cell with a "forget" gate')
        bias = self(key, shape, dtype)
        parts = {"forget": bias, "refine": -bias}
        return jnp.concatenate([parts.get(gate, jnp.zeros(shape, dtype)) for gate in gates], axis=-1)


@dataclasses.dataclass(frozen=True, repr=False)
class URLSTM(HeadedCell):
    """LSTM whose forget gate is refined by a second gate, and starts with all time scales at once.

        f, r, o = sigmoid(W x + U h + b),  u = tanh(W x + U h + b)     (blocks of their own)
        e  = r * (1 - (1 - f)^2) + (1 - r) * f^2             the effective forget gate
        c' = e * c + (1 - e) * u
        h' = o * tanh(c')

    Gu, Gulcehre, Paine, Hoffman & Pascanu 2020, arXiv:1910.09890. The refine gate r moves the forget gate between f^2
    and 1 - (1 - f)^2, so that e comes closer to 0 and 1 than f, which learns where it is not saturated. The input gate
    is 1 - e. In some implementations f and r share one bias, added to the one and taken from the other (brainstate);
    here they start so, and are parameters of their own.

    Presets: "default" and "paper" draw biases by uniform gate initialisation, `UniformGates()`: b_f = logit U(1 /
    features, 1 - 1 / features), b_r = -b_f, the others zero. Kernels are LeCun-normal and recurrent kernels orthogonal
    per gate, on which the paper leaves the choice.
    """

    gates: ClassVar = ("forget", "refine", "candidate", "output")
    equation: ClassVar = "e = r*(1-(1-f)^2) + (1-r)*f^2;  c' = e*c + (1-e)*tanh(Wx+Uh+b);  h' = o*tanh(c')"
    source: ClassVar = "Gu, Gulcehre, Paine, Hoffman & Pascanu 2020, arXiv:1910.09890"
    presets: ClassVar = {
        "default": DEFAULT._replace(bias=UniformGates()),
        "paper": DEFAULT._replace(bias=UniformGates()),
    }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        return {
            "forget": jax.nn.sigmoid(drive["forget"] + recurrent["forget"]),
            "refine": jax.nn.sigmoid(drive["refine"] + recurrent["refine"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
            "output": jax.nn.sigmoid(drive["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        f, r = gates["forget"], gates["refine"]
        effective = r * (1 - (1 - f) ** 2) + (1 - r) * f**2
        c = effective * carry.c + (1 - effective) * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        return LSTMState(h, c), h
