"""Long expressive memory."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset
from rnnjax.errors import check
from rnnjax.initializers import Uniform
from rnnjax.kernel import dot

Array = jax.Array


class LEMState(NamedTuple):
    """`y`: output of the last step, `[*batch, features]`; `z`: the memory, of the same shape."""

    y: Array
    z: Array


@dataclasses.dataclass(frozen=True, repr=False)
class LEM(GatedCell):
    """Long expressive memory: two states, each on time scales of its own that it learns.

        d1, d2 = dt * sigmoid(U y + W x + b)                (blocks of their own)
        z' = (1 - d1) * z + d1 * tanh(U y + W x + b)
        y' = (1 - d2) * y + d2 * tanh(V z' + W x + b)       (the new z)

    Rusch et al. 2022, arXiv:2110.04744. The gates are named after what they write: "write" is the sigmoid of d1,
    "write_output" that of d2, "candidate" goes into z, "candidate_output" into y. Parameters as in every gated cell;
    the last block of columns of the recurrent kernel is V, which the new memory is multiplied with.

    Presets: "default" draws a LeCun-normal kernel and recurrent matrices orthogonal gate by gate; "paper" is the
    authors' code, everything from U(-k, k) with k = 1/sqrt(features), the two biases of a linear map summed.
    torchrecurrent 0.2.5, and with it RecurrentLayers.jl, computes y' from the old z: another cell.

    Args:
      dt: the longest step, in (0, 1] for a state that stays a mean of what was written.

    Raises:
      InputError: a step that is not in (0, 1].
    """

    gates: ClassVar = ("write", "write_output", "candidate", "candidate_output")
    candidates: ClassVar = ("candidate", "candidate_output")
    equation: ClassVar = "z' = (1-d1)*z + d1*tanh(Uy+Wx+b);  y' = (1-d2)*y + d2*tanh(Vz'+Wx+b)"
    source: ClassVar = "Rusch et al. 2022, arXiv:2110.04744"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Uniform(), Uniform(), Uniform(draws=2))}

    _: dataclasses.KW_ONLY
    dt: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check(0 < self.dt <= 1, "LEM.dt", self.dt, "a number in (0, 1]")

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LEMState:
        return LEMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        output, memory = jnp.split(weights["recurrent_kernel"], [3 * self.features], axis=-1)
        weights["recurrent_kernel"] = {"output": output, "memory": memory}
        return weights

    def _step(self, weights, carry, drive):
        kernel = weights["recurrent_kernel"]
        recurrent = jnp.split(dot(carry.y, kernel["output"]), 3, axis=-1)
        write, write_output, candidate = (drive[gate] + part for gate, part in zip(self.gates, recurrent, strict=False))
        write, write_output, candidate = jax.nn.sigmoid(write), jax.nn.sigmoid(write_output), jnp.tanh(candidate)
        z = carry.z + self.dt * write * (candidate - carry.z)
        output = jnp.tanh(drive["candidate_output"] + dot(z, kernel["memory"]))
        return dict(zip(self.gates, (write, write_output, candidate, output), strict=True)), z

    def gate_values(self, weights, carry, drive):
        return self._step(weights, carry, drive)[0]

    def recur(self, weights, carry, drive):
        gates, z = self._step(weights, carry, drive)
        y = carry.y + self.dt * gates["write_output"] * (gates["candidate_output"] - carry.y)
        return LEMState(y, z), y
