"""Initialisers of gate blocks: frozen values that print, compare, and draw one block or all blocks of a parameter.

A parameter of a gated cell is a matrix `[rows, gates * features]` or a vector `[gates * features]`. An initialiser
draws each gate's block by itself, so that `Orthogonal()` is orthogonal *per gate*; `Fused(...)` draws the whole
parameter at once, as some libraries do.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp

from rnnjax.errors import InputError, check, check_choice

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Initializer(abc.ABC):
    """Draws arrays from a key: `initializer(key, shape, dtype)` for one block, `.blocks(...)` for all gates."""

    @abc.abstractmethod
    def __call__(self, key: Array, shape: tuple[int, ...], dtype=jnp.float32) -> Array:
        """One block of the given shape."""

    def blocks(self, key: Array, gates: tuple[str, ...], shape: tuple[int, ...], dtype=jnp.float32) -> Array:
        """All gates' blocks, drawn independently and joined along the last axis: `[..., gates * shape[-1]]`."""
        keys = jax.random.split(key, len(gates))
        return jnp.concatenate([self(k, shape, dtype) for k in keys], axis=-1)


@dataclasses.dataclass(frozen=True)
class Constant(Initializer):
    """Every entry equal to `value`."""

    value: float = 0.0

    def __call__(self, key, shape, dtype=jnp.float32):
        del key
        return jnp.full(shape, self.value, dtype)


@dataclasses.dataclass(frozen=True)
class Normal(Initializer):
    """N(0, std^2)."""

    std: float = 0.01

    def __post_init__(self):
        check(self.std >= 0, "Normal.std", self.std, "a number >= 0")

    def __call__(self, key, shape, dtype=jnp.float32):
        return self.std * jax.random.normal(key, shape, dtype)


@dataclasses.dataclass(frozen=True)
class Uniform(Initializer):
    """The sum of `draws` independent draws of U(-bound, bound).

    Args:
      bound: half the width; `None` means 1/sqrt(features), features being the last axis of the block (PyTorch).
      draws: 2 gives the sum of PyTorch's two biases as one.
    """

    bound: float | None = None
    draws: int = 1

    def __post_init__(self):
        check(self.bound is None or self.bound >= 0, "Uniform.bound", self.bound, "a number >= 0, or None")
        check(self.draws >= 1, "Uniform.draws", self.draws, "an int >= 1")

    def __call__(self, key, shape, dtype=jnp.float32):
        bound = shape[-1] ** -0.5 if self.bound is None else self.bound
        return jax.random.uniform(key, (self.draws, *shape), dtype, -bound, bound).sum(0)


@dataclasses.dataclass(frozen=True)
class Glorot(Initializer):
    """Variance 2 / (fan_in + fan_out) of the block (Glorot & Bengio 2010, AISTATS, PMLR 9:249)."""

    distribution: Literal["uniform", "normal", "truncated_normal"] = "uniform"

    def __post_init__(self):
        check_choice("Glorot.distribution", self.distribution, ("uniform", "normal", "truncated_normal"))

    def __call__(self, key, shape, dtype=jnp.float32):
        check(len(shape) >= 2, "Glorot", f"shape {shape}", "a matrix; a vector has no fan-in and fan-out")
        return jax.nn.initializers.variance_scaling(1.0, "fan_avg", self.distribution)(key, shape, dtype)


@dataclasses.dataclass(frozen=True)
class Lecun(Initializer):
    """Variance 1 / fan_in of the block (LeCun et al. 1998, Efficient BackProp)."""

    distribution: Literal["uniform", "normal", "truncated_normal"] = "truncated_normal"

    def __post_init__(self):
        check_choice("Lecun.distribution", self.distribution, ("uniform", "normal", "truncated_normal"))

    def __call__(self, key, shape, dtype=jnp.float32):
        check(len(shape) >= 2, "Lecun", f"shape {shape}", "a matrix; a vector has no fan-in")
        return jax.nn.initializers.variance_scaling(1.0, "fan_in", self.distribution)(key, shape, dtype)


@dataclasses.dataclass(frozen=True)
class Orthogonal(Initializer):
    """`scale` times a uniformly drawn orthogonal matrix: W^T W = scale^2 I (Saxe et al. 2013, arXiv:1312.6120).

    A block of more axes, the kernel of a convolution, counts as the matrix of all axes but the last by the last.
    """

    scale: float = 1.0

    def __call__(self, key, shape, dtype=jnp.float32):
        check(len(shape) >= 2, "Orthogonal", f"shape {shape}", "a matrix; vectors have no orthogonal initialisation")
        wide = jnp.promote_types(dtype, jnp.float32)  # no QR decomposition exists in bfloat16 or float16
        return jax.nn.initializers.orthogonal(self.scale)(key, shape, wide).astype(dtype)


@dataclasses.dataclass(frozen=True)
class Identity(Initializer):
    """`scale` times the identity (Le, Jaitly & Hinton 2015, arXiv:1504.00941)."""

    scale: float = 1.0

    def __call__(self, key, shape, dtype=jnp.float32):
        del key
        square = len(shape) == 2 and shape[0] == shape[1]
        check(square, "Identity", f"shape {shape}", "a square block: it initialises recurrent kernels")
        return self.scale * jnp.eye(shape[0], dtype=dtype)


@dataclasses.dataclass(frozen=True)
class Fused(Initializer):
    """One draw for all gates together: the whole `[rows, gates * features]` matrix is one block.

    What Keras and Flax NNX do. An orthogonal matrix drawn so has *blocks* with E[W^T W] = I / gates: another
    experiment than `Orthogonal()` when it is gradients that are studied.
    """

    initializer: Initializer = Orthogonal()

    def __call__(self, key, shape, dtype=jnp.float32):
        return self.initializer(key, shape, dtype)

    def blocks(self, key, gates, shape, dtype=jnp.float32):
        return self.initializer(key, (*shape[:-1], len(gates) * shape[-1]), dtype)


