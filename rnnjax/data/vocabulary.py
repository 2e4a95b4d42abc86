"""A vocabulary: words to numbers and back."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from rnnjax.errors import InputError, check

_SPECIALS = ("<pad>", "<unk>")


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Words by number. Number 0 is the padding, number 1 what an unknown word becomes.

    Args:
      words: all words, each once, `<pad>` first. Without `<unk>` in the second place an unknown word is an error.

    Raises:
      InputError: a word twice, words that are no strings, or another first word.
    """

    PAD: ClassVar[int] = 0

    words: tuple[str, ...]

    def __post_init__(self):
        valid = isinstance(self.words, tuple) and all(isinstance(word, str) for word in self.words)
        check(valid, "Vocabulary.words", type(self.words).__name__, "a tuple of strings")
        check(self.words[:1] == ("<pad>",), "Vocabulary.words", self.words[:2], "<pad> as the first word")
        if "<unk>" in self.words:
            check(self.words[1] == "<unk>", "Vocabulary.words", self.words[:2], "<unk> as the second word")
        if len(set(self.words)) < len(self.words):
            twice = [word for word, count in collections.Counter(self.words).items() if count > 1]
            raise InputError("Vocabulary.words", twice[:3], "each word once")

    @classmethod
    def of(
        cls,
        tokens: Iterable[str],
        size: int | None = None,
        min_count: int = 1,
        specials: Sequence[str] = _SPECIALS,
    ) -> Vocabulary:
        """The vocabulary of a text: the special words, then the others from the most to the least frequent.

        Words that are equally frequent stand in the order of their code points, so that the result does not depend on
        the order of the text.

        Args:
          tokens: the words of the training data.
          size: the most entries, special words included; `None` takes all.
          min_count: how often a word has to occur.
          specials: `<pad>` first; `<unk>` second, where there is to be one; then any others, such as `<bos>`, `<eos>`.

        Raises:
          InputError: a size that has no room for a word, or a count below 1.
        """
        least = len(specials) + 1
        check(size is None or size >= least, "size", size, f"None, or at least {least}: the special words and another")
        check(min_count >= 1, "min_count", min_count, "a positive int")
        counts = collections.Counter(tokens)
        for special in specials:
            counts.pop(special, None)  # a text may hold them as words of its own, as WikiText-2 does
        common = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        kept = common if size is None else common[: size - len(specials)]
        return cls((*specials, *(word for _, word in kept)))

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self._numbers

    @property
    def unk(self) -> int | None:
        """The number of `<unk>`."""
        return self._numbers.get("<unk>")

    @property
    def bos(self) -> int | None:
        """The number of `<bos>`, the word before the first."""
        return self._numbers.get("<bos>")

    @property
    def eos(self) -> int | None:
        """The number of `<eos>`, the word after the last."""
        return self._numbers.get("<eos>")

    def number(self, word: str) -> int:
        """The number of a word, that of `<unk>` for one that is not there.

        Raises:
          InputError: an unknown word, where there is no `<unk>`.
        """
        number = self._numbers.get(word, self.unk)
        if number is None:
            raise InputError("token", word, f"one of the {len(self)} words of the vocabulary")
        return number

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """The numbers of tokens, `[tokens]` int32; that of `<unk>` for a word that is not there.

        Raises:
          InputError: an unknown word, where there is no `<unk>`.
        """
        numbers, unknown = self._numbers, self.unk
        if unknown is None:
            return np.array([self.number(token) for token in tokens], np.int32)
        return np.array([numbers.get(token, unknown) for token in tokens], np.int32)

    def decode(self, ids: Iterable[int] | np.ndarray) -> list[str]:
        """The words of numbers, special ones included.

        Raises:
          InputError: a number outside the vocabulary.
        """
        words = []
        for number in ids:
            check(0 <= number < len(self), "ids", int(number), f"numbers from 0 to {len(self) - 1}")
            words.append(self.words[number])
        return words

    def to_json(self) -> dict[str, Any]:
        """The vocabulary as a value for JSON."""
        return {"words": list(self.words)}

    @classmethod
    def from_json(cls, value: Any) -> Vocabulary:
        """The vocabulary that `to_json` gave.

        Raises:
          InputError: a value that `to_json` did not give.
        """
        valid = isinstance(value, dict) and isinstance(value.get("words"), list)
        check(valid, "vocabulary", type(value).__name__, 'a dict with a list "words"')
        return cls(tuple(value["words"]))

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}
