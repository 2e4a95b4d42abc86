"""The LSTM with layer normalisation inside the cell."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell, with_bias
from rnnjax.cells.lstm import LSTMState
from rnnjax.errors import check
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


def layer_norm(a: Array, gain: Array, epsilon: float) -> Array:
    """`gain (a - mean) / sqrt(variance + epsilon)`, mean and variance over the last axis."""
    centred = a - jnp.mean(a, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=-1, keepdims=True)
    return gain * centred * jax.lax.rsqrt(variance + epsilon)


def check_epsilon(argument: str, given: object) -> None:
    """Checks what keeps the denominator of a normalisation from zero.

    Raises:
      InputError: naming the argument.
    """
    valid = isinstance(given, int | float) and not isinstance(given, bool) and given > 0
    check(valid, argument, given, "a number > 0")


@dataclasses.dataclass(frozen=True, repr=False)
class LayerNormLSTM(HeadedCell):
    """LSTM whose gates and cell state are normalised over the layer.

        a       = LN(W x) * g_x + LN(U h) * g_h + b          over the pre-activations of all four gates together
        i, f, o = sigmoid(a),  g = tanh(a)                   (blocks of their own)
        c'      = f * c + i * g
        h'      = o * tanh(LN(c') * g_c + b_c)
        LN(a)   = (a - mean(a)) / sqrt(var(a) + epsilon)

    Ba, Kiros & Hinton 2016, arXiv:1607.06450. The paper's normalisations each have a bias of their own; the two on the
    gates would be added to b and are not here. Parameters as in every gated cell, and `kernel_gain` and
    `recurrent_gain [4 * features]`, `cell_gain` and `cell_bias [features]`. Some libraries normalise each gate by
    itself (the `LayerNormBasicLSTMCell` of TensorFlow), which is another cell.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1; "paper"
    is the same with forget bias 0. Gains start at one and biases of the normalisation at zero, as in the paper.

    Args:
      epsilon: what is added to variances.

    Raises:
      InputError: an epsilon that is no positive number.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    equation: ClassVar = "a = LN(Wx)*g_x + LN(Uh)*g_h + b;  c' = f*c + i*tanh(a);  h' = o*tanh(LN(c')*g_c + b_c)"
    source: ClassVar = "Ba, Kiros & Hinton 2016, arXiv:1607.06450"
    presets: ClassVar = {"default": with_bias(DEFAULT, forget=1.0), "paper": DEFAULT}

    _: dataclasses.KW_ONLY
    epsilon: float = 1e-5

    def __post_init__(self):
        super().__post_init__()
        check_epsilon("LayerNormLSTM.epsilon", self.epsilon)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        dtype = self.precision.dtype("params")
        width = len(self.gates) * self.features
        return super().init(key, in_features) | {
            "kernel_gain": jnp.ones(width, dtype),
            "recurrent_gain": jnp.ones(width, dtype),
            "cell_gain": jnp.ones(self.features, dtype),
            "cell_bias": jnp.zeros(self.features, dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def project(self, weights, xs):
        product = dot_inputs(xs, weights["kernel"])
        return self.split(layer_norm(product, weights["kernel_gain"], self.epsilon) + weights["bias"])

    def gate_values(self, weights, carry, drive):
        product = dot(carry.h, weights["recurrent_kernel"])
        recurrent = self.split(layer_norm(product, weights["recurrent_gain"], self.epsilon))
        return {
            "input": jax.nn.sigmoid(drive["input"] + recurrent["input"]),
            "forget": jax.nn.sigmoid(drive["forget"] + recurrent["forget"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
            "output": jax.nn.sigmoid(drive["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        normalised = layer_norm(c, weights["cell_gain"], self.epsilon) + weights["cell_bias"]
        h = gates["output"] * jnp.tanh(normalised)
        return LSTMState(h, c), h
