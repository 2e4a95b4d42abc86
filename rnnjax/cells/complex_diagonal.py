"""What LRU and S5 share: a complex diagonal recurrence between two real matrices."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import affine
from rnnjax.cells.affine import AffineCell
from rnnjax.errors import InputError
from rnnjax.initializers import Lecun, Normal
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class ComplexState(NamedTuple):
    """The real and the imaginary part of the state, `[*batch, state_features]`."""

    real: Array
    imag: Array


@dataclasses.dataclass(frozen=True, repr=False)
class ComplexDiagonalCell(AffineCell, abc.ABC):
    """A cell `s' = A s + B x`, `y = c Re(C s') + D x` with a complex diagonal A, in real arithmetic throughout.

    Parameters besides those of A: `kernel_real` and `kernel_imag [in_features, state_features]`, the B;
    `output_kernel_real` and `output_kernel_imag [state_features, features]`, the C; `skip`, the D: `[features]` if the
    inputs are that wide, and `[in_features, features]` otherwise. There is no non-linearity inside.

    Args:
      features: width of the outputs.
      state_features: number of complex units of the state; `None` means `features`.
      precision: the dtype policy.

    Raises:
      InputError: features or state features that are no positive int.
    """

    readout_factor: ClassVar[float] = 1.0

    _: dataclasses.KW_ONLY
    state_features: int | None = None

    def __post_init__(self):
        super().__post_init__()
        given, name = self.state_features, f"{type(self).__name__}.state_features"
        if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
            raise InputError(name, given, "a positive int, or None")

    @property
    def state_width(self) -> int:
        """The number of complex units of the state."""
        return self.state_features or self.features

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ComplexState:
        return ComplexState(self.zeros(batch_shape, self.state_width), self.zeros(batch_shape, self.state_width))

    @abc.abstractmethod
    def discretise(self, params: dict[str, Array]) -> tuple[Array, Array, Array, Array]:
        """The diagonal of A and the factor of each row of B, real and imaginary parts, from wide parameters."""

    def prepare(self, params, *, key=None, batch_shape=()):
        del key, batch_shape
        wide = {name: leaf.astype(self.state_dtype) for name, leaf in params.items()}
        real, imag, scale_real, scale_imag = self.discretise(wide)
        kernel_real, kernel_imag = wide["kernel_real"], wide["kernel_imag"]
        kernel = [
            kernel_real * scale_real - kernel_imag * scale_imag,
            kernel_real * scale_imag + kernel_imag * scale_real,
        ]
        output_kernel = [wide["output_kernel_real"], -wide["output_kernel_imag"]]
        dtype = self.precision.dtype("compute")
        return {
            "real": real,
            "imag": imag,
            "kernel": jnp.concatenate(kernel, axis=1).astype(dtype),
            "output_kernel": (self.readout_factor * jnp.concatenate(output_kernel)).astype(dtype),
            "skip": params["skip"].astype(dtype),
        }

    def project(self, weights, xs):
        xs, skip = xs.astype(self.precision.dtype("compute")), weights["skip"]
        real, imag = jnp.split(dot_inputs(xs, weights["kernel"]), 2, axis=-1)
        return {"real": real, "imag": imag, "skip": xs @ skip if skip.ndim == 2 else xs * skip}

    def affine(self, weights, drive):
        terms = (drive[part].astype(self.state_dtype) for part in ("real", "imag"))
        return affine.Complex(weights["real"], weights["imag"], *terms)

    def readout(self, weights, carry, drive):
        return dot(jnp.concatenate(carry, axis=-1), weights["output_kernel"]) + drive["skip"]


def initial_skip(key: Array, in_features: int, features: int, dtype) -> Array:
    """D ~ N(0, 1) unit by unit where inputs and outputs are equally wide, else a LeCun-normal matrix."""
    if in_features == features:
        return Normal(1.0)(key, (features,), dtype)
    return Lecun()(key, (in_features, features), dtype)
