"""The temporal order problem: in which order did two or three rare symbols come, among distraction?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.errors import check
from rnnjax.tasks.losses import cross_entropy, masked_mean, misclassified, target_probability
from rnnjax.tasks.synthetic import SyntheticTask, integers, random_words
from rnnjax.tasks.task import Array, Batch

_STARTS = {  # in percent of the length: where the window of each relevant symbol begins
    ("pascanu", 2): (10, 50),
    ("pascanu", 3): (10, 30, 60),
    ("hs97", 2): (10, 50),
    ("hs97", 3): (10, 33, 66),
}
_START_SYMBOL, _TRIGGER = 6, 7


@dataclasses.dataclass(frozen=True)
class TemporalOrder(SyntheticTask):
    """The temporal order problem, with two or three relevant symbols.

    Each step shows one symbol, one-hot. Two (three) steps, each in a window of its own, show one of the relevant
    symbols 0 and 1, drawn with even odds: v_0, v_1 (, v_2). All other steps show one of four distractors 2 to 5. The
    class `sum_k v_k 2^k` is due after the last step. T stands for `length`, and a window is given by its first and
    last step, counted from 0.

    | variant | features | steps | windows for two symbols | windows for three |
    |---|---|---|---|---|
    | `pascanu` | 6 | T | [.1 T, .2 T), [.5 T, .6 T) | [.1 T, .2 T), [.3 T, .4 T), [.6 T, .7 T) |
    | `hs97` | 8 | T to 1.1 T | [.1 T, .2 T], [.5 T, .6 T] | [.1 T, .2 T], [.33 T, .43 T], [.66 T, .76 T] |

    In `hs97` the first step shows a start symbol (6) and the last one a trigger (7), and windows include both ends;
    the paper gives them for T = 100, where this is 10 to 20 and 50 to 60 (10 to 20, 33 to 43, 66 to 76). Fractions of T
    are rounded down.

    Loss: cross-entropy in nats. In `hs97` the paper trains logistic outputs on squared errors instead.

    Baseline, "memoryless" meaning a predictor that sees the last input only: ln 4 for two symbols, ln 8 for three,
    with error rates of 3/4 and 7/8. A model that remembers one of two symbols has ln 2 and an error rate of 1/2, the
    usual plateau.

    Solved: error rate < 0.01. A row is wrong in `pascanu` if the largest output is another class's. In `hs97` all
    outputs have to be within 0.3 of the target's one-hot code; for the softmax here that is a probability of the class
    above 0.7, and the paper stops on an average error and the last 2000 training sequences instead.

    Args:
      length: T, at least 10.
      symbols: the number of relevant symbols, 2 or 3.
      variant: one of the above.

    Raises:
      InputError: an unknown variant, a number of symbols that is neither 2 nor 3, or a length below 10.

    Source: Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; the other variant's source is in `variants`.
    """

    name: ClassVar[str] = "temporal_order"
    source: ClassVar[str] = "Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735"
    variants: ClassVar[Mapping[str, str]] = {
        "pascanu": "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063",
        "hs97": "Hochreiter & Schmidhuber 1997, tasks 6a and 6b, doi:10.1162/neco.1997.9.8.1735",
    }
    metric: ClassVar[str] = "error_rate"

    length: int = 100
    symbols: int = 2
    variant: str = "pascanu"

    def __post_init__(self):
        self._check_choice("variant", self.variants)
        check(type(self.symbols) is int and self.symbols in (2, 3), "TemporalOrder.symbols", self.symbols, "2 or 3")
        self._check_int("length", 10, "a window is a tenth of it")

    @property
    def in_features(self) -> int:
        return 8 if self.variant == "hs97" else 6

    @property
    def outputs(self) -> int:
        return 2**self.symbols

    @property
    def time(self) -> int:
        return self.length + (self.length // 10 if self.variant == "hs97" else 0)

    @property
    def variable_length(self) -> bool:
        return self.variant == "hs97"

    @property
    def baseline(self) -> float:
        return math.log(self.outputs)

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """The first and the last step, counted from 0, in which each relevant symbol can be."""
        last = self.length // 10 - (self.variant == "pascanu")
        starts = (percent * self.length // 100 for percent in _STARTS[self.variant, self.symbols])
        return tuple((start, start + last) for start in starts)

    def sequence(self, key: Array) -> Batch:
        words = random_words(key, 1 + 2 * self.symbols + self.time)
        length_word, place_words, value_words, distractor_words = jnp.split(
            words, (1, 1 + self.symbols, 1 + 2 * self.symbols)
        )
        length = self._length(length_word[0], shortest=self.length)
        first, last = jnp.array(self.windows).T
        places, values = integers(place_words, first, last + 1), integers(value_words, 0, 2)
        codes = integers(distractor_words, 2, 6).at[places].set(values)
        if self.variant == "hs97":
            codes = codes.at[0].set(_START_SYMBOL).at[length - 1].set(_TRIGGER)
        valid = jnp.arange(self.time) < length
        inputs = jax.nn.one_hot(codes, self.in_features, dtype=jnp.float32) * valid[:, None]
        return Batch(inputs, jnp.sum(values << jnp.arange(self.symbols)), jnp.float32(1), length)

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss", the "accuracy" of the largest output, and the "error_rate" by the variant's rule."""
        loss = self.loss(outputs, batch)
        missed = misclassified(outputs, batch.targets)
        wrong = missed
        if self.variant == "hs97":
            wrong = (~(target_probability(outputs, batch.targets) > 0.7)).astype(jnp.float32)  # true where NaN
        return {
            "loss": loss,
            "accuracy": masked_mean(1 - missed, batch.mask),
            "error_rate": masked_mean(wrong, batch.mask),
        }

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """Fewer than 1 % of the rows wrong."""
        return jnp.asarray(metrics["error_rate"]) < 0.01
