"""The diagonal state space of S5."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.complex_diagonal import ComplexDiagonalCell, initial_skip
from rnnjax.errors import InputError, check
from rnnjax.initializers import Lecun

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class S5(ComplexDiagonalCell):
    """Diagonal state space with many inputs and outputs, half of a conjugate-symmetric state.

        a  = exp(L D),  s' = a * s + ((a - 1) / L) * (B x)      (complex; D: a step size for each unit)
        y  = 2 Re(C s') + K x

    Smith, Warrington & Linderman 2023, arXiv:2208.04933, with zero-order hold. The non-linearity after the state space
    is not part of the cell. Parameters: `eigenvalue_real`, `eigenvalue_imag` (the L) and `log_step [state_features]`,
    and B, C, K as `kernel`, `output_kernel` and `skip` of every `ComplexDiagonalCell`.

    As in the authors' code, L starts at the eigenvalues, below the real axis, of the normal part of the HiPPO-LegS
    matrix, 2 state_features / blocks wide and repeated `blocks` times; B and C start LeCun-normal, brought to the basis
    of the eigenvectors V, as V^* B and C V; step sizes are log-uniform between `dt_min` and `dt_max`; K is N(0, 1).

    Args:
      features: width of the outputs.
      state_features: number of complex units of the state, each of which stands for a conjugate pair; `None` means
        `features`.
      blocks: number of HiPPO blocks; it divides the state's features.
      dt_min: smallest initial step size.
      dt_max: largest initial step size.
      step_rescale: multiplies all step sizes, for inputs that are sampled at another rate.
      precision: the dtype policy.
    """

    equation: ClassVar = "a = exp(L*D);  s' = a*s + (a-1)/L*Bx;  y = 2*Re(Cs') + Kx"
    source: ClassVar = "Smith, Warrington & Linderman 2023, arXiv:2208.04933"
    readout_factor: ClassVar = 2.0

    _: dataclasses.KW_ONLY
    blocks: int = 1
    dt_min: float = 0.001
    dt_max: float = 0.1
    step_rescale: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.blocks, int) and not isinstance(self.blocks, bool) and self.blocks >= 1
        expected = f"a positive int that divides the {self.state_width} features of the state"
        check(valid and self.state_width % self.blocks == 0, "S5.blocks", self.blocks, expected)
        check(0 < self.dt_min, "S5.dt_min", self.dt_min, "a number > 0")
        check(self.dt_min <= self.dt_max, "S5.dt_max", self.dt_max, f"a number >= dt_min={self.dt_min}")
        check(self.step_rescale > 0, "S5.step_rescale", self.step_rescale, "a number > 0")

    @property
    def dynamics(self) -> S5:
        return dataclasses.replace(self, blocks=1, dt_min=0.001, dt_max=0.1)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype, width = self.precision.dtype("params"), self.state_width
        wide = jnp.promote_types(dtype, jnp.float32)
        eigenvalues, vectors = hippo_normal(2 * width // self.blocks)
        half = width // self.blocks  # the eigenvalues come in conjugate pairs; the first half is below the real axis
        eigenvalues, vectors = np.tile(eigenvalues[:half], self.blocks), vectors[:, :half]

        def brought(kernel):
            """V^* applied to each block of the rows: `[2 * width, n] -> [width, n]`, real and imaginary part."""
            rows = kernel.reshape(self.blocks, 2 * half, -1)
            parts = [jnp.asarray(part, wide) for part in (np.real(vectors), -np.imag(vectors))]
            return [jnp.einsum("nh,bni->bhi", part, rows).reshape(width, -1) for part in parts]

        b_key, c_real_key, c_imag_key, skip_key, step_key = jax.random.split(key, 5)
        draw = lambda key, columns: Lecun()(key, (2 * width, columns), wide)  # noqa: E731
        b_real, b_imag = brought(draw(b_key, in_features))
        (real, turned_real), (imag, turned_imag) = (brought(draw(k, self.features)) for k in (c_real_key, c_imag_key))
        low, high = math.log(self.dt_min), math.log(self.dt_max)
        return {
            "eigenvalue_real": jnp.asarray(np.real(eigenvalues), dtype),
            "eigenvalue_imag": jnp.asarray(np.imag(eigenvalues), dtype),
            "log_step": jax.random.uniform(step_key, (width,), wide, low, high).astype(dtype),
            "kernel_real": b_real.T.astype(dtype),
            "kernel_imag": b_imag.T.astype(dtype),
            # C V = (C conj(V^*)): the parts of V are those of V^*, the imaginary one with its sign turned back.
            "output_kernel_real": (real + turned_imag).astype(dtype),
            "output_kernel_imag": (imag - turned_real).astype(dtype),
            "skip": initial_skip(skip_key, in_features, self.features, dtype),
        }

    def discretise(self, params):
        real, imag = params["eigenvalue_real"], params["eigenvalue_imag"]
        step = self.step_rescale * jnp.exp(params["log_step"])
        grown, angle = jnp.expm1(step * real), step * imag
        a_real, a_imag = (grown + 1) * jnp.cos(angle), (grown + 1) * jnp.sin(angle)
        less_one = grown * jnp.cos(angle) - 2 * jnp.sin(angle / 2) ** 2  # a_real - 1, which would lose its digits
        square = real**2 + imag**2
        scale = (less_one * real + a_imag * imag) / square, (a_imag * real - less_one * imag) / square
        return a_real, a_imag, *scale


@functools.lru_cache(maxsize=16)
def hippo_normal(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, by imaginary part, and unitary eigenvectors of the normal part of the HiPPO-LegS matrix.

    The matrix is -sqrt((2 i + 1) (2 j + 1)) below the diagonal and -(i + 1) on it; adding a matrix of rank one leaves
    -1/2 on the diagonal, and a skew-symmetric rest. Gu et al. 2020, arXiv:2008.07669; 2022, arXiv:2206.11893.
    """
    root = np.sqrt(np.arange(n) + 0.5)
    outer = np.outer(root, root)
    skew = np.triu(outer, 1) - np.tril(outer, -1)
    imag, vectors = np.linalg.eigh(-1j * skew)
    return -0.5 + 1j * imag, vectors
