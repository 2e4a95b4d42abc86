"""Characters of a text: say which one comes next."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from rnnjax.errors import InputError, check
from rnnjax.tasks.losses import cross_entropy, masked_mean, misclassified
from rnnjax.tasks.synthetic import integers, random_words
from rnnjax.tasks.task import SPLITS, Array, Batch, Task, check_draw, check_evaluation

_TRAINING, _VALIDATION = 0.9, 0.95  # where the splits end, as shares of the text


class Text(NamedTuple):
    """A text as codes.

    Attributes:
      vocabulary: the characters that occur, in the order of their code points; a code is a place in it.
      splits: by name, the codes `[characters]` of a part of the text: the first 90 % to train on, 5 % for validation,
        the last 5 % for the test.
    """

    vocabulary: str
    splits: dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Characters(Task):
    """Which character comes next? Windows of a text, one character a step, one-hot.

    A row shows `length` characters that follow each other, and the target of each is the one after it. `sample` draws
    windows from anywhere in a split; `evaluation` cuts a split into windows that do not overlap, and leaves out the
    rest at its end. The split is by position: 90 %, 5 % and 5 % of the text. Each row starts without a past; with
    `truncation` in `rnnjax.training.Config` the state goes from window to window within a row.

    Loss: cross-entropy in nats a character.

    Baseline, "memoryless" meaning a predictor that sees the current character only: the entropy of a character of the
    training part given the one before it.

    Solved: loss below half the baseline. There is no criterion in the literature; this one is the library's.

    Args:
      length: characters of a row.
      data: a text file in UTF-8. Without one, the text that comes with every Python: the pages of `pydoc_data.topics`,
        English prose about Python with its grammar and examples, half a million characters. It differs a little
        between versions of Python.

    Raises:
      InputError: a length below 1, no file of that name, one that is not text, or one that is too short for a row in
        each split.

    Source: Karpathy, Johnson & Fei-Fei 2015, arXiv:1506.02078, on their own texts.
    """

    name: ClassVar[str] = "characters"
    source: ClassVar[str] = "Karpathy, Johnson & Fei-Fei 2015, arXiv:1506.02078"
    many_to_one: ClassVar[bool] = False

    length: int = 64
    data: str = ""

    def __post_init__(self):
        self._check_int("length", 1)
        check(isinstance(self.data, str), "Characters.data", self.data, "the name of a text file, or nothing")
        shortest = min(map(len, self.text.splits.values()))
        expected = f"a text of which 5 % are more than length={self.length} characters"
        check(shortest > self.length, "Characters.data", self.data, expected)

    @property
    def text(self) -> Text:
        """The text, read once."""
        return read_text(self.data)

    @property
    def in_features(self) -> int:
        return len(self.text.vocabulary)

    @property
    def outputs(self) -> int:
        return len(self.text.vocabulary)

    @property
    def time(self) -> int:
        return self.length

    @property
    def baseline(self) -> float:
        codes = self.text.splits["train"].astype(int)
        pairs = np.bincount(codes[:-1] * self.outputs + codes[1:], minlength=self.outputs**2).reshape(-1, self.outputs)
        share = pairs / pairs.sum()
        given = share / np.maximum(share.sum(1, keepdims=True), 1e-300)
        return float(-np.sum(share * np.log(np.where(share > 0, given, 1.0))))

    def encode(self, text: str) -> np.ndarray:
        """The codes `[characters]` of a text.

        Raises:
          InputError: a character that is not in the vocabulary.
        """
        places = {character: place for place, character in enumerate(self.text.vocabulary)}
        unknown = sorted(set(text) - set(places))
        check(not unknown, "text", "".join(unknown), "characters of the task's text")
        return np.array([places[character] for character in text], np.int32)

    def decode(self, codes: ArrayLike) -> str:
        """The text of codes `[characters]`."""
        return "".join(self.text.vocabulary[code] for code in np.asarray(codes))

    def sample(self, key: Array, batch_size: int, split: str = "train") -> Batch:
        check_draw(batch_size, split)
        codes = self.text.splits[split]
        words = random_words(jax.random.fold_in(key, SPLITS.index(split)), batch_size)
        return self._batch(codes, integers(words, 0, len(codes) - self.length))

    def evaluation(self, split: str = "validation", size: int = 1000) -> Batch:
        """A split whole, in windows that follow each other, whatever `size` is.

        Raises:
          InputError: a split other than "validation" and "test", or a size below 1.
        """
        check_evaluation(split, size)
        codes = self.text.splits[split]
        return self._batch(codes, jnp.arange((len(codes) - 1) // self.length) * self.length)

    def _batch(self, codes: np.ndarray, starts: Array) -> Batch:
        """The rows that begin at these places."""
        held = jax.lax.optimization_barrier(jnp.asarray(codes))  # or the compiler computes with the text for minutes
        rows = held[starts[:, None] + jnp.arange(self.length + 1)].astype(jnp.int32)
        inputs = jax.nn.one_hot(rows[:, :-1], self.outputs, dtype=jnp.float32)
        ones = jnp.ones((len(starts), self.length), jnp.float32)
        return Batch(inputs, rows[:, 1:], ones, jnp.full(len(starts), self.length, jnp.int32))

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss", and the "accuracy": the share of characters that have the largest output."""
        loss = self.loss(outputs, batch)
        return {"loss": loss, "accuracy": masked_mean(1 - misclassified(outputs, batch.targets), batch.mask)}

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """Loss below half the baseline."""
        return jnp.asarray(metrics["loss"]) < self.baseline / 2


@functools.lru_cache(maxsize=8)
def read_text(path: str) -> Text:
    """A text file as codes; of the text that comes with Python where the path is empty.

    Raises:
      InputError: no file of that name, or one that is not text in UTF-8.
    """
    if path:
        try:
            text = pathlib.Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise InputError("Characters.data", path, f"a text file that can be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise InputError("Characters.data", path, "a text file in UTF-8") from None
    else:
        from pydoc_data.topics import topics

        text = "\n\n".join(topics[name] for name in sorted(topics))
    check(len(text) > 0, "Characters.data", path, "a text file that is not empty")
    points, codes = np.unique(np.array([text], dtype=np.str_).view(np.uint32), return_inverse=True)
    codes = codes.astype(np.uint8 if len(points) <= 256 else np.int32)
    first, second = (int(share * len(codes)) for share in (_TRAINING, _VALIDATION))
    parts = (codes[:first], codes[first:second], codes[second:])
    return Text("".join(map(chr, points)), dict(zip(SPLITS, parts, strict=True)))
