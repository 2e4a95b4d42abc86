"""Networks whose recurrent matrix is antisymmetric, with and without a gate."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import GatedCell, Preset
from rnnjax.errors import check
from rnnjax.initializers import Lecun, PerGate
from rnnjax.kernel import dot

Array = jax.Array


class AntisymmetricRNNState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class AntisymmetricRNN(GatedCell):
    """Network that is an Euler step of a stable differential equation.

        h' = h + epsilon * tanh((V - V^T - gamma I) h + W x + b)

    Chang et al. 2019, arXiv:1902.09689. The eigenvalues of V - V^T are imaginary: without diffusion, gamma = 0, the
    equation neither forgets nor explodes. An explicit Euler step adds a little growth, which gamma takes away again.
    Parameters: `kernel [in_features, features]`, `recurrent_kernel [features, features]`, the V, `bias [features]`.

    Presets: "paper" draws W from N(0, 1/in_features) and V from N(0, 1/features), b = 0, and searches over the
    scale of V, which is 1 here; "default" is the same with a truncated normal W. The paper's epsilon lies between 0.01
    and 1, its gamma between 0.001 and 1. torchrecurrent 0.2.5 computes the same equation, but draws V from N(0, 1)
    whatever the width, with epsilon = 1 and gamma = 0: not in the regime of the paper.

    Args:
      epsilon: length of the Euler step, above zero.
      gamma: strength of diffusion, not negative.

    Raises:
      InputError: a step that is not above zero, or a negative diffusion.
    """

    gates: ClassVar = ("candidate",)
    equation: ClassVar = "h' = h + epsilon*tanh((V - V^T - gamma*I)h + Wx + b)"
    source: ClassVar = "Chang et al. 2019, arXiv:1902.09689"
    presets: ClassVar = {"default": Preset(Lecun(), Lecun("normal")), "paper": Preset(Lecun("normal"), Lecun("normal"))}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    epsilon: float = 0.1
    gamma: float = 0.01

    def __post_init__(self):
        super().__post_init__()
        name = type(self).__name__
        check(self.epsilon > 0, f"{name}.epsilon", self.epsilon, "a number > 0")
        check(self.gamma >= 0, f"{name}.gamma", self.gamma, "a number >= 0")

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        kernel = weights["recurrent_kernel"]
        weights["recurrent_kernel"] = kernel - kernel.T - self.gamma * jnp.eye(self.features, dtype=kernel.dtype)
        return weights

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> AntisymmetricRNNState:
        return AntisymmetricRNNState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        return {"candidate": jnp.tanh(drive["candidate"] + dot(carry.h, weights["recurrent_kernel"]))}

    def recur(self, weights, carry, drive):
        h = carry.h + self.epsilon * self.gate_values(weights, carry, drive)["candidate"]
        return AntisymmetricRNNState(h), h


@dataclasses.dataclass(frozen=True, repr=False)
class GatedAntisymmetricRNN(AntisymmetricRNN):
    """Antisymmetric network whose inputs also say how far each unit moves.

        a  = (V - V^T - gamma I) h
        z  = sigmoid(a + W x + b),  n = tanh(a + W x + b)     (W and b of their own, one V)
        h' = h + epsilon * z * n

    Chang et al. 2019, arXiv:1902.09689. Gate and candidate share the recurrent product, so that the Jacobian keeps its
    structure: imaginary eigenvalues times positive numbers. Parameters: `kernel [in_features, 2 * features]` and
    `bias [2 * features]` of input gate and candidate; `recurrent_kernel [features, features]`, the V. Presets and
    fields as in `AntisymmetricRNN`.

    Raises:
      InputError: also for an initialiser of V for one of the gates.
    """

    gates: ClassVar = ("input", "candidate")
    equation: ClassVar = "a = (V - V^T - gamma*I)h;  h' = h + epsilon*sig(a+Wx+b)*tanh(a+Wx+b)"

    def __post_init__(self):
        super().__post_init__()
        expected = "an Initializer for the one matrix that both gates share"
        shared = not isinstance(self.recurrent_init, PerGate)
        check(shared, "GatedAntisymmetricRNN.recurrent_init", self.recurrent_init, expected)

    def _recurrent(self, initializer, key, dtype):
        return initializer(key, (self.features, self.features), dtype)

    def gate_values(self, weights, carry, drive):
        recurrent = dot(carry.h, weights["recurrent_kernel"])
        return {
            "input": jax.nn.sigmoid(drive["input"] + recurrent),
            "candidate": jnp.tanh(drive["candidate"] + recurrent),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        h = carry.h + self.epsilon * gates["input"] * gates["candidate"]
        return AntisymmetricRNNState(h), h
