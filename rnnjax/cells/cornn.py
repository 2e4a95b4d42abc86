"""The coupled oscillatory recurrent neural network."""

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


class CoRNNState(NamedTuple):
    """`y`: positions of the oscillators, the output, `[*batch, features]`; `z`: their velocities."""

    y: Array
    z: Array


@dataclasses.dataclass(frozen=True, repr=False)
class CoRNN(GatedCell):
    """Coupled oscillatory network: damped oscillators that drive each other.

        z' = z + dt * (tanh(U y + V z + W x + b) - gamma * y - epsilon * z)
        y' = y + dt * z'

    Rusch & Mishra 2021, arXiv:2010.00951. Positions and velocities are bounded, and so are the gradients, as long as dt
    is small against gamma and epsilon. Parameters: `kernel [in_features, features]`, `recurrent_kernel [features,
    features]`, the U, `velocity_kernel [features, features]`, the V, and `bias [features]`.

    Presets: "default" draws a LeCun-normal W and orthogonal U and V; "paper" is the authors' code, everything from
    U(-k, k) with k = 1/sqrt(in_features + 2 features). dt, gamma and epsilon are hyper-parameters, tuned for each task;
    the defaults are of the size that the paper uses on pixels of digits. The documentation of torchrecurrent 0.2.5 has
    the damping act on z', its code on z, like the paper.

    Args:
      dt: length of a step, above zero.
      gamma: stiffness of the oscillators, above zero.
      epsilon: damping of the velocities, not negative.

    Raises:
      InputError: a number outside its range.
    """

    gates: ClassVar = ("candidate",)
    recurrent_kernels: ClassVar = ("recurrent_kernel", "velocity_kernel")
    equation: ClassVar = "z' = z + dt*(tanh(Uy+Vz+Wx+b) - gamma*y - epsilon*z);  y' = y + dt*z'"
    source: ClassVar = "Rusch & Mishra 2021, arXiv:2010.00951"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Uniform(), Uniform(), Uniform())}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    dt: float = 0.042
    gamma: float = 2.7
    epsilon: float = 4.7

    def __post_init__(self):
        super().__post_init__()
        check(self.dt > 0, "CoRNN.dt", self.dt, "a number > 0")
        check(self.gamma > 0, "CoRNN.gamma", self.gamma, "a number > 0")
        check(self.epsilon >= 0, "CoRNN.epsilon", self.epsilon, "a number >= 0")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, velocity_key = jax.random.split(key)
        kernel, recurrent, bias = self.initializers
        if self.preset == "paper":  # one linear map of all three, whose fan-in is the sum of their widths
            drawn = Uniform((in_features + 2 * self.features) ** -0.5)
            kernel, recurrent, bias = (drawn if init == Uniform() else init for init in (kernel, recurrent, bias))
        cell = dataclasses.replace(self, kernel_init=kernel, recurrent_init=recurrent, bias_init=bias)
        velocity = self._recurrent(recurrent, velocity_key, self.precision.dtype("params"))
        return {**super(CoRNN, cell).init(key, in_features), "velocity_kernel": velocity}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> CoRNNState:
        return CoRNNState(self.zeros(batch_shape), self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = dot(carry.y, weights["recurrent_kernel"]) + dot(carry.z, weights["velocity_kernel"])
        return {"candidate": jnp.tanh(drive["candidate"] + recurrent)}

    def recur(self, weights, carry, drive):
        force = self.gate_values(weights, carry, drive)["candidate"] - self.gamma * carry.y - self.epsilon * carry.z
        z = carry.z + self.dt * force
        y = carry.y + self.dt * z
        return CoRNNState(y, z), y
