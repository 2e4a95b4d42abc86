"""The addition-subtraction twin-gated recurrent network."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax

from rnnjax.cells.gated import DEFAULT, HeadedCell
from rnnjax.kernel import dot

Array = jax.Array


class ATRState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class ATR(HeadedCell):
    """Addition-subtraction twin-gated recurrent network: both gates out of the two matrices of a simple network.

        p  = W x + b,  q = U h
        i  = sigmoid(p + q),  f = sigmoid(p - q)
        h' = i * p + f * h

    Zhang et al. 2018, arXiv:1810.12546. The paper has no bias: that is b = 0, where it starts. `torchrecurrent` has a
    second one, in q. The one block of the parameters is p, which is what can be named "candidate": the twin gates have
    no parameters of their own.

    Presets: "default" draws a LeCun-normal kernel and an orthogonal recurrent kernel, with zero bias; "paper" is the
    same, for want of a stated distribution.
    """

    gates: ClassVar = ("candidate",)
    equation: ClassVar = "h' = sig(p+q)*p + sig(p-q)*h,  p = Wx+b, q = Uh"
    source: ClassVar = "Zhang et al. 2018, arXiv:1810.12546"
    presets: ClassVar = {"default": DEFAULT, "paper": DEFAULT}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ATRState:
        return ATRState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        del weights, carry
        return drive

    def recur(self, weights, carry, drive):
        p, q = drive["candidate"], dot(carry.h, weights["recurrent_kernel"])
        h = jax.nn.sigmoid(p + q) * p + jax.nn.sigmoid(p - q) * carry.h
        return ATRState(h), h
