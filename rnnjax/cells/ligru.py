"""The light GRU: no reset gate, and a rectified candidate."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax

from rnnjax.activations import Activation, activation
from rnnjax.cells.gated import DEFAULT, HeadedCell, Preset
from rnnjax.initializers import Glorot, Orthogonal
from rnnjax.kernel import dot

Array = jax.Array


class LiGRUState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class LiGRU(HeadedCell):
    """Light gated recurrent unit.

        z  = sigmoid(W x + U h + b)
        n  = relu(W x + U h + b)                       (blocks of their own)
        h' = z * h + (1 - z) * n

    Ravanelli et al. 2018, arXiv:1803.10225. The paper normalises W x over the batch, BN(W x), in place of the bias;
    that is a function of all rows and of how the network is trained, no part of a step, and left out here: normalise
    what is fed in, or the inputs of a stack, instead. The rectified candidate is unbounded, and so is the state.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate; "paper" draws
    Glorot-uniform kernels and orthogonal recurrent ones. The gate z keeps the state: `bias_init={"update": 2.0}` or
    `Chrono(t_max)` for a long memory.

    Args:
      activation: that of the candidate, by name or as a function.
    """

    gates: ClassVar = ("update", "candidate")
    equation: ClassVar = "h' = z*h + (1-z)*relu(Wx+Uh+b)"
    source: ClassVar = "Ravanelli et al. 2018, arXiv:1803.10225"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Glorot(), Orthogonal())}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    activation: Activation = "relu"

    def __post_init__(self):
        super().__post_init__()
        activation(self.activation, "LiGRU.activation")

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LiGRUState:
        return LiGRUState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        candidate = activation(self.activation)(drive["candidate"] + recurrent["candidate"])
        return {"update": jax.nn.sigmoid(drive["update"] + recurrent["update"]), "candidate": candidate}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        z = gates["update"]
        h = z * carry.h + (1 - z) * gates["candidate"]
        return LiGRUState(h), h
