"""Tokenizers: a text to tokens and back. Frozen values, so that they go into a run's configuration."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from rnnjax.errors import InputError, check

# A word with what an apostrophe joins to it, a number with its points and commas, or one mark.
_WORD = re.compile(r"\d+(?:[.,]\d+)*|\w+(?:['’]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = frozenset(",.;:!?)]}%’”…")
_NO_SPACE_AFTER = frozenset("([{$£€#“„¿¡")


class Tokenizer(Protocol):
    """What cuts a text into tokens and puts tokens together."""

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text."""
        ...

    def text(self, tokens: Iterable[str]) -> str:
        """The text of tokens."""
        ...


@dataclasses.dataclass(frozen=True)
class Characters:
    """Each character is a token; `text` gives the text back as it was."""

    def tokens(self, text: str) -> list[str]:
        """The characters."""
        return list(text)

    def text(self, tokens: Iterable[str]) -> str:
        """The characters put together."""
        return "".join(tokens)


@dataclasses.dataclass(frozen=True)
class Words:
    """Words, numbers and single marks; or, of a text that was cut already, what stands between spaces.

    `text` puts a space between tokens, save before and after the marks that go without one. It is no inverse of
    `tokens`: spaces and capitals are not kept.

    Args:
      lower: whether capitals are made small.
      marks: whether marks are cut from words; if not, a text is cut at white space only.
    """

    lower: bool = False
    marks: bool = True

    def tokens(self, text: str) -> list[str]:
        """The words and marks of a text."""
        text = text.lower() if self.lower else text
        return _WORD.findall(text) if self.marks else text.split()

    def text(self, tokens: Iterable[str]) -> str:
        """The tokens with spaces between them."""
        pieces: list[str] = []
        joined = True  # to what comes next
        for token in tokens:
            alone = joined or (self.marks and token in _NO_SPACE_BEFORE)
            pieces.append(token if alone else " " + token)
            joined = self.marks and token in _NO_SPACE_AFTER
        return "".join(pieces)


@dataclasses.dataclass(frozen=True)
class BytePairs:
    """Byte-pair encoding over the bytes of UTF-8: any text can be cut, and `text` gives it back as it was.

    Tokens are the pieces of the library `tokenizers`, in which a letter stands for each byte and `Ġ` for a space.
    Sennrich, Haddow & Birch 2016, arXiv:1508.07909; over bytes: Radford et al. 2019.

    Args:
      merges: the pairs that are put together, the earliest first; from `BytePairs.of`.

    Raises:
      InputError: merges that are no pairs of strings; when it is used, merges of pieces that no earlier one makes, or
        the library missing.
    """

    merges: tuple[tuple[str, str], ...]

    def __post_init__(self):
        valid = isinstance(self.merges, tuple) and all(
            isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(piece, str) for piece in pair)
            for pair in self.merges
        )
        check(valid, "BytePairs.merges", type(self.merges).__name__, "a tuple of pairs of strings")

    @classmethod
    def of(cls, texts: Iterable[str], size: int, min_count: int = 2) -> BytePairs:
        """Learns merges from texts.

        Args:
          texts: the training data.
          size: the most pieces, the 256 bytes included.
          min_count: how often a pair has to occur to be merged.

        Raises:
          InputError: a size below 256, or the library missing.
        """
        import json

        check(size >= 256, "size", size, "at least 256, the number of bytes")
        library = _library()
        model = library.Tokenizer(library.models.BPE())
        model.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=min_count,
            show_progress=False,
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        )
        model.train_from_iterator(texts, trainer)
        merges = json.loads(model.to_str())["model"]["merges"]
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in merges)  # by the library's version
        return cls(tuple((one, other) for one, other in pairs))

    @property
    def pieces(self) -> tuple[str, ...]:
        """All tokens that there can be: the letters of the 256 bytes, then what the merges make, each once."""
        letters = sorted(_library().pre_tokenizers.ByteLevel.alphabet())
        return tuple(dict.fromkeys([*letters, *(one + other for one, other in self.merges)]))

    def tokens(self, text: str) -> list[str]:
        """The pieces of a text."""
        return self._model.encode(text).tokens

    def text(self, tokens: Iterable[str]) -> str:
        """The text of the pieces; bytes that make no character become U+FFFD."""
        return self._model.decoder.decode(list(tokens))

    @functools.cached_property
    def _model(self) -> Any:
        library = _library()
        numbers = {piece: number for number, piece in enumerate(self.pieces)}
        merges: Sequence[tuple[str, str]] = [*self.merges]
        try:
            model = library.Tokenizer(library.models.BPE(vocab=numbers, merges=merges))
        except Exception as error:  # the library raises Exception itself
            raise InputError(
                "BytePairs.merges", self.merges[:2], f"merges of pieces that there are ({error})"
            ) from None
        model.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        model.decoder = library.decoders.ByteLevel()
        return model

    def __getstate__(self) -> dict[str, Any]:
        return {"merges": self.merges}  # what was built from them is built again


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise InputError("tokenizer", "byte pairs", "the package tokenizers (pip install tokenizers)") from None
    return tokenizers
