"""The intersection network: one gate along time and one along depth."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell, with_bias
from rnnjax.errors import InputError
from rnnjax.initializers import Lecun
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class IntersectionRNNState(NamedTuple):
    """`hidden`: the state, `[*batch, features]`; the output is another array."""

    hidden: Array


@dataclasses.dataclass(frozen=True, repr=False)
class IntersectionRNN(HeadedCell):
    """Intersection recurrent network, +RNN: what goes along time and what goes up a stack are gated alike.

        g, d = sigmoid(W x + U h + b)                  (blocks of their own)
        n = tanh(W x + U h + b),  m = relu(W x + U h + b)
        h' = g * h + (1 - g) * n
        y  = d * x + (1 - d) * m

    Collins, Sohl-Dickstein & Sussillo 2016, arXiv:1611.09913. Made for deep stacks. The input enters the output unit
    by unit, so it is as wide as the state; one of another width first goes through `input_kernel [in_features,
    features]`, as in the first layer of the authors' TensorFlow cell (which has a bias there too).

    Parameters: those of a gated cell on inputs `[..., features]`, and `input_kernel` where widths differ.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and bias 1 for both gates,
    which is the constant that the authors' cell adds to them; the paper tunes it. "paper" is "default".
    """

    gates: ClassVar = ("update", "candidate", "depth", "output_candidate")
    candidates: ClassVar = ("candidate", "output_candidate")
    equation: ClassVar = "h' = g*h + (1-g)*tanh(Wx+Uh+b);  y = d*x + (1-d)*relu(Wx+Uh+b)"
    source: ClassVar = "Collins, Sohl-Dickstein & Sussillo 2016, arXiv:1611.09913"
    verified: ClassVar = ("torchrecurrent 0.2.5",)
    presets: ClassVar = {
        "default": with_bias(DEFAULT, update=1.0, depth=1.0),
        "paper": with_bias(DEFAULT, update=1.0, depth=1.0),
    }

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        key, input_key = jax.random.split(key)
        params = super().init(key, self.features)
        if in_features != self.features:
            dtype = self.precision.dtype("params")
            params["input_kernel"] = Lecun()(input_key, (in_features, self.features), dtype)
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> IntersectionRNNState:
        return IntersectionRNNState(self.zeros(batch_shape))

    def project(self, weights, xs):
        xs = xs.astype(self.precision.dtype("compute"))
        if "input_kernel" in weights:
            xs = dot_inputs(xs, weights["input_kernel"])
        return super().project(weights, xs) | {"x": xs}

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.hidden, weights["recurrent_kernel"]))
        return {
            "update": jax.nn.sigmoid(drive["update"] + recurrent["update"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
            "depth": jax.nn.sigmoid(drive["depth"] + recurrent["depth"]),
            "output_candidate": jax.nn.relu(drive["output_candidate"] + recurrent["output_candidate"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        g, d = gates["update"], gates["depth"]
        hidden = g * carry.hidden + (1 - g) * gates["candidate"]
        return IntersectionRNNState(hidden), d * drive["x"] + (1 - d) * gates["output_candidate"]
