"""The network whose context is its own output."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax

from rnnjax.activations import Activation, activation
from rnnjax.cells.gated import DEFAULT, GatedCell
from rnnjax.errors import InputError
from rnnjax.kernel import dot

Array = jax.Array


class JordanState(NamedTuple):
    """`y`: output of the last step, `[*batch, output_size]`."""

    y: Array


@dataclasses.dataclass(frozen=True, repr=False)
class Jordan(GatedCell):
    """The network that feeds its output, not its hidden layer, back.

        h  = phi(W x + U y + b)
        y' = psi(V h + c)

    Jordan 1986, ICS report 8604 (reprinted 1997, doi:10.1016/S0166-4115(97)80111-2). The carry is y. Parameters:
    `kernel [in_features, features]`, `recurrent_kernel [output_size, features]`, `bias [features]`,
    `output_kernel [features, output_size]`, `output_bias [output_size]`. The report gives no distribution for the
    weights: "paper" is "default", LeCun-normal kernels and an orthogonal recurrent kernel.

    Args:
      features: width of the hidden layer.
      output_size: width of the output; `None` means `features`.
      activation: phi, by name or as a function.
      output_activation: psi, likewise.
    """

    gates: ClassVar = ("candidate",)
    equation: ClassVar = "h = phi(Wx+Uy+b);  y' = psi(Vh+c)"
    source: ClassVar = "Jordan 1986, ICS-8604, doi:10.1016/S0166-4115(97)80111-2"
    presets: ClassVar = {"default": DEFAULT, "paper": DEFAULT}

    _: dataclasses.KW_ONLY
    output_size: int | None = None
    activation: Activation = "tanh"
    output_activation: Activation = "tanh"

    def __post_init__(self):
        super().__post_init__()
        activation(self.activation, "Jordan.activation")
        activation(self.output_activation, "Jordan.output_activation")
        if self.output_size is not None and (not isinstance(self.output_size, int) or self.output_size < 1):
            raise InputError("Jordan.output_size", self.output_size, "a positive int, or None")

    @property
    def output_features(self) -> int:
        return self.output_size or self.features

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        dtype = self.precision.dtype("params")
        key, recurrent_key, output_key, bias_key = jax.random.split(key, 4)
        kernel, recurrent, bias = self.initializers
        width = self.output_features
        return {
            **super().init(key, in_features),
            "recurrent_kernel": recurrent.blocks(recurrent_key, self.gates, (width, self.features), dtype),
            "output_kernel": kernel(output_key, (self.features, width), dtype),
            "output_bias": bias(bias_key, (width,), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> JordanState:
        return JordanState(self.zeros(batch_shape, self.output_features))

    def gate_values(self, weights, carry, drive):
        phi = activation(self.activation)
        return {"candidate": phi(drive["candidate"] + dot(carry.y, weights["recurrent_kernel"]))}

    def recur(self, weights, carry, drive):
        h = self.gate_values(weights, carry, drive)["candidate"]
        y = activation(self.output_activation)(dot(h, weights["output_kernel"]) + weights["output_bias"])
        return JordanState(y), y
