"""The LSTM with a recurrent projection."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, TORCH, GatedCell, Preset, with_bias
from rnnjax.errors import InputError
from rnnjax.initializers import Initializer, Spec, Uniform, as_initializer
from rnnjax.kernel import dot

Array = jax.Array


class LSTMPState(NamedTuple):
    """`h`: projected output, `[*batch, projection_features]`; `c`: the cell state, `[*batch, features]`."""

    h: Array
    c: Array


@dataclasses.dataclass(frozen=True, repr=False)
class LSTMP(GatedCell):
    """LSTM whose output is projected onto fewer units before it is handed back.

        i, f, o = sigmoid(W x + U h + b),  g = tanh(W x + U h + b)     (blocks of their own)
        c' = f * c + i * g
        h' = V (o * tanh(c'))

    Sak, Senior & Beaufays 2014, arXiv:1402.1128. A wide memory, `features`, at the cost of a narrow recurrent matrix:
    `recurrent_kernel [projection_features, 4 * features]`, `projection [features, projection_features]`. The paper's
    gates have peepholes besides, and it knows a second projection that is not handed back; neither is here, as in
    `torch.nn.LSTM(proj_size=...)`, whose equations these are.

    Presets: "default" draws a LeCun-normal kernel and projection, recurrent kernels orthogonal per gate, and forget
    bias 1; "paper" draws everything from U(-0.02, 0.02); "torch" reproduces `torch.nn.LSTM` (its two biases summed).

    Args:
      projection_features: width of the output and of what the gates see of it; `None` means half of `features`.
      projection_init: initialiser of the projection; `None` means that of the preset's kernel.

    Raises:
      InputError: projection features that are no positive int, or as many as `features`.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    equation: ClassVar = "c' = f*c + i*tanh(Wx+Uh+b);  h' = V (o*tanh(c'))"
    source: ClassVar = "Sak, Senior & Beaufays 2014, arXiv:1402.1128"
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0),
        "paper": Preset(Uniform(0.02), Uniform(0.02), Uniform(0.02)),
        "torch": TORCH,
    }
    verified: ClassVar = ("torch 2.13.0",)

    _: dataclasses.KW_ONLY
    projection_features: int | None = None
    projection_init: Spec = None

    def __post_init__(self):
        super().__post_init__()
        given = self.projection_features
        valid = isinstance(given, int) and not isinstance(given, bool) and 1 <= given < max(self.features, 2)
        if given is not None and not valid:
            raise InputError("LSTMP.projection_features", given, f"a positive int below features={self.features}")
        object.__setattr__(self, "projection_init", as_initializer(self.projection_init, "LSTMP.projection_init", ()))

    @property
    def output_features(self) -> int:
        return self.projection_features or max(self.features // 2, 1)

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, projection_init=None)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, projection_key = jax.random.split(key)
        initializer, dtype = self.projection_init, self.precision.dtype("params")
        if not isinstance(initializer, Initializer):
            # PyTorch's bound is the same for all parameters: that of the wide memory.
            initializer = Uniform(self.features**-0.5) if self.preset == "torch" else self.presets[self.preset].kernel
        projection = initializer(projection_key, (self.features, self.output_features), dtype)
        return {**super().init(key, in_features), "projection": projection}

    def _recurrent(self, initializer, key, dtype):
        return initializer.blocks(key, self.gates, (self.output_features, self.features), dtype)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMPState:
        return LSTMPState(self.zeros(batch_shape, self.output_features), self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        return {
            "input": jax.nn.sigmoid(drive["input"] + recurrent["input"]),
            "forget": jax.nn.sigmoid(drive["forget"] + recurrent["forget"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
            "output": jax.nn.sigmoid(drive["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        h = dot(gates["output"] * jnp.tanh(c), weights["projection"])
        return LSTMPState(h, c), h
