"""The simple recurrent network, and its identity-initialised form."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax

from rnnjax.activations import Activation, activation
from rnnjax.cells.gated import DEFAULT, FLAX, KERAS, TORCH, HeadedCell
from rnnjax.initializers import Constant, Identity, Normal
from rnnjax.kernel import dot

Array = jax.Array


class ElmanState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class Elman(HeadedCell):
    """The simple recurrent network.

        h' = phi(W x + U h + b)

    Elman 1990, doi:10.1207/s15516709cog1402_1. The paper gives no distribution for the weights, so "paper" is
    "default" here: a LeCun-normal kernel and an orthogonal recurrent kernel; "torch", "keras" and "flax" reproduce
    `torch.nn.RNN` (its two biases summed), `keras.layers.SimpleRNN` and `flax.linen.SimpleCell`.

    Args:
      activation: phi, by name or as a function.
    """

    gates: ClassVar = ("candidate",)
    equation: ClassVar = "h' = phi(Wx+Uh+b)"
    source: ClassVar = "Elman 1990, doi:10.1207/s15516709cog1402_1"
    verified: ClassVar = ("torch 2.13.0", "keras 3.15.1", "flax 0.12.8", "dm-haiku 0.0.17")
    presets: ClassVar = {"default": DEFAULT, "paper": DEFAULT, "torch": TORCH, "keras": KERAS, "flax": FLAX}

    _: dataclasses.KW_ONLY
    activation: Activation = "tanh"

    def __post_init__(self):
        super().__post_init__()
        activation(self.activation, "Elman.activation")

    @classmethod
    def irnn(cls, features: int, *, scale: float = 1.0, std: float = 0.001, **fields: Any) -> Elman:
        """A rectified network that starts from the identity: U = scale * I, W ~ N(0, std^2), b = 0.

        Le, Jaitly & Hinton 2015, arXiv:1504.00941.
        """
        start = dict(kernel_init=Normal(std), recurrent_init=Identity(scale), bias_init=Constant(0.0))
        return cls(features, **({"activation": "relu", **start} | fields))

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ElmanState:
        return ElmanState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        phi = activation(self.activation)
        return {"candidate": phi(drive["candidate"] + dot(carry.h, weights["recurrent_kernel"]))}

    def recur(self, weights, carry, drive):
        h = self.gate_values(weights, carry, drive)["candidate"]
        return ElmanState(h), h
