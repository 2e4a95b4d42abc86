"""The chaos-free network: without inputs its state relaxes to zero."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset, with_bias
from rnnjax.errors import InputError
from rnnjax.initializers import Uniform
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array

_GATES = ("forget", "input")  # the blocks that have a recurrent kernel and a bias


class CFNState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class CFN(GatedCell):
    """Chaos-free network.

        f, i = sigmoid(W x + U h + b)                  (blocks of their own)
        h' = f * tanh(h) + i * tanh(W x)

    Laurent & von Brecht 2016, arXiv:1612.06212, which calls the gates theta and eta. The state enters the next one unit
    by unit and through gates below one: with no input it relaxes to zero, from everywhere and for all parameters.

    Parameters: `kernel [in_features, 3 * features]`, blocks in the order of `gates`; `recurrent_kernel [features, 2 *
    features]` and `bias [2 * features]` of the gates "forget" and "input": the candidate has neither.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and biases 1 and -1; "paper"
    draws kernels and recurrent kernels from U(-0.07, 0.07), with biases 1 and -1, as its language models do.
    """

    gates: ClassVar = ("forget", "input", "candidate")
    equation: ClassVar = "f,i = sig(Wx+Uh+b);  h' = f*tanh(h) + i*tanh(Wx)"
    source: ClassVar = "Laurent & von Brecht 2016, arXiv:1612.06212"
    verified: ClassVar = ("torchrecurrent 0.2.5",)
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0, input=-1.0),
        "paper": with_bias(Preset(Uniform(0.07), Uniform(0.07)), forget=1.0, input=-1.0),
    }

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        kernel, recurrent, bias = self.initializers
        kernel_key, recurrent_key, bias_key = jax.random.split(key, 3)
        return {
            "kernel": kernel.blocks(kernel_key, self.gates, (in_features, self.features), dtype),
            "recurrent_kernel": recurrent.blocks(recurrent_key, _GATES, (self.features, self.features), dtype),
            "bias": bias.blocks(bias_key, _GATES, (self.features,), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> CFNState:
        return CFNState(self.zeros(batch_shape))

    def project(self, weights, xs):
        drive = self.split(dot_inputs(xs, weights["kernel"]))
        forget, write = jnp.split(weights["bias"], 2)
        return {
            "forget": drive["forget"] + forget,
            "input": drive["input"] + write,
            "candidate": jnp.tanh(drive["candidate"]),
        }

    def gate_values(self, weights, carry, drive):
        forget, write = jnp.split(dot(carry.h, weights["recurrent_kernel"]), 2, axis=-1)
        return {
            "forget": jax.nn.sigmoid(drive["forget"] + forget),
            "input": jax.nn.sigmoid(drive["input"] + write),
            "candidate": drive["candidate"],
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        h = gates["forget"] * jnp.tanh(carry.h) + gates["input"] * gates["candidate"]
        return CFNState(h), h
