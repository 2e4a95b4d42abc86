"""What tasks of formal languages share: after each symbol of a string, the set of those that may follow is due."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.tasks.losses import binary_cross_entropy, legal_first, masked_mean
from rnnjax.tasks.synthetic import SyntheticTask
from rnnjax.tasks.task import Array, Batch


@dataclasses.dataclass(frozen=True)
class LegalSymbols(SyntheticTask):
    """A task whose targets are sets of symbols, a bit each: what that costs, and when a string is right.

    A symbol is predicted right if every legal successor has a larger output than every other symbol, and a row if all
    its symbols are.
    """

    metric: ClassVar[str] = "error_rate"
    many_to_one: ClassVar[bool] = False

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return binary_cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss", the "accuracy" (fraction of symbols predicted right), and the "error_rate" of whole rows."""
        loss = self.loss(outputs, batch)
        right = legal_first(outputs, batch.targets)
        wrong = jnp.any(~right & (batch.mask > 0), -1)
        return {
            "loss": loss,
            "accuracy": masked_mean(right.astype(jnp.float32), batch.mask),
            "error_rate": jnp.mean(wrong, dtype=jnp.float32),
        }

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """No row wrong."""
        return jnp.asarray(metrics["error_rate"]) == 0
