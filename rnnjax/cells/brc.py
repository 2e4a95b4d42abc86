"""Bistable recurrent cells: each unit remembers by itself."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, Preset
from rnnjax.cells.partly_gated import PartlyGatedCell
from rnnjax.initializers import Constant, Glorot, Lecun
from rnnjax.kernel import dot

Array = jax.Array


class BRCState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class NBRC(PartlyGatedCell):
    """Neuromodulated bistable recurrent cell.

        a  = 1 + tanh(W x + U h + b)
        c  = sigmoid(W x + U h + b)                    (blocks of their own)
        h' = c * h + (1 - c) * tanh(W x + a * h)

    Vecoven, Ernst & Drion 2021, doi:10.1371/journal.pone.0252676 (arXiv:2006.05252). A unit feeds its own state back to
    itself with a strength a between 0 and 2: above 1 it has two stable states, and holds either without input. c is an
    update gate that keeps the state, as in `GRU`.

    Parameters: `kernel [in_features, 3 * features]` for feedback, update and candidate; `recurrent_kernel [features,
    2 * features]` and `bias [2 * features]` for feedback and update.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate; "paper" draws
    Glorot-uniform kernels, as the authors' code does. Biases are zero in both.
    """

    gates: ClassVar = ("feedback", "update", "candidate")
    recurrent_gates: ClassVar = ("feedback", "update")
    biased_gates: ClassVar = ("feedback", "update")
    candidates: ClassVar = ("feedback", "candidate")
    equation: ClassVar = "a = 1+tanh(Wx+Uh+b);  h' = c*h + (1-c)*tanh(Wx+a*h)"
    source: ClassVar = "Vecoven, Ernst & Drion 2021, doi:10.1371/journal.pone.0252676"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Glorot(), Glorot())}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> BRCState:
        return BRCState(self.zeros(batch_shape))

    def _fed_back(self, weights, h) -> dict[str, Array]:
        """What the gates see of the state."""
        return self.split_recurrent(dot(h, weights["recurrent_kernel"]))

    def gate_values(self, weights, carry, drive):
        recurrent = self._fed_back(weights, carry.h)
        a = 1 + jnp.tanh(drive["feedback"] + recurrent["feedback"])
        c = jax.nn.sigmoid(drive["update"] + recurrent["update"])
        return {"feedback": a, "update": c, "candidate": jnp.tanh(drive["candidate"] + a * carry.h)}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["update"]
        h = c * carry.h + (1 - c) * gates["candidate"]
        return BRCState(h), h


@dataclasses.dataclass(frozen=True, repr=False)
class BRC(NBRC):
    """Bistable recurrent cell: its units do not see each other.

        a  = 1 + tanh(W x + u * h + b)
        c  = sigmoid(W x + u * h + b)                  (blocks of their own)
        h' = c * h + (1 - c) * tanh(W x + a * h)

    Vecoven, Ernst & Drion 2021, doi:10.1371/journal.pone.0252676 (arXiv:2006.05252). All memory is that of single
    units: one that feeds back its own state with a strength a above 1 has two stable states.

    Parameters as in `NBRC`, but `recurrent_weight [2 * features]`, one number a unit for feedback and update, which
    `recurrent_init` draws.

    Presets: "default" draws a LeCun-normal kernel, "paper" a Glorot-uniform one, as the authors' code does; recurrent
    weights are 1 and biases zero in both. `torchrecurrent` draws recurrent weights from N(0, 1).
    """

    jacobian: ClassVar = "diagonal"
    recurrent_kernels: ClassVar[tuple[str, ...]] = ()
    equation: ClassVar = "a = 1+tanh(Wx+u*h+b);  h' = c*h + (1-c)*tanh(Wx+a*h)"
    presets: ClassVar = {
        "default": Preset(Lecun(), Constant(1.0)),
        "paper": Preset(Glorot(), Constant(1.0)),
    }

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        params = super().init(key, in_features)
        return {("recurrent_weight" if name == "recurrent_kernel" else name): leaf for name, leaf in params.items()}

    def _recurrent(self, initializer, key, dtype):
        return initializer.blocks(key, self.recurrent_gates, (self.features,), dtype)

    def _fed_back(self, weights, h):
        return {gate: weight * h for gate, weight in self.split_recurrent(weights["recurrent_weight"]).items()}
