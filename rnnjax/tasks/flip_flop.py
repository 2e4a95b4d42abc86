"""The flip-flop: some bits of memory, each set by pulses on its own line."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.errors import check
from rnnjax.tasks.losses import masked_mean, squared_error
from rnnjax.tasks.synthetic import SyntheticTask, random_words
from rnnjax.tasks.task import Array, Batch


@dataclasses.dataclass(frozen=True)
class FlipFlop(SyntheticTask):
    """Bits of memory: each line shows pulses of +1 and -1, and its target is the sign of the last pulse.

    With B lines (`bits`), T steps (`length`) and pulses that come with the probability p (`pulse`) in each step of
    each line, independent of each other, and in all lines at the first step,

        x_t,k in {-1, 0, +1},      P(x_t,k = +1) = P(x_t,k = -1) = p / 2
        target_t,k = x_s,k         with s <= t the last step at which x_s,k is not zero

    A pulse of the sign that the bit has already changes nothing.

    Loss: squared error, the mean over bits and steps.

    Baseline, "memoryless" meaning a predictor that sees the current step only: (1 - p) (T - 1) / T. Where there is a
    pulse it knows the target, elsewhere it says 0 and errs by 1.

    Solved: loss below 0.01, a choice of this library.

    Args:
      length: T, at least 2.
      bits: B, at least 1.
      pulse: p, in (0, 1).

    Raises:
      InputError: a size too small, or a probability that is none.

    Source: Sussillo & Barak 2013, doi:10.1162/NECO_a_00409, as in the code of Golub & Sussillo 2018,
    doi:10.21105/joss.01003: there 64 steps, 3 bits, p = 1/2. The text of 2013 was not available; its pulses are longer
    and rarer by the reports of others, and its network runs in continuous time.
    """

    name: ClassVar[str] = "flip_flop"
    source: ClassVar[str] = (
        "Sussillo & Barak 2013, doi:10.1162/NECO_a_00409, as in the code of Golub & Sussillo 2018, "
        "doi:10.21105/joss.01003"
    )
    many_to_one: ClassVar[bool] = False

    length: int = 64
    bits: int = 3
    pulse: float = 0.5

    def __post_init__(self):
        self._check_int("length", 2)
        self._check_int("bits", 1)
        valid = isinstance(self.pulse, numbers.Real) and not isinstance(self.pulse, bool) and 0 < self.pulse < 1
        check(valid, "FlipFlop.pulse", self.pulse, "a probability above 0 and below 1")

    @property
    def in_features(self) -> int:
        return self.bits

    @property
    def outputs(self) -> int:
        return self.bits

    @property
    def time(self) -> int:
        return self.length

    @property
    def baseline(self) -> float:
        return (1 - self.pulse) * (self.length - 1) / self.length

    def sequence(self, key: Array) -> Batch:
        words = random_words(key, 2 * self.length * self.bits).reshape(2, self.length, self.bits)
        first = jnp.arange(self.length)[:, None] == 0
        shown = first | (words[0] < jnp.uint32(min(round(self.pulse * 2**32), 2**32 - 1)))
        inputs = jnp.where(shown, 2.0 * (words[1] >> 31).astype(jnp.float32) - 1, 0.0)
        last = jax.lax.cummax(jnp.where(shown, jnp.arange(self.length)[:, None], 0), axis=0)
        targets = jnp.take_along_axis(inputs, last, axis=0)
        return Batch(inputs, targets, jnp.ones(self.length), jnp.int32(self.length))

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return squared_error(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss", and the "error_rate": the share of bits whose output has not the target's sign."""
        loss = self.loss(outputs, batch)
        wrong = jnp.mean(~(outputs * batch.targets > 0), -1, dtype=jnp.float32)  # true where NaN
        return {"loss": loss, "error_rate": masked_mean(wrong, batch.mask)}

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """Loss below 0.01."""
        return jnp.asarray(metrics["loss"]) < 0.01
