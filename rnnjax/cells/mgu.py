"""The minimal gated unit, and the GRU whose reset gate is the complement of its update gate."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell
from rnnjax.kernel import dot

Array = jax.Array


class MGUState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class MGU(HeadedCell):
    """Minimal gated unit: one gate that both writes the state and resets what the candidate sees of it.

        f  = sigmoid(W x + U h + b)
        n  = tanh(W x + b + U (f * h))                 (blocks of its own)
        h' = (1 - f) * h + f * n

    Zhou et al. 2016, arXiv:1603.09420. The paper calls f a forget gate; it is named "write" here, since the state keeps
    1 - f. `flax.linen.MGUCell` is another cell: there f keeps the state, and is applied after the recurrent product.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate, with zero biases; "paper"
    is the same, for want of a stated distribution. For a long memory: `bias_init={"write": -2.0}` or `Chrono(t_max)`.
    """

    gates: ClassVar = ("write", "candidate")
    equation: ClassVar = "f = sig(Wx+Uh+b);  h' = (1-f)*h + f*tanh(Wx+U(f*h)+b)"
    source: ClassVar = "Zhou et al. 2016, arXiv:1603.09420"
    presets: ClassVar = {"default": DEFAULT, "paper": DEFAULT}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> MGUState:
        return MGUState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        gates, candidate = jnp.split(weights["recurrent_kernel"], 2, axis=-1)
        return weights | {"recurrent_kernel": {"gates": gates, "candidate": candidate}}

    def _shown(self, write: Array) -> Array:
        """The share of the state that the candidate sees."""
        return write

    def gate_values(self, weights, carry, drive):
        kernel = weights["recurrent_kernel"]
        write = jax.nn.sigmoid(drive["write"] + dot(carry.h, kernel["gates"]))
        shown = self._shown(write) * carry.h
        return {"write": write, "candidate": jnp.tanh(drive["candidate"] + dot(shown, kernel["candidate"]))}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        write = gates["write"]
        h = (1 - write) * carry.h + write * gates["candidate"]
        return MGUState(h), h


@dataclasses.dataclass(frozen=True, repr=False)
class UpdateGateGRU(MGU):
    """A GRU with nothing but its update gate: what is about to be overwritten is hidden from the candidate.

        z  = sigmoid(W x + U h + b)
        n  = tanh(W x + b + U ((1 - z) * h))           (blocks of its own)
        h' = (1 - z) * h + z * n

    The GRU of Cho et al. 2014, arXiv:1406.1078v3, with its reset gate tied to its update gate, r = 1 - z. No paper is
    known to us that proposes it; it differs from the minimal gated unit, `MGU`, in what the candidate sees: here the
    part of the state that is kept, there the part that is overwritten. The gate z writes, and is named so.

    Presets as in `MGU`.
    """

    equation: ClassVar = "z = sig(Wx+Uh+b);  h' = (1-z)*h + z*tanh(Wx+U((1-z)*h)+b)"
    source: ClassVar = "Cho et al. 2014, arXiv:1406.1078, with r = 1 - z"
    verified: ClassVar = ()

    def _shown(self, write):
        return 1 - write
