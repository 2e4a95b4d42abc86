"""The stackable recurrent cell."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, Preset, with_bias
from rnnjax.cells.partly_gated import PartlyGatedCell
from rnnjax.initializers import Orthogonal
from rnnjax.kernel import dot

Array = jax.Array


class STARState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class STAR(PartlyGatedCell):
    """Stackable recurrent cell: one gate, and a candidate that sees the input alone.

        k  = sigmoid(W x + U h + b)
        n  = tanh(W x + b)                             (blocks of its own)
        h' = tanh((1 - k) * h + k * n)

    Turkoglu et al. 2019, arXiv:1911.11033. The gate k is named "write". The authors' code writes as much as `JANET`
    does, sigmoid(1 - f) for f the logit of what is kept, where the paper has 1 - sigmoid(f).

    Parameters: `kernel [in_features, 2 * features]` and `bias [2 * features]` for write and candidate,
    `recurrent_kernel [features, features]` for the gate.

    Presets: "default" draws LeCun-normal kernels, an orthogonal recurrent kernel, and bias -1 of the gate; "paper"
    draws all kernels orthogonal, as the authors' code does, with that bias, and is meant to be used with the code's
    `bias_init=Chrono(t_max)`, t_max being the length of the task.
    """

    gates: ClassVar = ("write", "candidate")
    recurrent_gates: ClassVar = ("write",)
    biased_gates: ClassVar = ("write", "candidate")
    equation: ClassVar = "k = sig(Wx+Uh+b);  h' = tanh((1-k)*h + k*tanh(Wx+b))"
    source: ClassVar = "Turkoglu et al. 2019, arXiv:1911.11033"
    presets: ClassVar = {
        "default": with_bias(DEFAULT, write=-1.0),
        "paper": with_bias(Preset(Orthogonal(), Orthogonal()), write=-1.0),
    }
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> STARState:
        return STARState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        write = jax.nn.sigmoid(drive["write"] + dot(carry.h, weights["recurrent_kernel"]))
        return {"write": write, "candidate": jnp.tanh(drive["candidate"])}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        k = gates["write"]
        h = jnp.tanh((1 - k) * carry.h + k * gates["candidate"])
        return STARState(h), h
