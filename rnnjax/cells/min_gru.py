"""The minimal gated recurrent unit: a GRU whose gate and candidate do not see the state."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import affine
from rnnjax.cells.input_gated import InputGatedCell

Array = jax.Array


class MinGRUState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class MinGRU(InputGatedCell):
    """Minimal gated recurrent unit.

        z  = sigmoid(W x + b),  n = g(W x + b)         (blocks of their own)
        h' = (1 - z) * h + z * n
        g(a) = a + 1/2  for a >= 0,  sigmoid(a)  below

    Feng et al. 2024, arXiv:2410.01201, in the form whose state is positive, which lets the recurrence run on
    logarithms. The gate z, which the paper calls the update gate, is named "write" here: what the state keeps is 1 - z,
    the other way round than in `GRU`. For a long memory: `bias_init={"write": -2.0}` or `Chrono(t_max)`.

    The paper gives no distribution for the weights: "paper" is "default", a LeCun-normal kernel and zero biases.
    """

    gates: ClassVar = ("write", "candidate")
    equation: ClassVar = "h' = (1-z)*h + z*g(Wx+b)"
    source: ClassVar = "Feng et al. 2024, arXiv:2410.01201"
    verified: ClassVar = ("minGRU-pytorch 0.2.1",)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> MinGRUState:
        return MinGRUState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        del weights, carry
        return {"write": jax.nn.sigmoid(drive["write"]), "candidate": positive(drive["candidate"])}

    def affine(self, weights, drive):
        del weights
        gate, candidate = (drive[name].astype(self.state_dtype) for name in self.gates)
        return affine.Log(jax.nn.log_sigmoid(-gate), jax.nn.log_sigmoid(gate) + log_positive(candidate))


def positive(a: Array) -> Array:
    """g(a) of the minimal cells: continuous, increasing, above zero."""
    return jnp.where(a >= 0, a + 0.5, jax.nn.sigmoid(a))


def log_positive(a: Array) -> Array:
    """The logarithm of `positive(a)`, finite wherever a is."""
    return jnp.where(a >= 0, jnp.log(jax.nn.relu(a) + 0.5), jax.nn.log_sigmoid(a))
