"""The recurrent additive network: a gated sum of inputs."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax

from rnnjax.activations import Activation, activation
from rnnjax.cells.gated import DEFAULT, Preset, with_bias
from rnnjax.cells.partly_gated import PartlyGatedCell
from rnnjax.initializers import Glorot
from rnnjax.kernel import dot

Array = jax.Array


class RANState(NamedTuple):
    """`c`: the sum of inputs, `[*batch, features]`; the output is a function of it."""

    c: Array


@dataclasses.dataclass(frozen=True, repr=False)
class RAN(PartlyGatedCell):
    """Recurrent additive network: its state is a sum of projected inputs, each weighed by gates.

        i, f = sigmoid(W x + U tanh(c) + b)            (blocks of their own)
        c'   = i * (W x) + f * c
        y    = tanh(c')

    Lee, Levy & Zettlemoyer 2017, arXiv:1705.07393. What is written is linear in the input, without a bias, and does not
    see the state. The paper's h = tanh(c) is a function of c, so that c alone is carried; it also has h = c.

    Parameters: `kernel [in_features, 3 * features]` for input, forget and candidate; `recurrent_kernel [features,
    2 * features]` and `bias [2 * features]` for input and forget.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1; "paper"
    draws Glorot-uniform kernels with zero biases, the defaults of TensorFlow that the authors' code leaves in place.

    Args:
      activation: that of the output and of what the gates see, by name or as a function; "tanh" or "identity" in the
        paper.
    """

    gates: ClassVar = ("input", "forget", "candidate")
    recurrent_gates: ClassVar = ("input", "forget")
    biased_gates: ClassVar = ("input", "forget")
    equation: ClassVar = "i, f = sig(Wx+U tanh(c)+b);  c' = i*(Wx) + f*c;  y = tanh(c')"
    source: ClassVar = "Lee, Levy & Zettlemoyer 2017, arXiv:1705.07393"
    presets: ClassVar = {"default": with_bias(DEFAULT, forget=1.0), "paper": Preset(Glorot(), Glorot())}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    activation: Activation = "tanh"

    def __post_init__(self):
        super().__post_init__()
        activation(self.activation, "RAN.activation")

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> RANState:
        return RANState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split_recurrent(dot(activation(self.activation)(carry.c), weights["recurrent_kernel"]))
        return {
            "input": jax.nn.sigmoid(drive["input"] + recurrent["input"]),
            "forget": jax.nn.sigmoid(drive["forget"] + recurrent["forget"]),
            "candidate": drive["candidate"],
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["input"] * gates["candidate"] + gates["forget"] * carry.c
        return RANState(c), activation(self.activation)(c)
