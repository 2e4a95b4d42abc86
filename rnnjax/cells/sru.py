"""The simple recurrent unit: gates that see the state unit by unit, and a highway past them."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import GatedCell, Preset
from rnnjax.errors import InputError, check
from rnnjax.initializers import Constant, Initializer, Lecun, PerGate, Uniform, in_force
from rnnjax.kernel import dot_inputs

Array = jax.Array

_GATES = ("forget", "reset")  # the blocks that have a recurrent vector and a bias


class SRUState(NamedTuple):
    """`c`: the cell state, `[*batch, features]`; the output is another array."""

    c: Array


@dataclasses.dataclass(frozen=True)
class _HalfLecun(Initializer):
    """Uniform, of half the variance of `Lecun`: the other half of a gate's input comes from its recurrent vector."""

    def __call__(self, key, shape, dtype=jnp.float32):
        return jax.nn.initializers.variance_scaling(0.5, "fan_in", "uniform")(key, shape, dtype)


_BIAS = PerGate((("forget", Constant(1.0)),), Constant(0.0))
_OFFICIAL = PerGate((("forget", _HalfLecun()), ("reset", _HalfLecun())), Lecun("uniform"))
_VECTOR = Uniform(1.5**0.5)  # of variance 1/2


@dataclasses.dataclass(frozen=True, repr=False)
class SRU(GatedCell):
    """Simple recurrent unit.

        n  = W x
        f  = sigmoid(W x + v * c + b),  r = sigmoid(W x + v * c + b)     (blocks of their own)
        c' = f * c + (1 - f) * n
        y  = r * c' + (1 - r) * alpha * x

    Lei et al. 2018, arXiv:1709.02755, the version of EMNLP 2018, whose gates see the state before the step; that of
    2017 had no v, and a tanh around c'. Units see each other through the input alone. The input enters the output unit
    by unit where it is as wide as the state; else `x H` does, H being `highway_kernel [in_features, features]`.

    The constant alpha = sqrt(1 + 2 exp(b)), b being the initial bias of the reset gate, keeps the scale of signals up
    a deep stack; with an H it is H that is drawn so much larger.

    Parameters: `kernel [in_features, 3 * features]`, blocks in the order of `gates`; `recurrent_vector [2 * features]`
    v and `bias [2 * features]` of the gates "forget" and "reset"; `highway_kernel` where widths differ.
    `recurrent_init` draws v.

    Presets: "default" draws a LeCun-normal kernel and v from U(-sqrt(3/2), sqrt(3/2)), with forget bias 1; "paper"
    draws as the authors' code (sru 2.6) does: v likewise, the candidate's kernel from a uniform distribution of
    variance 1/fan_in, those of the gates of half that variance (the paper does not halve it), zero biases.

    Args:
      highway_bias: initial bias of the reset gate; negative lets more of the input through.
      rescale: whether alpha is that of above; else it is 1.

    Raises:
      InputError: a bias that is no number, a `rescale` that is no bool.
    """

    gates: ClassVar = ("candidate", "forget", "reset")
    jacobian: ClassVar = "diagonal"
    recurrent_kernels: ClassVar = ()
    equation: ClassVar = "f,r = sig(Wx+v*c+b);  c' = f*c + (1-f)*Wx;  y = r*c' + (1-r)*a*x"
    source: ClassVar = "Lei et al. 2018, arXiv:1709.02755"
    verified: ClassVar = ("sru 2.6.0",)
    presets: ClassVar = {"default": Preset(Lecun(), _VECTOR, _BIAS), "paper": Preset(_OFFICIAL, _VECTOR)}

    _: dataclasses.KW_ONLY
    highway_bias: float = 0.0
    rescale: bool = True

    def __post_init__(self):
        super().__post_init__()
        given = self.highway_bias
        check(isinstance(given, int | float) and not isinstance(given, bool), "SRU.highway_bias", given, "a number")
        check(isinstance(self.rescale, bool), "SRU.rescale", self.rescale, "True or False")

    @property
    def initializers(self) -> Preset:
        preset = self.presets[self.preset]
        bias = PerGate((("reset", Constant(float(self.highway_bias))),), preset.bias)
        given = (self.kernel_init, self.recurrent_init, self.bias_init)
        return Preset(*map(in_force, given, preset._replace(bias=bias)))

    @property
    def highway_scale(self) -> float:
        """alpha, the factor of the input in the output."""
        return math.sqrt(1.0 + 2.0 * math.exp(self.highway_bias)) if self.rescale else 1.0

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        kernel, recurrent, bias = self.initializers
        kernel_key, vector_key, bias_key, highway_key = jax.random.split(key, 4)
        params = {
            "kernel": kernel.blocks(kernel_key, self.gates, (in_features, self.features), dtype),
            "recurrent_vector": recurrent.blocks(vector_key, _GATES, (self.features,), dtype),
            "bias": bias.blocks(bias_key, _GATES, (self.features,), dtype),
        }
        if in_features != self.features:
            drawn = Lecun("uniform")(highway_key, (in_features, self.features), dtype)
            params["highway_kernel"] = self.highway_scale * drawn
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> SRUState:
        return SRUState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        vectors = jnp.split(weights["recurrent_vector"], 2)
        return weights | {"recurrent_vector": dict(zip(_GATES, vectors, strict=True))}

    def project(self, weights, xs):
        xs = xs.astype(self.precision.dtype("compute"))
        drive = self.split(dot_inputs(xs, weights["kernel"]))
        for gate, bias in zip(_GATES, jnp.split(weights["bias"], 2), strict=True):
            drive[gate] = drive[gate] + bias
        highway = dot_inputs(xs, weights["highway_kernel"]) if "highway_kernel" in weights else self.highway_scale * xs
        return drive | {"highway": highway}

    def gate_values(self, weights, carry, drive):
        vectors = weights["recurrent_vector"]
        return {
            "candidate": drive["candidate"],
            "forget": jax.nn.sigmoid(drive["forget"] + vectors["forget"] * carry.c),
            "reset": jax.nn.sigmoid(drive["reset"] + vectors["reset"] * carry.c),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        f, r = gates["forget"], gates["reset"]
        c = f * carry.c + (1 - f) * gates["candidate"]
        return SRUState(c), r * c + (1 - r) * drive["highway"]
