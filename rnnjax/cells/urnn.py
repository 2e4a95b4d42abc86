"""The unitary evolution recurrent neural network."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.input_gated import InputPreset
from rnnjax.cells.orthogonal import OrthogonalCell
from rnnjax.errors import check
from rnnjax.initializers import Glorot
from rnnjax.kernel import dot

Array = jax.Array


class URNNState(NamedTuple):
    """`h`: output of the last step, `[*batch, 2 * features]`: all real parts, then all imaginary parts."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class URNN(OrthogonalCell):
    """Unitary evolution network: complex units, and a recurrent matrix that is a product of simple unitary ones.

        h' = modReLU(U h + W x)                                   (complex)
        U  = D3 R2 F^-1 D2 P R1 F D1
        modReLU(a) = a / |a| * relu(|a| + b)

    Arjovsky, Shah & Bengio 2016, arXiv:1511.06464. D are diagonal matrices of phases exp(i w), R = I - 2 v v* / |v|^2
    reflections, F is the unitary Fourier transform, P a permutation that is drawn once and never trained. `features`
    counts complex units; the output is real and imaginary parts side by side, twice as wide. Parameters: `kernel
    [in_features, 2 * features]`, real and imaginary parts of W, `bias [features]`, the b, `phases [3, features]`,
    `reflections_real` and `reflections_imag [2, features]`.

    The seven factors are multiplied out once a sequence, so that a step is one real product, and complex numbers stay
    out of the loop; one by one they would take fewer operations for many units.

    The start is that of the paper: real and imaginary part of W Glorot-uniform, b = 0, phases from U(-pi, pi), entries
    of v from U(-1, 1). The paper also learns the state before the first step; here it is zero, like that of every cell.
    In the authors' code as it was left both Fourier transforms are commented out.

    Args:
      seed: draws the permutation, which belongs to the configuration as the width does.

    Raises:
      InputError: a seed that is no int from 0 to 2^32 - 1.
    """

    equation: ClassVar = "h' = modReLU(D3 R2 F^-1 D2 P R1 F D1 h + Wx)"
    source: ClassVar = "Arjovsky, Shah & Bengio 2016, arXiv:1511.06464"
    start: ClassVar = InputPreset(Glorot())

    _: dataclasses.KW_ONLY
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.seed, int) and not isinstance(self.seed, bool) and 0 <= self.seed < 2**32
        check(valid, "URNN.seed", self.seed, "an int from 0 to 2^32 - 1")

    @property
    def output_features(self) -> int:
        return 2 * self.features

    @property
    def permutation(self) -> np.ndarray:
        """P: unit k of the permuted vector is unit permutation[k] of the other."""
        return np.random.RandomState(self.seed).permutation(self.features)  # a stream that NumPy never changes

    def _kernel(self, initializer, key, width, dtype):
        keys = jax.random.split(key)
        parts = [initializer.blocks(k, self.gates, (width, self.features), dtype) for k in keys]
        return jnp.concatenate(parts, axis=-1)

    def initial_transition(self, key, dtype):
        keys = jax.random.split(key, 3)
        vectors = (2, self.features)
        return {
            "phases": jax.random.uniform(keys[0], (3, self.features), dtype, -math.pi, math.pi),
            "reflections_real": jax.random.uniform(keys[1], vectors, dtype, -1.0, 1.0),
            "reflections_imag": jax.random.uniform(keys[2], vectors, dtype, -1.0, 1.0),
        }

    def transition(self, params):
        phases = jax.lax.complex(jnp.cos(params["phases"]), jnp.sin(params["phases"]))
        vectors = jax.lax.complex(params["reflections_real"], params["reflections_imag"])
        matrix = jnp.diag(phases[0])
        matrix = _reflected(jnp.fft.fft(matrix, axis=0, norm="ortho"), vectors[0])
        matrix = phases[1][:, None] * matrix[self.permutation]
        matrix = _reflected(jnp.fft.ifft(matrix, axis=0, norm="ortho"), vectors[1])
        matrix = (phases[2][:, None] * matrix).T
        real, imag = jnp.real(matrix), jnp.imag(matrix)
        return jnp.block([[real, imag], [-imag, real]])

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> URNNState:
        return URNNState(self.zeros(batch_shape, 2 * self.features))

    def gate_values(self, weights, carry, drive):
        a = drive["candidate"] + dot(carry.h, weights["recurrent_kernel"])
        real, imag = jnp.split(a, 2, axis=-1)
        square = real**2 + imag**2
        modulus = jnp.sqrt(jnp.where(square > 0, square, 1.0))  # at zero neither a direction nor a slope exists
        share = jnp.where(square > 0, jax.nn.relu(modulus + weights["bias"]) / modulus, 0.0)
        return {"candidate": a * jnp.concatenate([share, share], axis=-1)}

    def recur(self, weights, carry, drive):
        h = self.gate_values(weights, carry, drive)["candidate"]
        return URNNState(h), h


def _reflected(matrix: Array, vector: Array) -> Array:
    """(I - 2 v v* / |v|^2) M."""
    along = jnp.sum(jnp.conj(vector)[:, None] * matrix, axis=0)
    square = jnp.sum(jnp.real(vector) ** 2 + jnp.imag(vector) ** 2)
    return matrix - (2 / square) * vector[:, None] * along
