"""Strings a^n b^n, a^n b^n c^n and so on: which symbols may come next, when the first letter's number tells?"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.tasks.legal_symbols import LegalSymbols
from rnnjax.tasks.synthetic import integers, random_words
from rnnjax.tasks.task import Array, Batch


@dataclasses.dataclass(frozen=True)
class Counting(LegalSymbols):
    """The counting languages a^n b^n (two `letters`), a^n b^n c^n (three) and so on; what may follow is due.

    A row shows a start, then n times each of the letters in turn, one symbol a step, one-hot. n is drawn for each row
    from `shortest`, ..., `longest`. Targets: after each symbol a 1 for each letter that may follow, and for the end:

        after the start                    the first letter
        after the first letter             the first and the second letter
        after the k-th of a later letter   that letter if k < n; else the next one, or the end after the last

    From the second letter on one symbol is legal, and to know which is to have counted. Letters are written a, b and
    so on; the inputs are the start and the letters, the outputs the letters and the end.

    Loss: binary cross-entropy of the outputs, in nats a bit.

    Baseline, "memoryless" meaning a predictor that sees the last symbol only: with N the mean of n, L letters and
    H(p) = -p ln p - (1 - p) ln(1 - p), after one of the later letters two of L + 1 bits are in doubt,

        2 (L - 1) N H(1/N) / ((L + 1) (1 + L N))

    Solved: no row wrong, a row being right if after each of its symbols every legal successor has a larger output than
    every other symbol.

    Args:
      longest: the largest n, at least `shortest`. The default is that of the authors' code for a^n b^n.
      letters: L, at least 2.
      shortest: the smallest n, at least 1.

    Raises:
      InputError: a number that is too small.

    Source: Weiss, Goldberg & Yahav 2018, arXiv:1805.04908, who train next-symbol predictors on such strings alone;
    targets as sets of legal symbols as in Gers & Schmidhuber 2001, doi:10.1109/72.963769.
    """

    name: ClassVar[str] = "counting"
    source: ClassVar[str] = "Weiss, Goldberg & Yahav 2018, arXiv:1805.04908"

    longest: int = 99
    letters: int = 2
    shortest: int = 1

    def __post_init__(self):
        self._check_int("shortest", 1)
        self._check_int("longest", self.shortest, "no smaller than `shortest`")
        self._check_int("letters", 2)

    @property
    def in_features(self) -> int:
        return self.letters + 1

    @property
    def outputs(self) -> int:
        return self.letters + 1

    @property
    def time(self) -> int:
        return 1 + self.letters * self.longest

    @property
    def variable_length(self) -> bool:
        return self.longest > self.shortest

    @property
    def baseline(self) -> float:
        mean = (self.shortest + self.longest) / 2
        entropy = -sum(p * math.log(p) for p in (1 / mean, 1 - 1 / mean) if p > 0)
        return 2 * (self.letters - 1) * mean * entropy / ((self.letters + 1) * (1 + self.letters * mean))

    def sequence(self, key: Array) -> Batch:
        return self.string(integers(random_words(key, 1)[0], self.shortest, self.longest + 1))

    def string(self, count: ArrayLike) -> Batch:
        """The row with n = `count`, one int up to `longest`: a `Batch` without the batch axis. Pure and jittable."""
        count = jnp.asarray(count, jnp.int32)
        steps = jnp.arange(self.time)
        length = 1 + self.letters * count
        valid = steps < length
        shown = jnp.where(steps == 0, 0, 1 + (steps - 1) // count)  # 0 is the start, 1 the first letter
        following = jnp.where(steps == 0, 0, steps // count)  # 0 is the first letter, `letters` the end
        inputs = jax.nn.one_hot(shown, self.in_features) * valid[:, None]
        first = (shown == 1)[:, None] & (jnp.arange(self.outputs) < 2)
        targets = jnp.where(first, 1, jax.nn.one_hot(following, self.outputs)) * valid[:, None]
        return Batch(inputs, targets, valid.astype(jnp.float32), length)
