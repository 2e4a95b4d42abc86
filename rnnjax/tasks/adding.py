"""The adding problem: two numbers of a long row are marked; what is their sum?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.tasks.losses import masked_mean, squared_error
from rnnjax.tasks.synthetic import SyntheticTask, integers, random_words
from rnnjax.tasks.task import Array, Batch


@dataclasses.dataclass(frozen=True)
class Adding(SyntheticTask):
    """The adding problem, in the four forms under which results are published.

    Each step shows `(value, marker)`. Two steps p and q are marked 1 and hold the values a and b; the others, marked 0,
    are distraction. One number is due after the last step. T stands for `length`; fractions of it are rounded down.

    | variant | values | p and q | steps | target | a row is wrong if |
    |---|---|---|---|---|---|
    | `halves` | U[0, 1) | one in each half | T | a + b | abs error >= 0.04 |
    | `anywhere` | U[0, 1) | any two | T | a + b | abs error >= 0.04 |
    | `pascanu` | U[0, 1) | first 10 %, [10 %, 50 %) of the row | T to 1.1 T | (a + b) / 2 | squared error > 0.04 |
    | `hs97` | U[-1, 1) | one of the first 10, of the first T/2 | T to 1.1 T | 1/2 + (a + b) / 4 | abs error >= 0.04 |

    The errors allowed differ fivefold: `pascanu` allows 0.2. Neither the paper of `halves` nor that of `anywhere`
    counts wrong rows; they borrow the threshold of `hs97`.

    Details of `hs97`: the first and the last step carry the marker -1. The second mark is drawn from the first T/2 - 1
    steps that are still unmarked, so that at least T/2 steps follow both. If the first step is drawn, it keeps the
    marker -1 and its value becomes 0, in the inputs and in the target. (The paper says so of its X1; here it holds
    for either mark.) Lengths are drawn from T, ..., T + T//10.

    Details of `pascanu`: lengths are drawn from T, ..., T + T//10 - 1 for each row, where the published code draws one
    for each batch; the published code has the marker in the first channel and the value in the second.

    Loss: squared error.

    Baseline, "memoryless" meaning a predictor that ignores the inputs: the variance of the target. 1/6 for `halves`
    and `anywhere`, 1/24 for `pascanu`. In `hs97` a value is lost when the first step is drawn, which happens to
    0.1 + 0.9 / (T/2 - 1) marks a row, so that the variance is (2 - 0.1 - 0.9 / (T/2 - 1)) / 48, below the 1/24
    (= 2/48) of two values. (To see the last input as well is worth something only when that step is marked: with
    probability 2/T in `halves` and `anywhere`, never in the others.)

    Solved: `halves`, `anywhere`: loss < 0.01, a choice of this library. `pascanu`: fewer than 1 % of the rows wrong.
    `hs97`: mean absolute error < 0.01 and no row wrong; the paper asks it of the last 2000 training sequences, where
    here it is asked of the batch evaluated on.

    Args:
      length: T. At least 2; 10 for `pascanu`, 20 for `hs97`.
      variant: one of the above.

    Raises:
      InputError: an unknown variant, or a length too short for it.

    Source: Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; the other variants' sources are in
    `variants`.
    """

    name: ClassVar[str] = "adding"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735"
    variants: ClassVar[Mapping[str, str]] = {
        "halves": "Arjovsky, Shah & Bengio 2016, arXiv:1511.06464",
        "anywhere": "Bai, Kolter & Koltun 2018, arXiv:1803.01271",
        "pascanu": "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063",
        "hs97": "Hochreiter & Schmidhuber 1997, section 5.4, doi:10.1162/neco.1997.9.8.1735",
    }

    length: int = 100
    variant: str = "halves"

    def __post_init__(self):
        self._check_choice("variant", self.variants)
        least, why = {
            "pascanu": (10, "the first mark falls into the first tenth"),
            "hs97": (20, "the first mark falls among the first ten steps, and half the row follows"),
        }.get(self.variant, (2, "two steps are marked"))
        self._check_int("length", least, why)

    @property
    def in_features(self) -> int:
        return 2

    @property
    def outputs(self) -> int:
        return 1

    @property
    def time(self) -> int:
        return self.length + {"pascanu": self.length // 10 - 1, "hs97": self.length // 10}.get(self.variant, 0)

    @property
    def variable_length(self) -> bool:
        return self.time > self.length

    @property
    def baseline(self) -> float:
        if self.variant == "hs97":
            return (2 - 0.1 - 0.9 / (self.length // 2 - 1)) / 48
        return 1 / 24 if self.variant == "pascanu" else 1 / 6

    def sequence(self, key: Array) -> Batch:
        place_key, value_key = jax.random.split(key)
        words = random_words(place_key, 3)
        length = self._length(words[0], shortest=self.length)
        first, second = self._marked(words[1], words[2], length)
        steps = jnp.arange(self.time)
        marked = (steps == first) | (steps == second)
        marker = marked.astype(jnp.float32)
        least = -1.0 if self.variant == "hs97" else 0.0
        values = jax.random.uniform(value_key, (self.time,), jnp.float32, minval=least)
        if self.variant == "hs97":
            values = jnp.where(marked & (steps == 0), 0, values)
            marker = jnp.where((steps == 0) | (steps == length - 1), -1, marker)
        total = jnp.sum(values, where=marked)
        target = {"pascanu": total / 2, "hs97": 0.5 + total / 4}.get(self.variant, total)
        inputs = jnp.where(steps[:, None] < length, jnp.stack([values, marker], -1), 0)
        return Batch(inputs, target[None], jnp.float32(1), length)

    def _marked(self, first_word: Array, second_word: Array, length: Array) -> tuple[Array, Array]:
        half = self.length // 2
        if self.variant == "halves":
            first = integers(first_word, 0, half)
            return first, half + integers(second_word, 0, half)
        if self.variant == "anywhere":
            first = integers(first_word, 0, self.length)
            return first, (first + integers(second_word, 1, self.length)) % self.length
        if self.variant == "pascanu":
            first = integers(first_word, 0, length // 10)
            return first, length // 10 + integers(second_word, 0, 4 * length // 10)
        first = integers(first_word, 0, 10)
        second = integers(second_word, 0, half - 1)
        return first, second + (second >= first)  # counted among the steps that are still unmarked

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return squared_error(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The mean squared error ("loss"), the mean "absolute_error", and the fraction of rows wrong ("error_rate")."""
        loss = self.loss(outputs, batch)
        error = jnp.abs(outputs - batch.targets)[:, 0]
        right = jnp.square(error) <= 0.04 if self.variant == "pascanu" else error < 0.04  # false where NaN
        return {
            "loss": loss,
            "absolute_error": masked_mean(error, batch.mask),
            "error_rate": masked_mean((~right).astype(jnp.float32), batch.mask),
        }

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """The criterion of the variant, as above."""
        if self.variant == "pascanu":
            return jnp.asarray(metrics["error_rate"]) < 0.01
        if self.variant == "hs97":
            return (jnp.asarray(metrics["absolute_error"]) < 0.01) & (jnp.asarray(metrics["error_rate"]) == 0)
        return jnp.asarray(metrics["loss"]) < 0.01
