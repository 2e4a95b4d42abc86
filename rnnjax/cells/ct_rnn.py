"""The continuous-time recurrent neural network."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.activations import Activation, activation
from rnnjax.cells.gated import DEFAULT, GatedCell
from rnnjax.errors import check
from rnnjax.inputs import checked_width, timed
from rnnjax.kernel import dot

Array = jax.Array


class CTRNNState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class CTRNN(GatedCell):
    """Continuous-time network, integrated by explicit Euler steps.

        tau dh/dt = -h + phi(U h + W x + b)
        h <- h + (elapsed / unfolds) / tau * (-h + phi(U h + W x + b)),   `unfolds` times a step

    Funahashi & Nakamura 1993, doi:10.1016/S0893-6080(05)80125-X, with phi outside of the sum as in the networks that
    are trained. Inputs are a plain array, one unit of time a step, or `Timed(x, elapsed)`; x is constant during a step.
    The time constant of each unit is learned on a logarithmic scale. Where elapsed / unfolds exceeds twice tau the
    Euler steps are unstable: take more of them.

    Parameters as in every gated cell, and `log_tau [features]`. The paper trains nothing and gives no distribution:
    "paper" is "default", a LeCun-normal kernel and an orthogonal recurrent kernel.

    Args:
      tau: the initial time constant, in the unit of time of the inputs; above zero.
      unfolds: number of Euler steps a step; the liquid networks' comparison has 6.
      activation: phi, by name or as a function.

    Raises:
      InputError: a time constant that is not above zero, or a number of steps that is no positive int.
    """

    gates: ClassVar = ("candidate",)
    equation: ClassVar = "tau dh/dt = -h + phi(Uh+Wx+b), by Euler steps"
    source: ClassVar = "Funahashi & Nakamura 1993, doi:10.1016/S0893-6080(05)80125-X"
    presets: ClassVar = {"default": DEFAULT, "paper": DEFAULT}

    _: dataclasses.KW_ONLY
    tau: float = 1.0
    unfolds: int = 6
    activation: Activation = "tanh"

    def __post_init__(self):
        super().__post_init__()
        check(self.tau > 0, "CTRNN.tau", self.tau, "a number > 0")
        valid = isinstance(self.unfolds, int) and not isinstance(self.unfolds, bool) and self.unfolds >= 1
        check(valid, "CTRNN.unfolds", self.unfolds, "a positive int")
        activation(self.activation, "CTRNN.activation")

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, tau=1.0)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        log_tau = jnp.full((self.features,), math.log(self.tau), self.precision.dtype("params"))
        return {**super().init(key, checked_width(in_features)), "log_tau": log_tau}

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        weights["rate"] = jnp.exp(-weights.pop("log_tau")) / self.unfolds
        return weights

    def project(self, weights, xs):
        x, elapsed = timed(xs)
        share = elapsed.astype(self.precision.dtype("compute")) * weights["rate"]
        return {**super().project(weights, x), "share": share}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> CTRNNState:
        return CTRNNState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        phi = activation(self.activation)
        return {"candidate": phi(drive["candidate"] + dot(carry.h, weights["recurrent_kernel"]))}

    def recur(self, weights, carry, drive):
        for _ in range(self.unfolds):
            candidate = self.gate_values(weights, carry, drive)["candidate"]
            carry = CTRNNState(carry.h + drive["share"] * (candidate - carry.h))
        return carry, carry.h
