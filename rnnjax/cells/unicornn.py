"""The undamped independent controlled oscillatory network."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.independent import IndependentCell
from rnnjax.errors import check
from rnnjax.initializers import Uniform

Array = jax.Array


class UnICORNNState(NamedTuple):
    """`y`: positions of the oscillators, the output, `[*batch, features]`; `z`: their velocities."""

    y: Array
    z: Array


@dataclasses.dataclass(frozen=True, repr=False)
class UnICORNN(IndependentCell):
    """Undamped independent controlled oscillatory network: oscillators that only the inputs couple.

        z' = z - dt * sigmoid(c) * (tanh(w * y + V x + b) + alpha * y)
        y' = y + dt * sigmoid(c) * z'

    Rusch & Mishra 2021, arXiv:2103.05487. A symplectic Euler step of a Hamiltonian system: the map keeps volumes in
    (y, z), so that its Jacobian has determinant one and gradients neither vanish nor explode exponentially. The step of
    each oscillator is learned through c. Parameters: `kernel [in_features, features]`, `recurrent_vector [features]`,
    the w, `control [features]`, the c, and `bias [features]`.

    Presets: "paper" is what the authors' code draws, w from U(0, 1), V from the uniform distribution of variance
    2 / (65 in_features), b = 0; "default" differs in V, which is LeCun-normal. c starts at U(-0.1, 0.1) in both. dt and
    alpha are hyper-parameters, which the paper tunes for each task.

    Args:
      dt: length of a step, above zero.
      alpha: stiffness of the spring that pulls each oscillator back; not negative.

    Raises:
      InputError: a step that is not above zero, or a negative stiffness.
    """

    equation: ClassVar = "z' = z - dt*sig(c)*(tanh(w*y+Vx+b) + alpha*y);  y' = y + dt*sig(c)*z'"
    source: ClassVar = "Rusch & Mishra 2021, arXiv:2103.05487"
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    dt: float = 0.1
    alpha: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check(self.dt > 0, "UnICORNN.dt", self.dt, "a number > 0")
        check(self.alpha >= 0, "UnICORNN.alpha", self.alpha, "a number >= 0")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, control_key = jax.random.split(key)
        control = Uniform(0.1)(control_key, (self.features,), self.precision.dtype("params"))
        return {**super().init(key, in_features), "control": control}

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        weights["step"] = self.dt * jax.nn.sigmoid(weights.pop("control"))
        return weights

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> UnICORNNState:
        return UnICORNNState(self.zeros(batch_shape), self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        return {"candidate": jnp.tanh(drive["candidate"] + weights["recurrent_vector"] * carry.y)}

    def recur(self, weights, carry, drive):
        force = self.gate_values(weights, carry, drive)["candidate"] + self.alpha * carry.y
        z = carry.z - weights["step"] * force
        y = carry.y + weights["step"] * z
        return UnICORNNState(y, z), y
