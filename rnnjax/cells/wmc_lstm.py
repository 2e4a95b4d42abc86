"""The LSTM with working memory connections."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, with_bias
from rnnjax.cells.lstm import LSTMState
from rnnjax.initializers import Spec, as_initializer, in_force
from rnnjax.kernel import dot

Array = jax.Array

_CONNECTED = ("input", "forget", "output")  # the gates that see the memory, in the order of the parameter


@dataclasses.dataclass(frozen=True, repr=False)
class WMCLSTM(GatedCell):
    """LSTM whose gates see a squashed projection of the whole cell state: working memory connections.

        i, f = sigmoid(W x + U h + tanh(V c) + b)            (blocks of their own)
        g    = tanh(W x + U h + b)
        c'   = f * c + i * g
        o    = sigmoid(W x + U h + tanh(V c') + b)
        h'   = o * tanh(c')

    Landi, Baraldi, Cornia & Cucchiara 2021, arXiv:2109.00020. Unlike peepholes, V is a full matrix, and the tanh keeps
    a cell state that grows from shutting or opening the gates for good. Parameters as in every gated cell, and
    `memory_kernel [features, 3 * features]` for input, forget and output gate. torchrecurrent has one more bias, inside
    the tanh, unless told otherwise; its documentation leaves the tanh out, its code does not.

    Presets: "default" draws LeCun-normal kernels, recurrent and memory kernels orthogonal per gate, and forget bias 1;
    "paper" is the same: the paper does not say.

    Args:
      memory_init: initialiser of the memory kernel, or a mapping from gate to initialiser; `None` is that of the
        preset's recurrent kernel.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    recurrent_kernels: ClassVar = ("recurrent_kernel", "memory_kernel")
    equation: ClassVar = "i,f = sig(Wx+Uh+tanh(Vc)+b), o = sig(Wx+Uh+tanh(Vc')+b);  c' = f*c + i*g;  h' = o*tanh(c')"
    source: ClassVar = "Landi, Baraldi, Cornia & Cucchiara 2021, arXiv:2109.00020"
    presets: ClassVar = {"default": with_bias(DEFAULT, forget=1.0), "paper": with_bias(DEFAULT, forget=1.0)}
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    memory_init: Spec = None

    def __post_init__(self):
        super().__post_init__()
        spec = as_initializer(self.memory_init, "WMCLSTM.memory_init", _CONNECTED)
        object.__setattr__(self, "memory_init", spec)

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, memory_init=None)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, memory_key = jax.random.split(key)
        initializer = in_force(self.memory_init, self.presets[self.preset].recurrent)
        square, dtype = (self.features, self.features), self.precision.dtype("params")
        memory = initializer.blocks(memory_key, _CONNECTED, square, dtype)
        return {**super().init(key, in_features), "memory_kernel": memory}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        before, after = jnp.split(weights["memory_kernel"], [2 * self.features], axis=-1)
        weights["memory_kernel"] = {"before": before, "after": after}  # what is multiplied with c, and with c'
        return weights

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        seen = jnp.tanh(dot(carry.c, weights["memory_kernel"]["before"]))
        seen_i, seen_f = jnp.split(seen, 2, axis=-1)
        i = jax.nn.sigmoid(drive["input"] + recurrent["input"] + seen_i)
        f = jax.nn.sigmoid(drive["forget"] + recurrent["forget"] + seen_f)
        g = jnp.tanh(drive["candidate"] + recurrent["candidate"])
        seen_o = jnp.tanh(dot(f * carry.c + i * g, weights["memory_kernel"]["after"]))
        o = jax.nn.sigmoid(drive["output"] + recurrent["output"] + seen_o)
        return {"input": i, "forget": f, "candidate": g, "output": o}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        return LSTMState(h, c), h
