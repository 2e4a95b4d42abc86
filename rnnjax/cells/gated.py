"""What all cells share whose gates read the input and the state through one affine map each."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell
from rnnjax.errors import InputError, check, check_choice
from rnnjax.initializers import (
    Constant,
    Fused,
    Glorot,
    Initializer,
    Lecun,
    Orthogonal,
    PerGate,
    Spec,
    Uniform,
    as_initializer,
    in_force,
)
from rnnjax.kernel import dot_inputs

Array = jax.Array


class Preset(NamedTuple):
    """Where the three kinds of parameters of a gated cell start from."""

    kernel: Initializer
    recurrent: Initializer
    bias: Initializer = Constant(0.0)


DEFAULT = Preset(Lecun(), Orthogonal())
TORCH = Preset(Uniform(), Uniform(), Uniform(draws=2))
KERAS = Preset(Fused(Glorot()), Fused(Orthogonal()))
FLAX = Preset(Lecun(), Orthogonal())


def with_bias(preset: Preset, **gates: float) -> Preset:
    """The preset with a constant bias for the named gates."""
    constants = tuple((gate, Constant(value)) for gate, value in gates.items())
    return preset._replace(bias=PerGate(constants, preset.bias))


@dataclasses.dataclass(frozen=True, repr=False)
class GatedCell(UnitCell):
    """A cell whose gates are functions of `x kernel + bias` and `h recurrent_kernel`, one block of columns a gate.

    Parameters: `kernel [in_features, gates * features]`, `recurrent_kernel [features, gates * features]`,
    `bias [gates * features]`, blocks in the order of `gates`. The drive is a dict of one array a gate: a loop that
    slices gates out of one array is two to three times slower on a CPU.

    Args:
      features: width of the state.
      preset: a distribution to start from, a key of the class's `presets`.
      kernel_init: initialiser of the input kernel, or a mapping from gate to initialiser; `None` is the preset's.
      recurrent_init: the same for the recurrent kernel.
      bias_init: the same for the bias; `{"forget": 1.0}` sets one gate's bias and leaves the others to the preset.
      precision: the dtype policy.

    Raises:
      InputError: features that are no positive int, an unknown preset or gate.
    """

    presets: ClassVar[dict[str, Preset]] = {"default": DEFAULT, "torch": TORCH, "keras": KERAS, "flax": FLAX}

    _: dataclasses.KW_ONLY
    preset: str = "default"
    kernel_init: Spec = None
    recurrent_init: Spec = None
    bias_init: Spec = None

    def __post_init__(self):
        super().__post_init__()
        name = type(self).__name__
        check_choice(f"{name}.preset", self.preset, self.presets)
        for field in ("kernel_init", "recurrent_init", "bias_init"):
            object.__setattr__(self, field, as_initializer(getattr(self, field), f"{name}.{field}", self.gates))

    @property
    def initializers(self) -> Preset:
        """The initialisers in force: those of the preset, with what was given in their place."""
        preset = self.presets[self.preset]
        given = (self.kernel_init, self.recurrent_init, self.bias_init)
        return Preset(*map(in_force, given, preset))

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(self, preset="default", kernel_init=None, recurrent_init=None, bias_init=None)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        kernel, recurrent, bias = self.initializers
        kernel_key, recurrent_key, bias_key = jax.random.split(key, 3)
        return {
            "kernel": kernel.blocks(kernel_key, self.gates, (in_features, self.features), dtype),
            "recurrent_kernel": self._recurrent(recurrent, recurrent_key, dtype),
            "bias": bias.blocks(bias_key, self.gates, (self.features,), dtype),
        }

    def _recurrent(self, initializer: Initializer, key: Array, dtype) -> Array:
        return initializer.blocks(key, self.gates, (self.features, self.features), dtype)

    def project(self, weights, xs):
        return self.split(dot_inputs(xs, weights["kernel"]) + weights["bias"])

    def stream(self, weights, xs):
        if type(self).project is not GatedCell.project:
            return super().stream(weights, xs)
        kernel, bias = weights["kernel"], self.split(weights["bias"])
        xs = xs.astype(self.precision.dtype("compute"))
        if xs.shape[-1] == 1:  # less to compute than to read
            rows = self.split(kernel[0])

            def scaled(xs, t):
                x = jax.lax.dynamic_index_in_dim(xs, t, keepdims=False)
                return {gate: x * rows[gate] + bias[gate] for gate in self.gates}

            return xs, scaled

        def sliced(projected, t):
            # Each gate by a slice of its own: a loop that cuts gates out of one step's array is twice as slow.
            before, size = (t, *[0] * (projected.ndim - 2)), (1, *projected.shape[1:-1], self.features)
            cut = lambda i: jax.lax.dynamic_slice(projected, (*before, i * self.features), size)[0]  # noqa: E731
            return {gate: cut(i) + bias[gate] for i, gate in enumerate(self.gates)}

        return dot_inputs(xs, kernel), sliced

    def split(self, blocks: Array) -> dict[str, Array]:
        """The blocks of a parameter or pre-activation `[..., gates * features]`, by gate."""
        return dict(zip(self.gates, jnp.split(blocks, len(self.gates), axis=-1), strict=True))


@dataclasses.dataclass(frozen=True, repr=False)
class HeadedCell(GatedCell):
    """A gated cell whose recurrent matrices may be block-diagonal: `heads` narrow cells side by side.

        U = diag(U_1, ..., U_k)  for each gate

    Each part of the state sees itself alone; all see the whole input. Poeppel et al. 2024, arXiv:2412.07752. Blocks
    narrow enough to stay on chip are what fused kernels are fast with. With more than one head the parameter is
    `recurrent_kernel [heads, features / heads, gates * features / heads]`, and its initialiser draws each gate's block
    of each head by itself.

    Args:
      heads: number of blocks; it divides `features`.

    Raises:
      InputError: heads that are no positive int, or do not divide `features`.
    """

    _: dataclasses.KW_ONLY
    heads: int = 1

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.heads, int) and not isinstance(self.heads, bool) and self.heads >= 1
        expected = f"a positive int that divides features={self.features}"
        check(valid and self.features % self.heads == 0, f"{type(self).__name__}.heads", self.heads, expected)

    @property
    def head_features(self) -> int:
        """The width of a head: `features / heads`."""
        return self.features // self.heads

    def _recurrent(self, initializer, key, dtype):
        if self.heads == 1:
            return super()._recurrent(initializer, key, dtype)
        block = (self.head_features, self.head_features)
        heads = [initializer.blocks(k, self.gates, block, dtype) for k in jax.random.split(key, self.heads)]
        return jnp.stack(heads)
