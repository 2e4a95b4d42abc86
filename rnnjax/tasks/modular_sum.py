"""Sums modulo a number, of which parity is the one modulo two: a state to be tracked, and nothing to be forgotten."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.tasks.losses import cross_entropy, masked_mean, misclassified
from rnnjax.tasks.synthetic import SyntheticTask, integers, random_words
from rnnjax.tasks.task import Array, Batch


@dataclasses.dataclass(frozen=True)
class ModularSum(SyntheticTask):
    """The sum of a row of digits, modulo m = `modulus`; with m = 2 the parity of its bits.

    Each step shows a digit from 0 to m - 1, one-hot, at even odds. After the last step the class

        (x_1 + ... + x_T) mod m

    is due. The length is drawn for each row from `shortest`, ..., `length`. Every digit counts, so that nothing short
    of the whole row says anything; and one number below m is all the memory that it takes. A network that tracks it
    does so for any length: test on longer rows, `ModularSum(256, shortest=40)`, what was trained on short ones.

    Loss: cross-entropy in nats.

    Baseline, "memoryless" meaning a predictor that sees the last digit only: ln m if no row is a single digit. Of a
    single one, a share q = 1 / `length` of the rows where `shortest` is 1, the last digit is the sum; with
    p = (1 - q) / m the loss is then -(p + q) ln(p + q) - (m - 1) p ln p, and 0 where all rows are single digits.

    Solved: error rate < 0.01, by the largest output; a choice of this library.

    Args:
      length: the longest row, at least `shortest`.
      modulus: m, at least 2.
      shortest: the shortest row, at least 1. The default is that of the authors' code.

    Raises:
      InputError: a number that is too small.

    Source: Grazzi et al. 2024, arXiv:2411.12537, parity, with the lengths of the authors' code (3 to 40 in training, 40
    to 256 in tests); Delétang et al. 2023, arXiv:2207.02098, tests rows longer than those of training.
    """

    name: ClassVar[str] = "modular_sum"
    source: ClassVar[str] = "Grazzi et al. 2024, arXiv:2411.12537, parity"
    metric: ClassVar[str] = "error_rate"

    length: int = 40
    modulus: int = 2
    shortest: int = 3

    def __post_init__(self):
        self._check_int("shortest", 1)
        self._check_int("length", self.shortest, "no shorter than `shortest`")
        self._check_int("modulus", 2)

    @property
    def in_features(self) -> int:
        return self.modulus

    @property
    def outputs(self) -> int:
        return self.modulus

    @property
    def time(self) -> int:
        return self.length

    @property
    def variable_length(self) -> bool:
        return self.length > self.shortest

    @property
    def baseline(self) -> float:
        single = 1 / self.length if self.shortest == 1 else 0.0
        other = (1 - single) / self.modulus
        odds = [other + single, *[other] * (self.modulus - 1)]
        return -sum(p * math.log(p) for p in odds if p > 0)

    def sequence(self, key: Array) -> Batch:
        words = random_words(key, self.time + 1)
        length = self._length(words[0], self.shortest)
        shown = jnp.arange(self.time) < length
        digits = integers(words[1:], 0, self.modulus)
        inputs = jax.nn.one_hot(digits, self.modulus) * shown[:, None]
        return Batch(inputs, jnp.sum(digits, where=shown) % self.modulus, jnp.float32(1), length)

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss", and the "accuracy" and the "error_rate" of the largest output."""
        loss = self.loss(outputs, batch)
        missed = masked_mean(misclassified(outputs, batch.targets), batch.mask)
        return {"loss": loss, "accuracy": 1 - missed, "error_rate": missed}

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """An error rate below 0.01."""
        return jnp.asarray(metrics["error_rate"]) < 0.01
