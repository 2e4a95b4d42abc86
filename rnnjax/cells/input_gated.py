"""What the affine cells share that have gates: these see the input alone."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.affine import AffineCell
from rnnjax.errors import InputError, check_choice
from rnnjax.initializers import Constant, Initializer, Lecun, Spec, as_initializer, in_force
from rnnjax.kernel import dot_inputs

Array = jax.Array


class InputPreset(NamedTuple):
    """Where the kernel and the bias of the gates start from."""

    kernel: Initializer
    bias: Initializer = Constant(0.0)


@dataclasses.dataclass(frozen=True, repr=False)
class InputGatedCell(AffineCell, abc.ABC):
    """An affine cell whose gates are functions of `x kernel + bias`, one block of columns a gate.

    Parameters: `kernel [in_features, gates * features]`, `bias [gates * features]`, blocks in the order of `gates`.
    The drive is a dict of one array a gate.

    Args:
      features: width of the state.
      preset: a distribution to start from, a key of the class's `presets`.
      kernel_init: initialiser of the kernel, or a mapping from gate to initialiser; `None` is the preset's.
      bias_init: the same for the bias.
      precision: the dtype policy.

    Raises:
      InputError: features that are no positive int, an unknown preset or gate.
    """

    presets: ClassVar[dict[str, InputPreset]] = {"default": InputPreset(Lecun()), "paper": InputPreset(Lecun())}

    _: dataclasses.KW_ONLY
    preset: str = "default"
    kernel_init: Spec = None
    bias_init: Spec = None

    def __post_init__(self):
        super().__post_init__()
        name = type(self).__name__
        check_choice(f"{name}.preset", self.preset, self.presets)
        for field in ("kernel_init", "bias_init"):
            object.__setattr__(self, field, as_initializer(getattr(self, field), f"{name}.{field}", self.gates))

    @property
    def initializers(self) -> InputPreset:
        """The initialisers in force: those of the preset, with what was given in their place."""
        preset = self.presets[self.preset]
        return InputPreset(in_force(self.kernel_init, preset.kernel), in_force(self.bias_init, preset.bias))

    @property
    def dynamics(self) -> InputGatedCell:
        return dataclasses.replace(self, preset="default", kernel_init=None, bias_init=None)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        kernel, bias = self.initializers
        kernel_key, bias_key = jax.random.split(key)
        return {
            "kernel": kernel.blocks(kernel_key, self.gates, (in_features, self.features), dtype),
            "bias": bias.blocks(bias_key, self.gates, (self.features,), dtype),
        }

    def project(self, weights, xs):
        return self.split(dot_inputs(xs, weights["kernel"]) + weights["bias"])

    def split(self, blocks: Array) -> dict[str, Array]:
        """The blocks of a parameter or pre-activation `[..., gates * features]`, by gate."""
        return dict(zip(self.gates, jnp.split(blocks, len(self.gates), axis=-1), strict=True))
