"""The LSTM as it was first: without a forget gate."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell, Preset, with_bias
from rnnjax.cells.lstm import LSTMState
from rnnjax.errors import check_choice
from rnnjax.initializers import Uniform
from rnnjax.kernel import dot

_SQUASHINGS = ("tanh", "logistic")


@dataclasses.dataclass(frozen=True, repr=False)
class LSTM1997(HeadedCell):
    """Long short-term memory without a forget gate: the cell state is a sum.

        i, o = sigmoid(W x + U h + b),  g = tanh(W x + U h + b)     (blocks of their own)
        c' = c + i * g
        h' = o * tanh(c')

    Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735. Nothing is ever forgotten: error flows back through
    c unchanged, and over long sequences c may grow without bound, which is what the forget gate of 2000 was made
    against. The paper's own squashing functions, `squashing="logistic"`, are those of half the argument, and candidates
    twice as large: g = 4 sigmoid(.) - 2 = 2 tanh(. / 2), and 2 sigmoid(c') - 1 = tanh(c' / 2) on the way out. Its cells
    share gates in blocks, and its gradient is truncated; here each unit has gates of its own, and the gradient is that
    of the equations.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate; "paper" draws everything
    from U(-0.1, 0.1), with gates that start shut: input gate bias -3 (the adding problem of the paper) and output gate
    bias -1 (its embedded Reber grammar).

    Args:
      squashing: "tanh", or "logistic" for the functions of the paper.

    Raises:
      InputError: an unknown squashing.
    """

    gates: ClassVar = ("input", "candidate", "output")
    equation: ClassVar = "c' = c + i*tanh(Wx+Uh+b);  h' = o*tanh(c')"
    source: ClassVar = "Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735"
    presets: ClassVar = {
        "default": DEFAULT,
        "paper": with_bias(Preset(Uniform(0.1), Uniform(0.1), Uniform(0.1)), input=-3.0, output=-1.0),
    }
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    squashing: Literal["tanh", "logistic"] = "tanh"

    def __post_init__(self):
        super().__post_init__()
        check_choice("LSTM1997.squashing", self.squashing, _SQUASHINGS)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        candidate = drive["candidate"] + recurrent["candidate"]
        return {
            "input": jax.nn.sigmoid(drive["input"] + recurrent["input"]),
            "candidate": jnp.tanh(candidate) if self.squashing == "tanh" else 2 * jnp.tanh(candidate / 2),
            "output": jax.nn.sigmoid(drive["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = carry.c + gates["input"] * gates["candidate"]
        h = gates["output"] * (jnp.tanh(c) if self.squashing == "tanh" else jnp.tanh(c / 2))
        return LSTMState(h, c), h
