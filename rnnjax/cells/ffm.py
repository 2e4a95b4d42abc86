"""Fast and forgetful memory."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax import affine
from rnnjax.cells.affine import AffineCell
from rnnjax.cells.complex_diagonal import ComplexState
from rnnjax.errors import check
from rnnjax.initializers import Uniform
from rnnjax.inputs import checked_width
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array

_FASTEST = math.log(2.0) - 0.02  # the largest initial rate that the authors' double precision admits
_FORGOTTEN = 0.01  # the share of a memory that is left after the longest period
_EPSILON = 1e-5


@dataclasses.dataclass(frozen=True, repr=False)
class FFM(AffineCell):
    """Fast and forgetful memory: traces of the input, each decaying at its rate and turning at several frequencies.

        u  = (W_u x + b_u) * i,   i = sigmoid(W_i x + b_i)
        S' = exp(-r + j w) * S + u                      (complex; r for each row, w for each column, u the same in all)
        z  = W_o [Re S', Im S'] + b_o
        y  = o * norm(z) + (1 - o) * (W_k x + b_k),   o = sigmoid(W x + b)

    Morad, Kortvelesy, Liwicki & Prorok 2023, arXiv:2310.04128. `norm` is a layer normalisation without parameters,
    epsilon 1e-5.

    Parameters: `kernel [in_features, 2 * memory_features + 2 * features]` and `bias`, with the blocks W_u
    (`memory_features` wide), W_k (`features`), W_i (`memory_features`) and W (`features`); `rate_log
    [memory_features]`, r = exp(rate_log); `frequency [context_features]`, the w; `output_kernel [2 * memory_features *
    context_features, features]`, rows of real parts first, and `output_bias [features]`.

    As in the authors' code, rates start evenly spaced from log(2) - 0.02, the fastest that its sums over 1024 steps
    admit, to where a hundredth is left after `max_period` steps; frequencies at 2 pi over evenly spaced periods;
    kernels and biases uniform within 1/sqrt(rows of the kernel). There, rates are clipped to such as it admits; here
    they are positive by their logarithm.

    The FFM of memax 0.1.1 departs from the paper: it has no W_k x + b_k but the input itself, and normalises o * z.

    Args:
      features: width of the outputs.
      memory_features: rows of the memory, the paper's m.
      context_features: columns of the memory, the paper's c.
      min_period: shortest initial period, in steps.
      max_period: longest initial period, in steps.
      precision: the dtype policy.

    Raises:
      InputError: a field out of range; in `init`, a width that is no positive int.
    """

    gates: ClassVar = ("input", "output")
    equation: ClassVar = "S' = exp(-r+jw)*S + i*Wx;  y = o*norm(W_o S') + (1-o)*(W_k x+b)"
    source: ClassVar = "Morad, Kortvelesy, Liwicki & Prorok 2023, arXiv:2310.04128"

    _: dataclasses.KW_ONLY
    memory_features: int = 32
    context_features: int = 4
    min_period: float = 1.0
    max_period: float = 1024.0

    def __post_init__(self):
        super().__post_init__()
        for field in ("memory_features", "context_features"):
            given = getattr(self, field)
            valid = isinstance(given, int) and not isinstance(given, bool) and given >= 1
            check(valid, f"FFM.{field}", given, "a positive int")
        check(self.min_period >= 1, "FFM.min_period", self.min_period, "a number >= 1")
        valid = self.max_period >= max(self.min_period, 8)  # below, the slowest rate is faster than the fastest
        check(valid, "FFM.max_period", self.max_period, f"a number >= 8 and >= min_period={self.min_period}")

    @property
    def dynamics(self) -> FFM:
        return dataclasses.replace(self, min_period=1.0, max_period=1024.0)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        inputs, dtype = checked_width(in_features), self.precision.dtype("params")
        wide = jnp.promote_types(dtype, jnp.float32)
        rows, columns = self.memory_features, self.context_features
        keys = jax.random.split(key, 4)
        width, states = 2 * rows + 2 * self.features, 2 * rows * columns
        slowest = -math.log(_FORGOTTEN) / self.max_period
        periods = jnp.linspace(self.min_period, self.max_period, columns, dtype=wide)
        return {
            "kernel": Uniform(inputs**-0.5)(keys[0], (inputs, width), dtype),
            "bias": Uniform(inputs**-0.5)(keys[1], (width,), dtype),
            "rate_log": jnp.log(jnp.linspace(_FASTEST, slowest, rows, dtype=wide)).astype(dtype),
            "frequency": (2 * math.pi / periods).astype(dtype),
            "output_kernel": Uniform(states**-0.5)(keys[2], (states, self.features), dtype),
            "output_bias": Uniform(states**-0.5)(keys[3], (self.features,), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ComplexState:
        width = self.memory_features * self.context_features
        return ComplexState(self.zeros(batch_shape, width), self.zeros(batch_shape, width))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        rates = jnp.exp(params["rate_log"].astype(self.state_dtype))[:, None]
        angles = params["frequency"].astype(self.state_dtype)
        left = jnp.exp(-rates)
        return weights | {"real": (left * jnp.cos(angles)).ravel(), "imag": (left * jnp.sin(angles)).ravel()}

    def project(self, weights, xs):
        blocks = dot_inputs(xs, weights["kernel"]) + weights["bias"]
        rows, width = self.memory_features, self.features
        u, through, i, o = jnp.split(blocks, [rows, rows + width, 2 * rows + width], axis=-1)
        return {"memory": u, "through": through, "input": i, "output": o}

    def gate_values(self, weights, carry, drive):
        del weights, carry
        return {gate: jax.nn.sigmoid(drive[gate]) for gate in self.gates}

    def affine(self, weights, drive):
        written = (drive["memory"] * jax.nn.sigmoid(drive["input"])).astype(self.state_dtype)
        term = jnp.repeat(written, self.context_features, axis=-1)
        return affine.Complex(weights["real"], weights["imag"], term, jnp.zeros_like(term))

    def readout(self, weights, carry, drive):
        z = dot(jnp.concatenate(carry, axis=-1), weights["output_kernel"]) + weights["output_bias"]
        apart = z.astype(self.state_dtype) - z.mean(-1, keepdims=True, dtype=self.state_dtype)
        norm = (apart * jax.lax.rsqrt(jnp.mean(apart**2, -1, keepdims=True) + _EPSILON)).astype(z.dtype)
        o = jax.nn.sigmoid(drive["output"])
        return o * norm + (1 - o) * drive["through"]
