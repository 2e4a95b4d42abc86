"""The echo state network: a reservoir of fixed weights, and the ridge regression that trains its readout."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell
from rnnjax.errors import InputError, check
from rnnjax.kernel import dot

Array = jax.Array

_SQUARINGS = 24  # the matrix is raised to the power of 2^24


class EchoStateState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class EchoState(UnitCell):
    """Echo state network: a sparse random reservoir that is not trained, of leaky units.

        h' = (1 - leak) * h + leak * tanh(W x + U h + b)

    Jaeger 2001, GMD report 148; leaky units as in Jaeger et al. 2007, doi:10.1016/j.neunet.2007.04.016, and in the form
    of Lukosevicius 2012, doi:10.1007/978-3-642-35289-8_36. No parameter is trained: `fixed` names them all. What is
    trained is a linear readout of the states, in one go, by `ridge_readout`. With a spectral radius of U below 1 states
    mostly forget where they started (for zero input and no leak that is necessary; it is not sufficient), and the
    closer it is to 1 the longer they remember.

    Each unit sees `connections` others at random, however large the network is, with weights from U(-1, 1) that are
    then scaled together to the spectral radius; W and b are drawn from U(-input_scale, input_scale). Scaled is U alone,
    as in ReservoirPy: with a leak, the linearised step has the spectral radius of (1 - leak) I + leak U.

    Args:
      features: number of units.
      spectral_radius: largest modulus of an eigenvalue of U at the start.
      leak: share of a step's new value, in (0, 1].
      connections: units that each unit sees, at most all.
      input_scale: bound of the input weights and biases.
      precision: the dtype policy.

    Raises:
      InputError: a spectral radius below zero, a leak outside (0, 1], connections that are no positive int, an input
        scale that is not positive.
    """

    gates: ClassVar = ("candidate",)
    fixed: ClassVar = ("kernel", "recurrent_kernel", "bias")
    equation: ClassVar = "h' = (1-leak)*h + leak*tanh(Wx+Uh+b), all fixed"
    source: ClassVar = "Jaeger 2001, GMD report 148"
    verified: ClassVar = ("reservoirpy 0.4.2",)

    _: dataclasses.KW_ONLY
    spectral_radius: float = 0.9
    leak: float = 1.0
    connections: int = 10
    input_scale: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        for field, valid, expected in (
            ("spectral_radius", lambda given: given >= 0, "a number >= 0"),
            ("leak", lambda given: 0 < given <= 1, "a number in (0, 1]"),
            ("input_scale", lambda given: given > 0, "a number > 0"),
        ):
            given = getattr(self, field)
            number = isinstance(given, int | float) and not isinstance(given, bool)
            check(number and valid(given), f"EchoState.{field}", given, expected)
        given = self.connections
        valid = isinstance(given, int) and not isinstance(given, bool) and given >= 1
        check(valid, "EchoState.connections", given, "a positive int")

    @property
    def dynamics(self) -> EchoState:
        return dataclasses.replace(self, spectral_radius=0.9, connections=10, input_scale=1.0)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or isinstance(in_features, bool) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        wide = jnp.promote_types(dtype, jnp.float32)
        kernel_key, bias_key, weight_key, place_key = jax.random.split(key, 4)
        square = (self.features, self.features)
        rank = jnp.argsort(jnp.argsort(jax.random.uniform(place_key, square), axis=0), axis=0)
        weights = jax.random.uniform(weight_key, square, wide, -1.0, 1.0) * (rank < self.connections)
        uniform = lambda key, *shape: jax.random.uniform(  # noqa: E731
            key, shape, dtype, -self.input_scale, self.input_scale
        )
        return {
            "kernel": uniform(kernel_key, in_features, self.features),
            "recurrent_kernel": with_spectral_radius(weights, self.spectral_radius).astype(dtype),
            "bias": uniform(bias_key, self.features),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> EchoStateState:
        return EchoStateState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        return {"candidate": jnp.tanh(drive + dot(carry.h, weights["recurrent_kernel"]))}

    def recur(self, weights, carry, drive):
        h = self.gate_values(weights, carry, drive)["candidate"]
        if self.leak != 1:
            h = (1 - self.leak) * carry.h + self.leak * h
        return EchoStateState(h), h


def spectral_radius(matrix: Array) -> Array:
    """The largest modulus of an eigenvalue of a square matrix, as the limit of |A^k|^(1/k).

    A is squared again and again, with its size kept apart as a logarithm: that runs on every device, under `jit` and
    `vmap`, and also finds pairs of complex eigenvalues. Gelfand 1941.
    """
    log, power = jnp.zeros((), matrix.dtype), matrix
    for squaring in range(_SQUARINGS + 1):
        size = jnp.maximum(jnp.linalg.norm(power), jnp.finfo(matrix.dtype).tiny)
        log = log + jnp.log(size) / 2**squaring
        power = power / size
        power = jnp.matmul(power, power, precision="highest")
    return jnp.exp(log)


def with_spectral_radius(matrix: Array, radius: float) -> Array:
    """The matrix, scaled. One whose eigenvalues are all zero, which no factor helps, is left as it is."""
    own, size = spectral_radius(matrix), jnp.linalg.norm(matrix)
    none = own <= 1e-3 * size
    return matrix * jnp.where(none, 1.0, radius / jnp.where(none, 1.0, own))


def ridge_readout(states: Array, targets: Array, penalty: float | Array = 1e-6) -> tuple[Array, Array]:
    """The linear readout `states @ kernel + bias` that is closest to the targets, with a penalty on the kernel.

        minimise  sum of |states kernel + bias - targets|^2 + penalty |kernel|^2

    Solved by a QR decomposition of the centred states above sqrt(penalty) I, in one go; the bias is not penalised.
    Leave out the first steps of a sequence, in which the reservoir still remembers its start.

    Args:
      states: `[..., features]`, all leading axes being samples.
      targets: `[..., outputs]`, with the same leading axes.
      penalty: a number >= 0; zero only where the states determine the readout.

    Returns:
      `kernel [features, outputs]` and `bias [outputs]`, in the wider dtype of the two, and at least float32.

    Raises:
      InputError: leading axes that differ.
    """
    states, targets = jnp.asarray(states), jnp.asarray(targets)
    if states.shape[:-1] != targets.shape[:-1]:
        raise InputError("targets", f"shape {targets.shape}", f"the leading axes of states, {states.shape[:-1]}")
    dtype = jnp.promote_types(jnp.result_type(states, targets), jnp.float32)
    features, outputs = states.shape[-1], targets.shape[-1]
    samples = states.size // features
    states, targets = states.astype(dtype).reshape(samples, features), targets.astype(dtype).reshape(samples, outputs)
    state_mean, target_mean = states.mean(0), targets.mean(0)
    root = jnp.sqrt(jnp.asarray(penalty, dtype)) * jnp.eye(features, dtype=dtype)
    q, r = jnp.linalg.qr(jnp.concatenate([states - state_mean, root]))
    below = jnp.zeros((features, outputs), dtype)
    with jax.default_matmul_precision("highest"):
        right = q.T @ jnp.concatenate([targets - target_mean, below])
        kernel = jax.scipy.linalg.solve_triangular(r, right)
        return kernel, target_mean - state_mean @ kernel
