"""The copy problem: repeat what was shown, in order, a long time later."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.errors import check
from rnnjax.tasks.losses import binary_cross_entropy, cross_entropy, masked_mean, misclassified
from rnnjax.tasks.synthetic import SyntheticTask, integers, random_words
from rnnjax.tasks.task import Array, Batch

_RECALL_ONLY = ("s4", "selective", "lru")


@dataclasses.dataclass(frozen=True)
class CopyMemory(SyntheticTask):
    """The copy problem, in the six forms under which results are published.

    M items (`items`) are shown, then blanks; a signal asks for the items, and they are due in order in the last M
    steps. Items are drawn uniformly from S symbols (`symbols`), coded 1 to S; a blank is 0, the signal S + 1. T stands
    for `length`.

    | variant | row | inputs | targets that count | outputs |
    |---|---|---|---|---|
    | `arjovsky` | M items, T - 1 blanks, signal, M blanks | one-hot, S + 2 | all T + 2M steps | S + 1 |
    | `tcn` | M items, T - 1 blanks, signal M + 1 times | the code as a number, 1 | all T + 2M steps | S + 2 |
    | `henaff` | M items, t blanks, signal, M blanks; t ~ U{1..T} | one-hot, S + 2 | all t + 2M + 1 steps | S + 1 |
    | `s4` | M items, T blanks, signal M times | one-hot, S + 2 | the last M steps | S + 2 |
    | `selective` | M items at random among T blanks, signal M times | one-hot, S + 2 | the last M steps | S + 2 |
    | `lru` | M items of B random bits, T - 1 blanks, signal, M blanks | bits and signal, B + 1 | the last M steps | B |

    Where all steps count, the target is blank up to the last M. The signal is never a target, and `arjovsky` and
    `henaff` have no class for it.

    Loss: cross-entropy in nats a step; in `lru`, binary cross-entropy in nats a bit.

    Baseline, "memoryless" meaning a predictor that knows at each step whether a blank or an item is due, but nothing
    of the items: ln S for `s4` and `selective`; ln 2 for `lru`; M ln S / (T + 2M) for `arjovsky` and `tcn`, because
    the blanks cost nothing. For `henaff` M ln S / ((T + 1)/2 + 1 + 2M), the same ratio of means with the mean length:
    the limit of `loss` for a large batch, since a batch is averaged over its steps and not over its rows.

    Solved: loss below a tenth of the baseline. The papers give no criterion; this one is the library's.

    Args:
      length: T, at least 1. Published: 100 to 2000; 8 for `lru` (seven blanks and the signal).
      variant: one of the above.
      symbols: S, at least 2; not for `lru`.
      items: M, at least 1.
      bits: B, at least 1; for `lru` only.

    Raises:
      InputError: an unknown variant, a size too small, or `symbols` or `bits` given to a variant that has none.

    Source: Arjovsky, Shah & Bengio 2016, arXiv:1511.06464; the other variants' sources are in `variants`. The paper of
    `henaff` was read only as Tallec & Ollivier 2018, arXiv:1804.11188, describe its task: the number of blanks before
    the signal is drawn from 1 to T. That rows then differ in length, and are not filled up with blanks, is a choice
    of this library.
    """

    name: ClassVar[str] = "copy_memory"
    source: ClassVar[str] = "Arjovsky, Shah & Bengio 2016, arXiv:1511.06464"
    variants: ClassVar[Mapping[str, str]] = {
        "arjovsky": "Arjovsky, Shah & Bengio 2016, arXiv:1511.06464",
        "tcn": "Bai, Kolter & Koltun 2018, arXiv:1803.01271",
        "henaff": "Henaff, Szlam & LeCun 2016, arXiv:1602.06662",
        "s4": "Gu, Goel & Ré 2022, arXiv:2111.00396, code",
        "selective": "Gu, Goel & Ré 2022, arXiv:2111.00396, code; Gu & Dao 2023, arXiv:2312.00752",
        "lru": "Orvieto et al. 2023, arXiv:2303.06349, as in the code minimal-LRU",
    }
    many_to_one: ClassVar[bool] = False

    length: int = 100
    variant: str = "arjovsky"
    symbols: int = 8
    items: int = 10
    bits: int = 7

    def __post_init__(self):
        self._check_choice("variant", self.variants)
        self._check_int("length", 1)
        self._check_int("items", 1)
        if self.variant == "lru":
            self._check_int("bits", 1)
            self._check_unused("symbols", "its items are of `bits` bits")
        else:
            self._check_int("symbols", 2, "one symbol needs no memory")
            self._check_unused("bits", "its items are of `symbols` symbols")

    @property
    def in_features(self) -> int:
        return {"tcn": 1, "lru": self.bits + 1}.get(self.variant, self.symbols + 2)

    @property
    def outputs(self) -> int:
        if self.variant == "lru":
            return self.bits
        return self.symbols + (1 if self.variant in ("arjovsky", "henaff") else 2)

    @property
    def time(self) -> int:
        return self.length + 2 * self.items + (self.variant == "henaff")

    @property
    def variable_length(self) -> bool:
        return self.variant == "henaff" and self.length > 1

    @property
    def baseline(self) -> float:
        if self.variant == "lru":
            return math.log(2)
        if self.variant in _RECALL_ONLY:
            return math.log(self.symbols)
        mean_length = (self.length + 1) / 2 + 1 + 2 * self.items if self.variant == "henaff" else self.time
        return self.items * math.log(self.symbols) / mean_length

    def sequence(self, key: Array) -> Batch:
        drawn = self.items * (self.bits if self.variant == "lru" else 1)
        free = self.items + self.length if self.variant == "selective" else 0
        length_word, item_words, place_words = jnp.split(random_words(key, 1 + drawn + free), (1, 1 + drawn))
        length = self._length(length_word[0], shortest=1 + 1 + 2 * self.items)
        places = jnp.arange(self.items)
        if self.variant == "selective":
            places = jnp.argsort(place_words)[: self.items].sort()

        steps = jnp.arange(self.time)
        recalled = steps - (length - self.items)  # which item is due, from the signal on
        valid = steps < length
        due = (recalled >= 0) & valid
        signal = {"tcn": recalled >= -1, "s4": due, "selective": due}.get(self.variant, recalled == -1)
        recalled = jnp.clip(recalled, 0, self.items - 1)
        mask = due if self.variant in _RECALL_ONLY else valid

        if self.variant == "lru":
            items = integers(item_words, 0, 2).reshape(self.items, self.bits).astype(jnp.float32)
            shown = jnp.zeros((self.time, self.bits), jnp.float32).at[places].set(items)
            inputs = jnp.concatenate([shown, signal[:, None]], -1)
            targets = jnp.where(due[:, None], items[recalled], 0)
        else:
            items = integers(item_words, 1, self.symbols + 1)
            codes = jnp.where(signal, self.symbols + 1, jnp.zeros(self.time, jnp.int32).at[places].set(items))
            inputs = codes[:, None] if self.variant == "tcn" else jax.nn.one_hot(codes, self.symbols + 2)
            targets = jnp.where(due, items[recalled], 0)
        return Batch(inputs.astype(jnp.float32) * valid[:, None], targets, mask.astype(jnp.float32), length)

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return (binary_cross_entropy if self.variant == "lru" else cross_entropy)(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss", and the "accuracy": the fraction of items (in `lru` of bits) recalled right."""
        loss = self.loss(outputs, batch)
        if self.variant == "lru":
            right, recall = jnp.mean((outputs > 0) == (batch.targets > 0), -1, dtype=jnp.float32), batch.mask
        else:
            right, recall = 1 - misclassified(outputs, batch.targets), batch.mask * (batch.targets > 0)
        return {"loss": loss, "accuracy": masked_mean(right, recall)}

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """Loss below a tenth of the baseline."""
        return jnp.asarray(metrics["loss"]) < self.baseline / 10

    def _check_unused(self, field: str, why: str) -> None:
        default = getattr(type(self), field)
        check(
            getattr(self, field) == default,
            f"{type(self).__name__}.{field}",
            getattr(self, field),
            f"the default {default}, since variant {self.variant!r} does not use it: {why}",
        )
