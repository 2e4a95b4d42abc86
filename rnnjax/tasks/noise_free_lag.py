"""A symbol to be kept for p steps: the noise-free long time lag of 1997, and its form without regularities."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.tasks.losses import cross_entropy, masked_mean, misclassified, target_probability
from rnnjax.tasks.synthetic import SyntheticTask, integers, random_words
from rnnjax.tasks.task import Array, Batch


@dataclasses.dataclass(frozen=True)
class NoiseFreeLag(SyntheticTask):
    """A string that ends as it began: the next symbol is due at each step, and the last one is the first.

    There are p + 1 symbols, p being `length`: a_1, ..., a_(p-1), x and y, coded 0 to p. A string starts with x or y, at
    even odds, goes on with p - 1 others, and ends with the symbol that it started with:

    - `2a`: (y, a_1, a_2, ..., a_(p-1), y) or (x, a_1, a_2, ..., a_(p-1), x). Two strings, and all of their symbols but
      the last follow from the one before.
    - `2b`: those between are drawn at random from a_1, ..., a_(p-1), so that nothing but the last can be predicted.

    A row shows the first p symbols, one-hot; the target of a step is the symbol that comes next.

    Loss: cross-entropy in nats a step. The paper trains logistic outputs on squared errors instead.

    Baseline, "memoryless" meaning a predictor that sees the last symbol and knows how many steps have passed: ln 2 / p
    for `2a`, and ((p - 1) ln(p - 1) + ln 2) / p for `2b`.

    Solved: no row wrong. A row is right if all outputs are within 0.25 of the one-hot code of the target: at each step
    in `2a`, at the last one in `2b`. For the softmax here that is a probability of the next symbol above 0.75. The
    paper asks it of 10,000 strings.

    Args:
      length: p, at least 2.
      variant: `2a` or `2b`.

    Raises:
      InputError: an unknown variant, or a length below 2.

    Source: Hochreiter & Schmidhuber 1997, section 5.2, doi:10.1162/neco.1997.9.8.1735.
    """

    name: ClassVar[str] = "noise_free_lag"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, section 5.2, doi:10.1162/neco.1997.9.8.1735"
    variants: ClassVar[Mapping[str, str]] = {
        "2a": "Hochreiter & Schmidhuber 1997, task 2a, doi:10.1162/neco.1997.9.8.1735",
        "2b": "Hochreiter & Schmidhuber 1997, task 2b, doi:10.1162/neco.1997.9.8.1735",
    }
    metric: ClassVar[str] = "error_rate"
    many_to_one: ClassVar[bool] = False

    length: int = 100
    variant: str = "2a"

    def __post_init__(self):
        self._check_choice("variant", self.variants)
        self._check_int("length", 2, "one symbol comes between the first and the last")

    @property
    def in_features(self) -> int:
        return self.length + 1

    @property
    def outputs(self) -> int:
        return self.length + 1

    @property
    def time(self) -> int:
        return self.length

    @property
    def baseline(self) -> float:
        between = math.log(self.length - 1) if self.variant == "2b" else 0.0
        return ((self.length - 1) * between + math.log(2)) / self.length

    def sequence(self, key: Array) -> Batch:
        words = random_words(key, self.length)
        ends = self.length - 1 + integers(words[:1], 0, 2)
        between = jnp.arange(self.length - 1)
        if self.variant == "2b":
            between = integers(words[1:], 0, self.length - 1)
        codes = jnp.concatenate([ends, between, ends])
        inputs = jax.nn.one_hot(codes[:-1], self.in_features)
        return Batch(inputs, codes[1:], jnp.ones(self.length), jnp.int32(self.length))

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss", the "accuracy" of the largest output at the last step, and the variant's "error_rate" of rows."""
        loss = self.loss(outputs, batch)
        wrong = ~(target_probability(outputs, batch.targets) > 0.75) & (batch.mask > 0)  # true where NaN
        wrong = wrong[:, -1] if self.variant == "2b" else wrong.any(-1)
        return {
            "loss": loss,
            "accuracy": masked_mean(1 - misclassified(outputs[:, -1], batch.targets[:, -1]), batch.mask[:, -1]),
            "error_rate": jnp.mean(wrong, dtype=jnp.float32),
        }

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """No row wrong."""
        return jnp.asarray(metrics["error_rate"]) == 0
