"""Linear teachers, and students that learn them: a dense network, a linear recurrent unit, and what lies between."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import LRU, Elman, unroll
from rnnjax.cells.complex_diagonal import ComplexDiagonalCell

PHASE = 3.14  # the largest phase of an eigenvalue in the published code, which is not quite pi

RNN, LADDER = "dense", ("block-diagonal", "more units", "complex diagonal", "normalised", "LRU")
"""The dense network, and what leads from it to the LRU, as in the paper's ablation."""

REAL = (RNN, "block-diagonal", "more units")


@dataclasses.dataclass(frozen=True, repr=False)
class ComplexDiagonal(ComplexDiagonalCell):
    """An LRU whose parameters are the real and imaginary parts of its eigenvalues: `lambda_real`, `lambda_imag`.

    Args:
      normalised: whether inputs are multiplied by `gamma`, which starts at sqrt(1 - |lambda|^2) and is then free.
      r_min: smallest initial |lambda|.
    """

    normalised: bool = False
    r_min: float = 0.0

    def init(self, key: jax.Array, in_features: int) -> dict[str, jax.Array]:
        params = LRU(self.features, state_features=self.state_width, r_min=self.r_min).init(key, in_features)
        radius, phase = jnp.exp(-jnp.exp(params.pop("nu_log"))), jnp.exp(params.pop("theta_log"))
        gamma = {"gamma": jnp.exp(params.pop("gamma_log"))}
        params |= {"lambda_real": radius * jnp.cos(phase), "lambda_imag": radius * jnp.sin(phase)}
        return params | (gamma if self.normalised else {})

    def discretise(self, params):
        real = params["lambda_real"]
        gamma = params["gamma"] if self.normalised else jnp.ones_like(real)
        return real, params["lambda_imag"], gamma, jnp.zeros_like(gamma)


class Student(NamedTuple):
    """A kind of student: hashable, so that it is a static argument.

    Attributes:
      name: one of `RNN` and `LADDER`.
      features: of the whole state.
      heads: how many networks make up a dense or block-diagonal one.
    """

    name: str
    features: int
    heads: int = 1


def student(name: str, features: int) -> Student:
    """The student of a name. Blocks are 2 x 2: a complex unit is such a block, of a special form."""
    if name == "block-diagonal":
        return Student(name, features, features // 2)
    return Student(name, 2 * features, features) if name == "more units" else Student(name, features)


def initial_params(kind: Student, key: jax.Array, memory: float) -> dict[str, Any]:
    """The parameters that the published code starts from."""
    keys = jax.random.split(key, 6)
    if kind.name in REAL:
        lecun, width = jax.nn.initializers.lecun_normal(), kind.features // kind.heads
        rng = np.random.default_rng(np.asarray(jax.random.key_data(keys[0])))
        blocks = [squashed(rng.standard_normal((width, width)) / math.sqrt(width), 0.0) for _ in range(kind.heads)]
        kernel = lecun(keys[1], (1, kind.features))
        return {
            "recurrent_kernel": jnp.asarray(np.stack(blocks), jnp.float32),
            "kernel": jnp.moveaxis(kernel.reshape(1, kind.heads, width), 1, 0),
            "output": lecun(keys[2], (kind.features, 1)),
            "skip": lecun(keys[3], (1, 1)),
        }
    params = complex_cell(kind, memory).init(keys[0], 1)
    for i, name in enumerate(("kernel", "output_kernel")):
        scale = 1 / math.sqrt(kind.features) if name == "kernel" else 1.0
        for part, own in zip(("real", "imag"), jax.random.split(keys[1 + i]), strict=True):
            params[f"{name}_{part}"] = scale * jax.random.normal(own, params[f"{name}_{part}"].shape)
    return params


def complex_cell(kind: Student, memory: float = 0.0) -> LRU | ComplexDiagonal:
    """The cell of a complex diagonal student, whose eigenvalues start with moduli from `memory` to 1."""
    if kind.name == "LRU":
        return LRU(1, state_features=kind.features, r_min=memory)
    return ComplexDiagonal(1, state_features=kind.features, normalised=kind.name == "normalised", r_min=memory)


def outputs(kind: Student, params: dict[str, Any], xs: jax.Array) -> jax.Array:
    """`[batch, time, 1]` of inputs of that shape: a linear recurrence, a linear readout, and the inputs themselves."""
    if kind.name not in REAL:
        return unroll(complex_cell(kind), params, xs)[1]
    width = kind.features // kind.heads
    cell = Elman(width, activation="identity")
    states = lambda own: unroll(cell, {**own, "bias": jnp.zeros(width)}, xs)[1]  # noqa: E731
    heads = jax.vmap(states, out_axes=-2)({name: params[name] for name in ("kernel", "recurrent_kernel")})
    return heads.reshape(*heads.shape[:-2], -1) @ params["output"] + xs @ params["skip"]


def squashed(matrix: np.ndarray, least: float) -> np.ndarray:
    """The matrix with moduli of eigenvalues brought to `least` + (1 - `least`) tanh of them."""
    values, vectors = np.linalg.eig(matrix)
    moduli = least + (1 - least) * np.tanh(np.abs(values))
    values = moduli * np.exp(1j * np.angle(values) * PHASE / np.pi)
    return (vectors @ np.diag(values) @ np.linalg.inv(vectors)).real


def teacher(seed: int, features: int, memory: float) -> dict[str, np.ndarray]:
    """A dense linear system: `a [n, n]`, `b [n]`, `c [n]` and the direct way `d`."""
    rng = np.random.default_rng((seed, 1))
    a = squashed(rng.standard_normal((features, features)) / math.sqrt(features), memory)
    b, c, d = rng.standard_normal(features), rng.standard_normal(features) / math.sqrt(features), rng.standard_normal()
    return {name: np.asarray(value, np.float32) for name, value in dict(a=a, b=b, c=c, d=d).items()}


def sample(system: dict[str, Any], key: jax.Array, batch_size: int, length: int) -> tuple[jax.Array, jax.Array]:
    """White inputs and the teacher's answers, `[batch, time, 1]` each."""
    xs = jax.random.normal(key, (length, batch_size))

    def step(state, x):
        state = state @ system["a"].T + x[:, None] * system["b"]
        return state, state @ system["c"] + system["d"] * x

    _, ys = jax.lax.scan(step, jnp.zeros((batch_size, len(system["b"]))), xs)
    return xs.T[..., None], ys.T[..., None]
