"""The real-gated linear recurrent unit of Griffin."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import affine
from rnnjax.cells.input_gated import InputGatedCell, InputPreset
from rnnjax.errors import InputError, check
from rnnjax.initializers import Lecun, Ring, check_ring
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array

_SHARPNESS = 8.0  # the paper's constant c
_STEEPEST = 1000.0  # bound on the slope of the square root


class RGLRUState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class RGLRU(InputGatedCell):
    """Real-gated linear recurrent unit.

        r, i = sigmoid(W x + b)                        (blocks of their own)
        a  = exp(-8 softplus(L) * r)
        h' = a * h + sqrt(1 - a^2) * (i * x)

    De et al. 2024 (Griffin), arXiv:2402.19427. The input enters unit by unit, so it is as wide as the state; one of
    another width first goes through `input_kernel [in_features, features]`, as in the block that the paper builds.

    Parameters: `kernel [features, 2 * features]` and `bias [2 * features]` of the gates "recurrence" and "input";
    `decay [features]`, the L; `input_kernel` where widths differ. With more than one head W is block-diagonal,
    `kernel [heads, features / heads, 2 * features / heads]` (the paper's models have many heads).

    "default" is "paper": kernels from N(0, 1/fan_in), zero biases, and a decay such that exp(-softplus(L)) squared is
    uniform between r_min^2 and r_max^2, as the authors' code draws it. That code leaves the factor sqrt(1 - a^2) out in
    the first step of a sequence; the equation of the paper has it in every step, and so has this cell. Where a is one
    to rounding, the slope of the square root is bounded by 1000, as in that code.

    Args:
      heads: number of blocks of the gates' kernels; it divides `features`.
      r_min: smallest initial exp(-softplus(L)).
      r_max: largest.
    """

    gates: ClassVar = ("recurrence", "input")
    equation: ClassVar = "a = exp(-8*softplus(L)*r);  h' = a*h + sqrt(1-a^2)*(i*x)"
    source: ClassVar = "De et al. 2024, arXiv:2402.19427"
    verified: ClassVar = ("recurrentgemma 1.0.1",)
    presets: ClassVar = {"default": InputPreset(Lecun("normal")), "paper": InputPreset(Lecun("normal"))}

    _: dataclasses.KW_ONLY
    heads: int = 1
    r_min: float = 0.9
    r_max: float = 0.999

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.heads, int) and not isinstance(self.heads, bool) and self.heads >= 1
        expected = f"a positive int that divides features={self.features}"
        check(valid and self.features % self.heads == 0, "RGLRU.heads", self.heads, expected)
        check_ring("RGLRU", self.r_min, self.r_max)

    @property
    def dynamics(self) -> InputGatedCell:
        return dataclasses.replace(super().dynamics, r_min=0.9, r_max=0.999)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        kernel, bias = self.initializers
        kernel_key, bias_key, decay_key, input_key = jax.random.split(key, 4)
        width = self.features // self.heads
        blocks = [kernel.blocks(k, self.gates, (width, width), dtype) for k in jax.random.split(kernel_key, self.heads)]
        rates = Ring(self.r_min, self.r_max)(decay_key, (self.features,), jnp.promote_types(dtype, jnp.float32))
        params = {
            "kernel": blocks[0] if self.heads == 1 else jnp.stack(blocks),
            "bias": bias.blocks(bias_key, self.gates, (self.features,), dtype),
            "decay": jnp.log(jnp.expm1(rates)).astype(dtype),
        }
        if in_features != self.features:
            params["input_kernel"] = Lecun()(input_key, (in_features, self.features), dtype)
        return params

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        rates = _SHARPNESS * jax.nn.softplus(params["decay"].astype(self.state_dtype))
        return weights | {"decay": rates}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> RGLRUState:
        return RGLRUState(self.zeros(batch_shape))

    def project(self, weights, xs):
        xs = xs.astype(self.precision.dtype("compute"))
        if "input_kernel" in weights:
            xs = dot_inputs(xs, weights["input_kernel"])
        return self.split(dot(xs, weights["kernel"]) + weights["bias"]) | {"x": xs}

    def gate_values(self, weights, carry, drive):
        del weights, carry
        return {gate: jax.nn.sigmoid(drive[gate]) for gate in self.gates}

    def affine(self, weights, drive):
        drive = {name: leaf.astype(self.state_dtype) for name, leaf in drive.items()}
        log_factor = -weights["decay"] * jax.nn.sigmoid(drive["recurrence"])
        scale = _square_root(-jnp.expm1(2 * log_factor))
        return affine.Real(jnp.exp(log_factor), scale * jax.nn.sigmoid(drive["input"]) * drive["x"])


@jax.custom_jvp
def _square_root(x):
    """The square root, with a bounded slope: at zero it would be infinite, and a gradient of nothing times it NaN."""
    return jnp.sqrt(x)


@_square_root.defjvp
def _square_root_jvp(primals, tangents):
    root = _square_root(*primals)
    return root, tangents[0] * 0.5 / jnp.maximum(root, 0.5 / _STEEPEST)
