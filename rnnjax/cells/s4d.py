"""The diagonal state spaces of S4D, one for each feature."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import affine
from rnnjax.cells.affine import AffineCell
from rnnjax.cells.complex_diagonal import ComplexState
from rnnjax.cells.s5 import hippo_normal
from rnnjax.errors import check, check_choice
from rnnjax.initializers import Lecun
from rnnjax.inputs import checked_width
from rnnjax.kernel import dot_inputs

Array = jax.Array

_SPECTRA = ("lin", "inv", "legs")


@dataclasses.dataclass(frozen=True, repr=False)
class S4D(AffineCell):
    """A diagonal state space for each feature by itself, half of a conjugate-symmetric state.

        a_hn = exp(L_hn D_h),  s_hn' = a_hn * s_hn + ((a_hn - 1) / L_hn) * x_h      (complex; D: a step size a feature)
        y_h  = 2 Re(sum_n C_hn s_hn') + K_h x_h

    Gu, Gupta, Goel & Re 2022, arXiv:2206.11893, with zero-order hold and B = 1, which C makes up for. The non-linearity
    and the mixing of features after the state space are not part of the cell. Inputs are as wide as the outputs; those
    of another width go through `input_kernel [in_features, features]` first, which the paper has no need of.

    Parameters: `eigenvalue_real_log` and `eigenvalue_imag [features, state_features]`, L = -exp(real_log) + i imag, so
    that all states decay; `log_step [features]`; `output_kernel_real` and `output_kernel_imag [features,
    state_features]`, the C; `skip [features]`, the K; `input_kernel`, LeCun-normal, where widths differ.

    As in the authors' code, real parts start at -1/2 and imaginary ones as `spectrum` says, C is complex normal of
    variance 1, step sizes are log-uniform between `dt_min` and `dt_max`, and K is N(0, 1).

    Args:
      features: width of the outputs.
      state_features: complex units of each feature's state, each of which stands for a conjugate pair: half of the
        paper's N, which is 64.
      spectrum: where the imaginary parts start, n counting from 0: "lin" for pi n; "inv" for (N / pi) (N / (2 n + 1) -
        1); "legs" for those of the normal part of the HiPPO-LegS matrix.
      dt_min: smallest initial step size.
      dt_max: largest initial step size.
      precision: the dtype policy.

    Raises:
      InputError: a field out of range; in `init`, a width that is no positive int.
    """

    equation: ClassVar = "a = exp(L*D);  s' = a*s + (a-1)/L*x;  y = 2*Re(Cs') + Kx, each feature by itself"
    source: ClassVar = "Gu, Gupta, Goel & Re 2022, arXiv:2206.11893"

    _: dataclasses.KW_ONLY
    state_features: int = 32
    spectrum: str = "lin"
    dt_min: float = 0.001
    dt_max: float = 0.1

    def __post_init__(self):
        super().__post_init__()
        given = self.state_features
        valid = isinstance(given, int) and not isinstance(given, bool) and given >= 1
        check(valid, "S4D.state_features", given, "a positive int")
        check_choice("S4D.spectrum", self.spectrum, _SPECTRA)
        check(0 < self.dt_min, "S4D.dt_min", self.dt_min, "a number > 0")
        check(self.dt_min <= self.dt_max, "S4D.dt_max", self.dt_max, f"a number >= dt_min={self.dt_min}")

    @property
    def dynamics(self) -> S4D:
        return dataclasses.replace(self, spectrum="lin", dt_min=0.001, dt_max=0.1)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        inputs, dtype = checked_width(in_features), self.precision.dtype("params")
        wide = jnp.promote_types(dtype, jnp.float32)
        shape = self.features, self.state_features
        step_key, real_key, imag_key, skip_key, input_key = jax.random.split(key, 5)
        low, high = math.log(self.dt_min), math.log(self.dt_max)
        part = lambda key: math.sqrt(0.5) * jax.random.normal(key, shape, dtype)  # noqa: E731
        params = {
            "eigenvalue_real_log": jnp.full(shape, math.log(0.5), dtype),
            "eigenvalue_imag": jnp.broadcast_to(jnp.asarray(self._frequencies(), dtype), shape),
            "log_step": jax.random.uniform(step_key, (self.features,), wide, low, high).astype(dtype),
            "output_kernel_real": part(real_key),
            "output_kernel_imag": part(imag_key),
            "skip": jax.random.normal(skip_key, (self.features,), dtype),
        }
        if inputs != self.features:
            params["input_kernel"] = Lecun()(input_key, (inputs, self.features), dtype)
        return params

    def _frequencies(self) -> np.ndarray:
        count, n = 2 * self.state_features, np.arange(self.state_features)
        if self.spectrum == "lin":
            return np.pi * n
        if self.spectrum == "inv":
            return count / np.pi * (count / (2 * n + 1) - 1)
        return np.imag(hippo_normal(count)[0])[self.state_features :]

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ComplexState:
        width = self.features * self.state_features
        return ComplexState(self.zeros(batch_shape, width), self.zeros(batch_shape, width))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        wide = {name: leaf.astype(self.state_dtype) for name, leaf in params.items()}
        real, imag, step = -jnp.exp(wide["eigenvalue_real_log"]), wide["eigenvalue_imag"], jnp.exp(wide["log_step"])
        held = _zero_order_hold(real, imag, step[:, None])
        return {
            **dict(zip(("real", "imag", "scale_real", "scale_imag"), held, strict=True)),
            "output_real": 2 * weights["output_kernel_real"],
            "output_imag": -2 * weights["output_kernel_imag"],
            **{name: weights[name] for name in ("skip", "input_kernel") if name in weights},
        }

    def project(self, weights, xs):
        xs = xs.astype(self.precision.dtype("compute"))
        return {"x": dot_inputs(xs, weights["input_kernel"]) if "input_kernel" in weights else xs}

    def affine(self, weights, drive):
        x = drive["x"].astype(self.state_dtype)[..., None]
        terms = (_flat(weights[part] * x) for part in ("scale_real", "scale_imag"))
        return affine.Complex(_flat(weights["real"]), _flat(weights["imag"]), *terms)

    def readout(self, weights, carry, drive):
        dtype = self.precision.dtype("compute")
        real, imag = (part.astype(dtype).reshape(*part.shape[:-1], self.features, -1) for part in carry)
        mixed = jnp.sum(real * weights["output_real"] + imag * weights["output_imag"], axis=-1)
        return mixed + weights["skip"] * drive["x"]


def _zero_order_hold(real: Array, imag: Array, step: Array) -> tuple[Array, Array, Array, Array]:
    """exp(L D) and (exp(L D) - 1) / L of complex L, real and imaginary parts."""
    grown, angle = jnp.expm1(step * real), step * imag
    a_real, a_imag = (grown + 1) * jnp.cos(angle), (grown + 1) * jnp.sin(angle)
    less_one = grown * jnp.cos(angle) - 2 * jnp.sin(angle / 2) ** 2  # a_real - 1, which would lose its digits
    square = real**2 + imag**2
    return a_real, a_imag, (less_one * real + a_imag * imag) / square, (a_imag * real - less_one * imag) / square


def _flat(parts: Array) -> Array:
    """The last two axes as one."""
    return parts.reshape(*parts.shape[:-2], -1)
