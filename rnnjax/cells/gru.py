"""Gated recurrent unit, with the reset gate after or before the recurrent product."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, FLAX, KERAS, HeadedCell, Preset
from rnnjax.initializers import Constant, Initializer, Normal, Orthogonal, PerGate, Uniform
from rnnjax.kernel import dot

Array = jax.Array


class GRUState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class GRU(HeadedCell):
    """Gated recurrent unit.

        r, z = sigmoid(W x + U h + b)                 (blocks of their own)
        n    = tanh(W x + b + r * (U h + b_h))        reset_after=True: cuDNN, PyTorch, Keras, v1 of the paper
        n    = tanh(W x + b + U (r * h))              reset_after=False: v3 of the paper
        h'   = (1 - z) * n + z * h

    Cho et al. 2014, arXiv:1406.1078. The update gate z *keeps* the state: a positive bias on it, `bias_init={"update":
    2.0}`, is what a forget bias is to an LSTM. Parameters as in every gated cell, and `recurrent_bias [features]`, the
    b_h of the candidate, where `reset_after`.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate; "paper" draws the
    kernel from N(0, 0.01^2) and recurrent kernels orthogonal per gate; "torch", "keras" and "flax" reproduce
    `torch.nn.GRU` (biases of reset and update gate summed), `keras.layers.GRU` and `flax.linen.GRUCell`.

    Args:
      reset_after: whether the reset gate is applied after the recurrent product.
    """

    gates: ClassVar = ("reset", "update", "candidate")
    equation: ClassVar = "n = tanh(Wx+b+r*(Uh+b_h));  h' = (1-z)*n + z*h"
    source: ClassVar = "Cho et al. 2014, arXiv:1406.1078"
    verified: ClassVar = ("torch 2.13.0", "keras 3.15.1", "flax 0.12.8", "dm-haiku 0.0.17", "equinox 0.13.8")
    presets: ClassVar = {
        "default": DEFAULT,
        "paper": Preset(Normal(0.01), Orthogonal()),
        "torch": Preset(Uniform(), Uniform(), PerGate((("candidate", Uniform()),), Uniform(draws=2))),
        "keras": KERAS,
        "flax": FLAX,
    }

    _: dataclasses.KW_ONLY
    reset_after: bool = True

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, bias_key = jax.random.split(key)
        params = super().init(key, in_features)
        if self.reset_after:
            start: Initializer = Uniform() if self.preset == "torch" else Constant(0.0)
            params["recurrent_bias"] = start(bias_key, (self.features,), self.precision.dtype("params"))
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> GRUState:
        return GRUState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        if not self.reset_after:
            gates, candidate = jnp.split(weights["recurrent_kernel"], [2 * self.head_features], axis=-1)
            weights["recurrent_kernel"] = {"gates": gates, "candidate": candidate}
        return weights

    def gate_values(self, weights, carry, drive):
        kernel = weights["recurrent_kernel"]
        if self.reset_after:
            recurrent = self.split(dot(carry.h, kernel))
            r = jax.nn.sigmoid(drive["reset"] + recurrent["reset"])
            z = jax.nn.sigmoid(drive["update"] + recurrent["update"])
            n = jnp.tanh(drive["candidate"] + r * (recurrent["candidate"] + weights["recurrent_bias"]))
        else:
            reset, update = jnp.split(dot(carry.h, kernel["gates"]), 2, axis=-1)
            r = jax.nn.sigmoid(drive["reset"] + reset)
            z = jax.nn.sigmoid(drive["update"] + update)
            n = jnp.tanh(drive["candidate"] + dot(r * carry.h, kernel["candidate"]))
        return {"reset": r, "update": z, "candidate": n}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        z = gates["update"]
        h = (1 - z) * gates["candidate"] + z * carry.h
        return GRUState(h), h
