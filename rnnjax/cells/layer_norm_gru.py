"""The GRU with layer normalisation of its two products."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset
from rnnjax.errors import check
from rnnjax.initializers import Glorot, Orthogonal
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class LayerNormGRUState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class LayerNormGRU(GatedCell):
    """Gated recurrent unit whose products with input and state are normalised, each by itself.

        r, z = sigmoid(LN(W x) + LN(U h) + b)          (normalised together, over 2 * features numbers)
        n    = tanh(LN(W x) + b + r * (LN(U h) + b_h))
        h'   = (1 - z) * n + z * h
        LN(a) = g * (a - mean(a)) / sqrt(var(a) + epsilon)

    Ba, Kiros & Hinton 2016, arXiv:1607.06450, with the reset gate after the recurrent product, as there. Each LN has
    gains of its own; the biases that the paper gives each of two summed LNs are one here. z keeps the state, as in
    `GRU`. `haste` normalises all three blocks of a product together, over 3 * features numbers.

    Parameters: as in `GRU`, with `recurrent_bias [features]`, and `gain [3 * features]` and `recurrent_gain
    [3 * features]`, which start from 1.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels orthogonal per gate; "paper" draws
    Glorot-uniform kernels and orthogonal recurrent ones. The scale of a kernel has no effect but through epsilon.

    Args:
      epsilon: added to the variance.

    Raises:
      InputError: an epsilon that is no number > 0.
    """

    gates: ClassVar = ("reset", "update", "candidate")
    equation: ClassVar = "n = tanh(LN(Wx)+b+r*(LN(Uh)+b_h));  h' = (1-z)*n + z*h"
    source: ClassVar = "Ba, Kiros & Hinton 2016, arXiv:1607.06450"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Glorot(), Orthogonal())}

    _: dataclasses.KW_ONLY
    epsilon: float = 1e-5

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.epsilon, int | float) and not isinstance(self.epsilon, bool) and self.epsilon > 0
        check(valid, "LayerNormGRU.epsilon", self.epsilon, "a number > 0")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        dtype = self.precision.dtype("params")
        ones = jnp.ones((len(self.gates) * self.features,), dtype)
        more = {"recurrent_bias": jnp.zeros((self.features,), dtype), "gain": ones, "recurrent_gain": ones}
        return super().init(key, in_features) | more

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LayerNormGRUState:
        return LayerNormGRUState(self.zeros(batch_shape))

    def _normalised(self, product: Array, gain: Array) -> Array:
        """Gates and candidate `[..., 3 * features]` normalised, each by itself."""
        wide = product.astype(jnp.promote_types(product.dtype, jnp.float32))  # differences of rounded numbers
        centred = [part - part.mean(-1, keepdims=True) for part in jnp.split(wide, [2 * self.features], axis=-1)]
        scaled = [part / jnp.sqrt((part**2).mean(-1, keepdims=True) + self.epsilon) for part in centred]
        return gain * jnp.concatenate(scaled, axis=-1).astype(product.dtype)

    def project(self, weights, xs):
        product = dot_inputs(xs, weights["kernel"])
        return self.split(self._normalised(product, weights["gain"]) + weights["bias"])

    def gate_values(self, weights, carry, drive):
        product = dot(carry.h, weights["recurrent_kernel"])
        recurrent = self.split(self._normalised(product, weights["recurrent_gain"]))
        r = jax.nn.sigmoid(drive["reset"] + recurrent["reset"])
        z = jax.nn.sigmoid(drive["update"] + recurrent["update"])
        n = jnp.tanh(drive["candidate"] + r * (recurrent["candidate"] + weights["recurrent_bias"]))
        return {"reset": r, "update": z, "candidate": n}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        z = gates["update"]
        h = (1 - z) * gates["candidate"] + z * carry.h
        return LayerNormGRUState(h), h
