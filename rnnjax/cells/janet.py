"""JANET: an LSTM with nothing but its forget gate."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell, Preset, with_bias
from rnnjax.errors import check
from rnnjax.initializers import Glorot, Orthogonal
from rnnjax.kernel import dot

Array = jax.Array


class JANETState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class JANET(HeadedCell):
    """Just another network: the LSTM with nothing but its forget gate.

        s  = W x + U h + b,  g = tanh(W x + U h + b)     (blocks of their own)
        h' = sigmoid(s) * h + (1 - sigmoid(s - beta)) * g

    Van der Westhuizen & Lasenby 2018, arXiv:1804.04849. What is written is controlled by a gate of its own that is
    shut less than the forget gate is open: beta > 0 lets the state accumulate.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1; "paper"
    draws Glorot-uniform kernels and orthogonal recurrent ones, and is meant to be used with the paper's
    `bias_init=Chrono(t_max)`, t_max being the length of the task.

    Args:
      beta: how much less of the candidate is held back than of the state is kept; 1 in the paper.

    Raises:
      InputError: a beta that is no number.
    """

    gates: ClassVar = ("forget", "candidate")
    equation: ClassVar = "s = Wx+Uh+b;  h' = sig(s)*h + (1-sig(s-beta))*tanh(Wx+Uh+b)"
    source: ClassVar = "van der Westhuizen & Lasenby 2018, arXiv:1804.04849"
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0),
        "paper": with_bias(Preset(Glorot(), Orthogonal()), forget=1.0),
    }
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    beta: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.beta, int | float) and not isinstance(self.beta, bool)
        check(valid, "JANET.beta", self.beta, "a number")

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> JANETState:
        return JANETState(self.zeros(batch_shape))

    def _logits(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        return tuple(drive[gate] + recurrent[gate] for gate in self.gates)

    def gate_values(self, weights, carry, drive):
        forget, candidate = self._logits(weights, carry, drive)
        return {"forget": jax.nn.sigmoid(forget), "candidate": jnp.tanh(candidate)}

    def recur(self, weights, carry, drive):
        forget, candidate = self._logits(weights, carry, drive)
        h = jax.nn.sigmoid(forget) * carry.h + jax.nn.sigmoid(self.beta - forget) * jnp.tanh(candidate)
        return JANETState(h), h
