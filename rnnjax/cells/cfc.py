"""The closed-form continuous-time network."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell
from rnnjax.errors import check, check_choice
from rnnjax.initializers import Constant, Glorot, Lecun, Uniform
from rnnjax.inputs import checked_width, timed
from rnnjax.kernel import dot

Array = jax.Array

_AMPLITUDE, _SLOPE = 1.7159, 0.666  # of LeCun's tanh


class CfCState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class CfC(UnitCell):
    """Closed-form continuous-time network: a liquid network whose solution in time is written down.

        z  = 1.7159 tanh(0.666 (W x + U h + b))                          (the backbone)
        g, k = tanh(V z + c),  f, d = V z + c                            (blocks of their own)
        s  = sigmoid(f * elapsed + d)
        h' = (1 - s) * g + s * k

    Hasani et al. 2022, arXiv:2106.13898. g is where the state starts from, k where it goes to, and the gate s how far
    it has come in the time that passed: "candidate", "late_candidate" and "time". Inputs are a plain array, one unit of
    time a step, or `Timed(x, elapsed)`.

    Parameters: `kernel [in_features, backbone_features]`, `recurrent_kernel [features, backbone_features]`,
    `bias [backbone_features]` of the backbone; `head_kernel [backbone_features, 4 * features]` and `head_bias`, for g,
    k, f and d in this order.

    This is the default form of the authors' package: one layer of backbone, no dropout, no sparse wiring. Presets:
    "paper" is what that package draws, Glorot-uniform kernels (of x and h as one matrix) and biases from U(-k, k) with
    k = 1/sqrt(fan_in); "default" draws LeCun-normal kernels and zero biases.

    Args:
      backbone_features: width of the backbone; `None` means `features`, and the package has 128.
      preset: "default" or "paper".

    Raises:
      InputError: a width that is neither a positive int nor `None`, or an unknown preset.
    """

    gates: ClassVar = ("candidate", "late_candidate", "time")
    candidates: ClassVar = ("candidate", "late_candidate")
    equation: ClassVar = "s = sig(f*elapsed+d);  h' = (1-s)*g + s*k,  all of a backbone that sees x and h"
    source: ClassVar = "Hasani et al. 2022, arXiv:2106.13898"
    presets: ClassVar = {"default": Lecun(), "paper": Glorot()}
    verified: ClassVar = ("ncps 1.0.1",)

    _: dataclasses.KW_ONLY
    backbone_features: int | None = None
    preset: str = "default"

    def __post_init__(self):
        super().__post_init__()
        check_choice("CfC.preset", self.preset, self.presets)
        given = self.backbone_features
        valid = given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 1)
        check(valid, "CfC.backbone_features", given, "a positive int, or None")

    @property
    def dynamics(self) -> CfC:
        return dataclasses.replace(self, preset="default")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        width, dtype = checked_width(in_features), self.precision.dtype("params")
        seen, inside = width + self.features, self.backbone_features or self.features
        keys = jax.random.split(key, 7)
        draw = self.presets[self.preset]
        joint = draw(keys[0], (seen, inside), dtype)
        heads = [draw(k, (inside, self.features), dtype) for k in keys[1:5]]
        paper = self.preset == "paper"
        bias, head_bias = (Uniform(fan_in**-0.5) if paper else Constant(0.0) for fan_in in (seen, inside))
        return {
            "kernel": joint[:width],
            "recurrent_kernel": joint[width:],
            "bias": bias(keys[5], (inside,), dtype),
            "head_kernel": jnp.concatenate(heads, axis=-1),
            "head_bias": head_bias(keys[6], (4 * self.features,), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> CfCState:
        return CfCState(self.zeros(batch_shape))

    def project(self, weights, xs):
        x, elapsed = timed(xs)
        return {"backbone": super().project(weights, x), "elapsed": elapsed.astype(self.precision.dtype("compute"))}

    def gate_values(self, weights, carry, drive):
        backbone = drive["backbone"] + dot(carry.h, weights["recurrent_kernel"])
        heads = dot(_AMPLITUDE * jnp.tanh(_SLOPE * backbone), weights["head_kernel"]) + weights["head_bias"]
        early, late, rate, offset = jnp.split(heads, 4, axis=-1)
        return {
            "candidate": jnp.tanh(early),
            "late_candidate": jnp.tanh(late),
            "time": jax.nn.sigmoid(rate * drive["elapsed"] + offset),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        h = gates["candidate"] + gates["time"] * (gates["late_candidate"] - gates["candidate"])
        return CfCState(h), h