@dataclasses.dataclass(frozen=True)
class PerGate(Initializer):
    """One initialiser for the named gates each, another for the rest.

    Args:
      gates: pairs of a gate's name and its initialiser.
      default: for gates that are not named; it may be `Fused`. In a cell's field `None` means that of the preset.
    """

    gates: tuple[tuple[str, Initializer], ...] = ()
    default: Initializer | None = None

    def over(self, default: Initializer) -> PerGate:
        """The same with a default for the gates that are not named, unless it has one."""
        return self if self.default is not None else dataclasses.replace(self, default=default)

    def __call__(self, key, shape, dtype=jnp.float32):
        return (self.default or Constant())(key, shape, dtype)

    def blocks(self, key, gates, shape, dtype=jnp.float32):
        unknown = [name for name, _ in self.gates if name not in gates]
        check(not unknown, "gate", unknown[0] if unknown else "", "one of " + ", ".join(gates))
        drawn = (self.default or Constant()).blocks(key, gates, shape, dtype)
        parts = dict(zip(gates, jnp.split(drawn, len(gates), axis=-1), strict=True))
        for name, initializer in self.gates:
            parts[name] = initializer(jax.random.fold_in(key, gates.index(name)), shape, dtype)
        return jnp.concatenate([parts[gate] for gate in gates], axis=-1)


@dataclasses.dataclass(frozen=True)
class Chrono(Initializer):
    """Gate biases for memories of up to `t_max` steps: b_f = log U(1, t_max - 1), b_i = -b_f, the others zero.

    The gate that keeps the state ("forget", or "update" in a GRU) gets b_f, the one that writes ("input") -b_f, unit
    by unit of the same draw. A "write" gate, of a cell that keeps what it does not write, gets -b_f by itself. Tallec &
    Ollivier 2018, arXiv:1804.11188.

    Args:
      t_max: the longest dependency, in steps; at least 3.
    """

    t_max: int

    def __post_init__(self):
        check(self.t_max >= 3, "Chrono.t_max", self.t_max, "a number of steps >= 3")

    def __call__(self, key, shape, dtype=jnp.float32):
        return jnp.log(jax.random.uniform(key, shape, dtype, 1.0, self.t_max - 1.0))

    def blocks(self, key, gates, shape, dtype=jnp.float32):
        if not {"forget", "update", "write"} & set(gates):
            raise InputError("Chrono", gates, 'a cell with a "forget" or "update" gate, or a "write" gate')
        bias = self(key, shape, dtype)
        parts = {"forget": bias, "update": bias, "input": -bias, "write": -bias}
        return jnp.concatenate([parts.get(gate, jnp.zeros(shape, dtype)) for gate in gates], axis=-1)


@dataclasses.dataclass(frozen=True)
class Ring(Initializer):
    """Decay rates -log r of radii r drawn uniformly by area from the ring r_min <= r <= r_max: r^2 is uniform.

    Where the moduli of the eigenvalues of a linear recurrence start. Orvieto et al. 2023, arXiv:2303.06349.

    Args:
      r_min: inner radius, in [0, r_max].
      r_max: outer radius, at most 1.
    """

    r_min: float = 0.0
    r_max: float = 1.0

    def __post_init__(self):
        check_ring("Ring", self.r_min, self.r_max)

    def __call__(self, key, shape, dtype=jnp.float32):
        wide = jnp.promote_types(dtype, jnp.float32)
        share = 1.0 - jax.random.uniform(key, shape, wide)  # in (0, 1]: no radius is zero
        squares = self.r_max**2 - share * (self.r_max**2 - self.r_min**2)
        tiny = jnp.finfo(wide).tiny
        return (-0.5 * jnp.log(jnp.clip(squares, tiny, 1.0 - jnp.finfo(wide).epsneg))).astype(dtype)


def check_ring(owner: str, r_min: float, r_max: float) -> None:
    """Checks the two radii of a ring, the fields `r_min` and `r_max` of an owner.

    Raises:
      InputError: naming the field.
    """
    check(0 < r_max <= 1, f"{owner}.r_max", r_max, "a number in (0, 1]")
    check(0 <= r_min <= r_max, f"{owner}.r_min", r_min, f"a number in [0, r_max={r_max}]")


Spec = Initializer | Mapping[str, "Initializer | float"] | None
"""What a cell's `*_init` field takes: an initialiser, a mapping from gate to initialiser or number, or `None`."""


def as_initializer(spec: Spec, argument: str, gates: tuple[str, ...]) -> Initializer | None:
    """What a cell's field means as a hashable value: a mapping becomes a `PerGate` without default.

    Raises:
      InputError: naming `argument`, if the spec is of another type or names a gate that the cell does not have.
    """
    if isinstance(spec, PerGate):
        for gate, _ in spec.gates:
            check_choice(f"{argument} gate", gate, gates)
    if spec is None or isinstance(spec, Initializer):
        return spec
    if not isinstance(spec, Mapping):
        raise InputError(argument, spec, "an Initializer, a mapping from gate to Initializer or number, or None")
    chosen = []
    for gate, value in spec.items():
        check_choice(f"{argument} gate", gate, gates)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = Constant(float(value))
        check(isinstance(value, Initializer), f"{argument}[{gate!r}]", value, "an Initializer or a number")
        chosen.append((gate, value))
    return PerGate(tuple(chosen))


def in_force(given: Spec, preset: Initializer) -> Initializer:
    """The initialiser to use where a field says `given` and the preset `preset`."""
    if isinstance(given, PerGate):
        return given.over(preset)
    return given if isinstance(given, Initializer) else preset
