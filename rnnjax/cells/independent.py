"""What the cells share whose units are coupled through the inputs alone: one recurrent weight a unit."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import jax

from rnnjax.cells.distributions import Kaiming, Range
from rnnjax.cells.gated import GatedCell, Preset
from rnnjax.initializers import Lecun

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class IndependentCell(GatedCell, abc.ABC):
    """A cell whose recurrent matrix is diagonal: `recurrent_vector [features]`, drawn by `recurrent_init`."""

    gates: ClassVar = ("candidate",)
    recurrent_kernels: ClassVar = ()
    jacobian: ClassVar = "diagonal"
    presets: ClassVar = {"default": Preset(Lecun(), Range()), "paper": Preset(Kaiming(slope=8.0), Range())}

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        params = super().init(key, in_features)
        params["recurrent_vector"] = params.pop("recurrent_kernel")
        return params

    def _recurrent(self, initializer, key, dtype):
        return initializer.blocks(key, self.gates, (self.features,), dtype)
