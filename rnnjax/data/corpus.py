"""Running text, in parts for training, validation and test, as characters or as words."""

from __future__ import annotations

import collections
import os
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from rnnjax.data.files import Entry, entries, text_of
from rnnjax.errors import InputError, check

Text = TypeVar("Text", bound=Any)

END = "<eos>"
"""The word at the end of each line."""

UNKNOWN = "<unk>"
"""The word in the place of those that are not in the vocabulary."""

WHOLE = "whole"
"""The name of a text that has not been split yet."""

_PARTS = {"train": ("train",), "validation": ("valid", "dev", "val"), "test": ("test",)}
_TRAINING, _VALIDATION = 0.9, 0.95  # where the splits end, as shares of the text


def read_texts(path: str | os.PathLike) -> dict[str, str]:
    """The texts of a folder, an archive, or one file: "train", "validation" and "test", or "whole".

    In a folder the files are known by "train", "valid" (or "dev") and "test" in their names. A single file is one
    whole text.

    Raises:
      InputError: an empty file, one that is no text in UTF-8, or a folder with other files than these.
    """
    found = entries(path)
    if len(found) == 1:
        return {WHOLE: _filled(found[0])}
    texts = {}
    for split, words in _PARTS.items():
        own = [entry for entry in found if any(word in entry.parts[-1].lower() for word in words)]
        if len(own) != 1:
            names = ", ".join(entry.name for entry in found[:8])
            expected = f"one text, or one file each with train, valid and test in its name (there are {names})"
            raise InputError("data", str(path), expected)
        texts[split] = _filled(own[0])
    return texts


def by_position(text: Text) -> dict[str, Text]:
    """A text in three: the first 90 % to train on, 5 % for validation, the last 5 % for the test.

    Raises:
      InputError: a text so short that a part would be empty.
    """
    first, second = (int(share * len(text)) for share in (_TRAINING, _VALIDATION))
    check(0 < first < second < len(text), "data", f"{len(text)} tokens", "a text of at least 40 characters or words")
    return {"train": text[:first], "validation": text[first:second], "test": text[second:]}


def words_of(text: str) -> list[str]:
    """What stands between spaces, and `<eos>` at the end of each line, empty lines included."""
    lines = text.split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    return [word for line in lines for word in (*line.split(), END)]


def common_words(words: Sequence[str], min_count: int | None = None, size: int | None = None) -> tuple[str, ...]:
    """The vocabulary of a training text, the most frequent word first, of equally frequent ones in order.

    Args:
      words: the training text.
      min_count: how often a word has to occur; `None` is once where the text has words `<unk>` of its own, as
        WikiText-2 has, and else twice, so that the model learns what an unknown word is.
      size: the most words, `<unk>` included; `None` takes all.

    Returns:
      The words; `<unk>` is among them where the text has it, or where a word was left out.

    Raises:
      InputError: a count below 1, or a size below 2.
    """
    check(min_count is None or min_count >= 1, "min_count", min_count, "a positive int, or None")
    check(size is None or size >= 2, "size", size, "an int of at least 2, or None")
    counts = collections.Counter(words)
    least = (1 if UNKNOWN in counts else 2) if min_count is None else min_count
    rare = [word for word, count in counts.items() if count < least and word != UNKNOWN]
    left_out = sum(counts.pop(word) for word in rare)
    if left_out:
        counts[UNKNOWN] += left_out
    kept = sorted(counts, key=lambda word: (-counts[word], word))
    if size is not None and len(kept) > size:
        kept = [word for word in kept if word != UNKNOWN][: size - 1]
        kept.append(UNKNOWN)
        counts[UNKNOWN] += sum(counts.values()) - sum(counts[word] for word in kept)
        kept.sort(key=lambda word: (-counts[word], word))
    return tuple(kept)


def characters_of(*texts: str) -> tuple[str, ...]:
    """The characters that occur, in the order of their code points."""
    return tuple(map(chr, np.unique(np.concatenate([code_points(text) for text in texts]))))


def code_points(text: str) -> np.ndarray:
    """A text as numbers, `[characters]` uint32."""
    return np.array([text], dtype=np.str_).view(np.uint32) if text else np.zeros(0, np.uint32)


def encode_characters(text: str, alphabet: Sequence[str], argument: str = "text") -> np.ndarray:
    """The places of characters in an alphabet sorted by code points, `[characters]` int32.

    Args:
      text: what is encoded.
      alphabet: the known characters.
      argument: what an error calls the text.

    Raises:
      InputError: characters that are not in the alphabet, all of them by name.
    """
    known, points = code_points("".join(alphabet)), code_points(text)
    places = np.minimum(np.searchsorted(known, points), len(known) - 1)
    strange = known[places] != points
    if strange.any():
        given = "".join(sorted({chr(point) for point in points[strange]}))
        raise InputError(argument, given, f"only the {len(known)} characters of the data: {''.join(alphabet)!r}")
    return places.astype(np.int32)


def encode_words(words: Sequence[str], vocabulary: Sequence[str], argument: str = "text") -> np.ndarray:
    """The places of words in a vocabulary, `[words]` int32; that of `<unk>` for others.

    Args:
      words: what is encoded.
      vocabulary: the known words.
      argument: what an error calls the words.

    Raises:
      InputError: an unknown word, where the vocabulary has no `<unk>`.
    """
    places = {word: place for place, word in enumerate(vocabulary)}
    unknown = places.get(UNKNOWN)
    if unknown is None:
        strange = next((word for word in words if word not in places), None)
        check(strange is None, argument, strange, f"only the {len(places)} words of the data, which have no {UNKNOWN}")
    return np.array([places.get(word, unknown) for word in words], np.int32)


def _filled(entry: Entry) -> str:
    text = text_of(entry)
    check(bool(text.strip()), entry.name, "an empty file", "a text")
    return text
