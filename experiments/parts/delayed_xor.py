"""The delayed exclusive or: two bits, one and two delays ago, have to be combined at each step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.tasks import Batch
from rnnjax.tasks.losses import binary_cross_entropy, masked_mean
from rnnjax.tasks.synthetic import SyntheticTask


@dataclasses.dataclass(frozen=True)
class DelayedXor(SyntheticTask):
    """At each step, the exclusive or of the bits that were shown one delay and two delays ago.

    Steps from 2 `delay` on count. Engelken 2023, arXiv:2312.17306. Loss: cross-entropy in nats a bit; baseline ln 2,
    since bits are independent. Solved: 95 % of bits right, the library's criterion.

    Args:
      length: steps a row.
      delay: d, fewer than half of the steps.
    """

    name: ClassVar[str] = "delayed_xor"
    source: ClassVar[str] = "Engelken 2023, arXiv:2312.17306"
    metric: ClassVar[str] = "accuracy"
    mode: ClassVar = "max"
    many_to_one: ClassVar[bool] = False

    length: int = 300
    delay: int = 10

    def __post_init__(self):
        self._check_int("delay", 1)
        self._check_int("length", 2 * self.delay + 1, "two delays have to pass")

    in_features = property(lambda self: 1)
    outputs = property(lambda self: 1)
    time = property(lambda self: self.length)
    baseline = property(lambda self: math.log(2))

    def sequence(self, key: jax.Array) -> Batch:
        bits = jax.random.bernoulli(key, shape=(self.length,)).astype(jnp.float32)
        once, twice = (jnp.roll(bits, lag) for lag in (self.delay, 2 * self.delay))
        mask = (jnp.arange(self.length) >= 2 * self.delay).astype(jnp.float32)
        return Batch(bits[:, None], (jnp.abs(once - twice) * mask)[:, None], mask, jnp.int32(self.length))

    def target_loss(self, outputs: jax.Array, batch: Batch) -> jax.Array:
        return binary_cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: jax.Array, batch: Batch) -> dict[str, jax.Array]:
        loss = self.loss(outputs, batch)
        right = jnp.mean((outputs > 0) == (batch.targets > 0), -1, dtype=jnp.float32)
        return {"loss": loss, "accuracy": masked_mean(right, batch.mask)}

    def solved(self, metrics: Mapping[str, Any]) -> jax.Array:
        return jnp.asarray(metrics["accuracy"]) >= 0.95
