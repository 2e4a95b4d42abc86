"""The Legendre memory unit."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cell import UnitCell
from rnnjax.errors import check
from rnnjax.initializers import Glorot, Initializer, Lecun
from rnnjax.inputs import checked_width
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class LMUState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`; `memory`: Legendre coefficients, `[*batch, order]`."""

    h: Array
    memory: Array


@dataclasses.dataclass(frozen=True, repr=False)
class LMU(UnitCell):
    """Legendre memory unit: a nonlinear layer beside a fixed linear memory of a window of its own input.

        u  = e_x x + e_h h + e_m m                             (one number)
        m' = A m + B u
        h' = tanh(W x + U h + V m')

    Voelker, Kajic & Eliasmith 2019, NeurIPS 32:15544. A and B are the exact step, over one unit of time with u held
    constant (zero-order hold), of the system whose state is the best approximation, in Legendre polynomials of degree
    below `order`, of the last `theta` steps of u:

        theta dm/dt = A~ m + B~ u,   A~_ij = (2i + 1) (-1 if i < j else (-1)^(i - j + 1)),   B~_i = (2i + 1) (-1)^i

    They follow from the configuration, and are no parameters. Parameters: `kernel [in_features, features]`,
    `recurrent_kernel [features, features]`, `memory_kernel [order, features]`, the W, U and V; `input_encoder
    [in_features, 1]`, `hidden_encoder [features, 1]`, `memory_encoder [order, 1]`, the e. The cell has no bias, as in
    the paper.

    The start is that of the paper's code: e_x and e_h LeCun-uniform, e_m zero, W, U and V Glorot-normal. theta should
    be about as long as the dependencies, and order as large as theta times the highest frequency that matters.

    Args:
      order: number of polynomials.
      theta: length of the window, in steps; above zero.
      kernel_init: initialiser of W, U and V.
      encoder_init: initialiser of e_x and e_h.

    Raises:
      InputError: an order that is no positive int, a window that is not above zero, or something else than an
        initialiser.
    """

    recurrent_kernels: ClassVar = ("recurrent_kernel", "memory_kernel", "hidden_encoder", "memory_encoder")
    equation: ClassVar = "m' = Am + B(e_x x + e_h h + e_m m);  h' = tanh(Wx + Uh + Vm')"
    source: ClassVar = "Voelker, Kajic & Eliasmith 2019, NeurIPS 32:15544"

    _: dataclasses.KW_ONLY
    order: int = 16
    theta: float = 100.0
    kernel_init: Initializer = Glorot("normal")
    encoder_init: Initializer = Lecun("uniform")

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.order, int) and not isinstance(self.order, bool) and self.order >= 1
        check(valid, "LMU.order", self.order, "a positive int")
        check(self.theta > 0, "LMU.theta", self.theta, "a number > 0")
        for field in ("kernel_init", "encoder_init"):
            given = getattr(self, field)
            check(isinstance(given, Initializer), f"LMU.{field}", given, "an Initializer")

    @property
    def dynamics(self) -> LMU:
        return dataclasses.replace(self, kernel_init=Glorot("normal"), encoder_init=Lecun("uniform"))

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        width, dtype = checked_width(in_features), self.precision.dtype("params")
        keys = jax.random.split(key, 5)
        return {
            "kernel": self.kernel_init(keys[0], (width, self.features), dtype),
            "recurrent_kernel": self.kernel_init(keys[1], (self.features, self.features), dtype),
            "memory_kernel": self.kernel_init(keys[2], (self.order, self.features), dtype),
            "input_encoder": self.encoder_init(keys[3], (width, 1), dtype),
            "hidden_encoder": self.encoder_init(keys[4], (self.features, 1), dtype),
            "memory_encoder": jnp.zeros((self.order, 1), dtype),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LMUState:
        return LMUState(self.zeros(batch_shape), self.zeros(batch_shape, self.order))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        a, b = (jnp.asarray(array, self.precision.dtype("compute")) for array in memory_of(self.order, self.theta))
        return {
            "kernel": jnp.concatenate([weights["kernel"], weights["input_encoder"]], axis=-1),
            "recurrent_kernel": jnp.concatenate([weights["recurrent_kernel"], weights["hidden_encoder"]], axis=-1),
            "memory_kernel": weights["memory_kernel"],
            "memory_step": a.T + weights["memory_encoder"] * b,
            "memory_input": b,
        }

    def project(self, weights, xs):
        return dot_inputs(xs, weights["kernel"])

    def recur(self, weights, carry, drive):
        total = drive + dot(carry.h, weights["recurrent_kernel"])
        state, u = total[..., :-1], total[..., -1:]
        memory = dot(carry.memory, weights["memory_step"]) + u * weights["memory_input"]
        h = jnp.tanh(state + dot(memory, weights["memory_kernel"]))
        return LMUState(h, memory), h


@functools.lru_cache(maxsize=64)
def memory_of(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """A `[order, order]` and B `[order]` of the memory over one step, in double precision."""
    i, j = np.indices((order, order))
    scale = (2 * np.arange(order) + 1) / theta
    continuous = scale[:, None] * np.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    system = np.zeros((order + 1, order + 1))
    system[:order, :order], system[:order, order] = continuous, scale * (-1.0) ** np.arange(order)
    step = _exponential(system)
    return step[:order, :order], step[:order, order]


def _exponential(matrix: np.ndarray) -> np.ndarray:
    """The matrix exponential, by the Taylor series of a matrix small enough, and squaring."""
    norm = np.abs(matrix).sum(axis=0).max()
    squarings = max(0, int(np.ceil(np.log2(max(norm, 1e-300)))) + 1)  # to a norm of at most 1/2
    small = matrix / 2.0**squarings
    result = term = np.eye(len(matrix))
    for power in range(1, 19):  # 2^-18 / 18! is below the rounding of double precision
        term = term @ small / power
        result = result + term
    for _ in range(squarings):
        result = result @ result
    return result
