"""The independently recurrent neural network."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax

from rnnjax.activations import Activation, activation
from rnnjax.cells.independent import IndependentCell

Array = jax.Array


class IndRNNState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class IndRNN(IndependentCell):
    """Independently recurrent neural network: each unit sees its own past alone.

        h' = phi(W x + u * h + b)

    Li et al. 2018, arXiv:1803.04831. Units are mixed by the next layer, so that a stack of them is what the paper is
    about. Parameters: `kernel [in_features, features]`, `recurrent_vector [features]`, `bias [features]`.

    The gradient through T steps of a rectified unit is u^T where the unit stays on: the paper keeps |u| below
    gamma^(1/T), by clipping u after each update. That belongs to the training loop, and is not part of the cell.

    Presets: "paper" is what the authors' code draws, u from U(0, 1), W from the uniform distribution of variance
    2 / (65 in_features), b = 0; "default" differs in W, which is LeCun-normal. For a last layer that has to remember,
    the paper draws u close to its bound: `recurrent_init=Range(low, high)`. torchrecurrent 0.2.5 draws u from N(0, 1):
    one unit in six has u > 1, and grows without bound where phi is the rectifier.

    Args:
      activation: phi, by name or as a function; the rectifier in the paper.
    """

    equation: ClassVar = "h' = phi(Wx + u*h + b)"
    source: ClassVar = "Li et al. 2018, arXiv:1803.04831"
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    activation: Activation = "relu"

    def __post_init__(self):
        super().__post_init__()
        activation(self.activation, "IndRNN.activation")

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> IndRNNState:
        return IndRNNState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        return {"candidate": activation(self.activation)(drive["candidate"] + weights["recurrent_vector"] * carry.h)}

    def recur(self, weights, carry, drive):
        h = self.gate_values(weights, carry, drive)["candidate"]
        return IndRNNState(h), h
