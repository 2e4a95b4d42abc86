"""The linear recurrent unit."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.complex_diagonal import ComplexDiagonalCell, initial_skip
from rnnjax.errors import InputError, check
from rnnjax.initializers import Normal, Ring, check_ring

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class LRU(ComplexDiagonalCell):
    """Linear recurrent unit.

        s' = a * s + gamma * (B x),   a = exp(-exp(nu) + i exp(theta))      (complex)
        y  = Re(C s') + D x

    Orvieto et al. 2023, arXiv:2303.06349. |a| < 1 whatever nu is. Parameters: `nu_log`, `theta_log` and `gamma_log
    [state_features]`, and B, C, D as in every `ComplexDiagonalCell`.

    The eigenvalues a start uniform by area on a ring, r_min <= |a| <= r_max, with phases below `max_phase`; gamma
    starts at sqrt(1 - |a|^2), which keeps the state's size whatever |a| is, and is then free; real and imaginary parts
    of B are N(0, 1/(2 in_features)), those of C N(0, 1/state_features), and D is N(0, 1).

    Args:
      features: width of the outputs.
      state_features: number of complex units of the state; `None` means `features`.
      r_min: smallest initial |a|.
      r_max: largest initial |a|.
      max_phase: largest initial phase of a, in radians.
      precision: the dtype policy.
    """

    equation: ClassVar = "s' = a*s + gamma*Bx;  y = Re(Cs') + Dx"
    source: ClassVar = "Orvieto et al. 2023, arXiv:2303.06349"

    _: dataclasses.KW_ONLY
    r_min: float = 0.0
    r_max: float = 1.0
    max_phase: float = 2 * math.pi

    def __post_init__(self):
        super().__post_init__()
        check_ring("LRU", self.r_min, self.r_max)
        check(0 < self.max_phase <= 2 * math.pi, "LRU.max_phase", self.max_phase, "a number in (0, 2 pi]")

    @property
    def dynamics(self) -> LRU:
        return dataclasses.replace(self, r_min=0.0, r_max=1.0, max_phase=2 * math.pi)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype, width = self.precision.dtype("params"), self.state_width
        wide = jnp.promote_types(dtype, jnp.float32)
        keys = jax.random.split(key, 7)
        rates = Ring(self.r_min, self.r_max)(keys[0], (width,), wide)
        phases = self.max_phase * (1.0 - jax.random.uniform(keys[1], (width,), wide))  # above zero
        b, c = Normal((2 * in_features) ** -0.5), Normal(width**-0.5)
        return {
            "nu_log": jnp.log(rates).astype(dtype),
            "theta_log": jnp.log(phases).astype(dtype),
            "gamma_log": (0.5 * jnp.log(-jnp.expm1(-2 * rates))).astype(dtype),
            "kernel_real": b(keys[2], (in_features, width), dtype),
            "kernel_imag": b(keys[3], (in_features, width), dtype),
            "output_kernel_real": c(keys[4], (width, self.features), dtype),
            "output_kernel_imag": c(keys[5], (width, self.features), dtype),
            "skip": initial_skip(keys[6], in_features, self.features, dtype),
        }

    def discretise(self, params):
        radius, phase = jnp.exp(-jnp.exp(params["nu_log"])), jnp.exp(params["theta_log"])
        gamma = jnp.exp(params["gamma_log"])
        return radius * jnp.cos(phase), radius * jnp.sin(phase), gamma, jnp.zeros_like(gamma)
