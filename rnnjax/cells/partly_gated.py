"""What the gated cells share some of whose blocks do not see the state, or have no bias."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import GatedCell
from rnnjax.errors import InputError
from rnnjax.initializers import Initializer, as_initializer

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class PartlyGatedCell(GatedCell, abc.ABC):
    """A gated cell some of whose blocks do not see the state, or have no bias.

    Parameters: `kernel [in_features, gates * features]`, and `recurrent_kernel` and `bias` with blocks for the gates in
    `recurrent_gates` and `biased_gates` alone, in that order.

    Class attributes:
      recurrent_gates: the gates that see the state.
      biased_gates: those that have a bias.
    """

    recurrent_gates: ClassVar[tuple[str, ...]] = ()
    biased_gates: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self):
        super().__post_init__()
        for field, gates in (("recurrent_init", self.recurrent_gates), ("bias_init", self.biased_gates)):
            as_initializer(getattr(self, field), f"{type(self).__name__}.{field}", gates)  # only to check the names

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or isinstance(in_features, bool) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        kernel, recurrent, bias = self.initializers
        kernel_key, recurrent_key, bias_key = jax.random.split(key, 3)
        return {
            "kernel": kernel.blocks(kernel_key, self.gates, (in_features, self.features), dtype),
            "recurrent_kernel": self._recurrent(recurrent, recurrent_key, dtype),
            "bias": bias.blocks(bias_key, self.biased_gates, (self.features,), dtype),
        }

    def _recurrent(self, initializer: Initializer, key: Array, dtype) -> Array:
        return initializer.blocks(key, self.recurrent_gates, (self.features, self.features), dtype)

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        blocks = dict(zip(self.biased_gates, jnp.split(weights["bias"], len(self.biased_gates)), strict=True))
        nothing = jnp.zeros((self.features,), weights["bias"].dtype)
        return weights | {"bias": jnp.concatenate([blocks.get(gate, nothing) for gate in self.gates])}

    def split_recurrent(self, blocks: Array) -> dict[str, Array]:
        """The blocks of a product `[..., n * features]` of state and recurrent kernel, by gate."""
        parts = jnp.split(blocks, len(self.recurrent_gates), axis=-1)
        return dict(zip(self.recurrent_gates, parts, strict=True))
