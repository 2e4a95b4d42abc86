"""Piano rolls on file: where they lie, and the pieces of a split, whole or cut into rows."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rnnjax.errors import InputError, check
from rnnjax.tasks.piano_roll import read_corpus

_ENDINGS = (".mat", ".json")


class Piece(NamedTuple):
    """Frames that follow each other, `[steps + 1, 88]` uint8: each but the first is a target."""

    frames: np.ndarray


@functools.lru_cache(maxsize=16)
def rows_of(data: str, corpus: str, split: str, window: int) -> tuple[Piece, ...]:
    """The pieces of a split, cut into rows of at most so many steps, or whole where `window` is 0.

    Rows follow each other: the last frame of one is the first of the next.

    Args:
      data: a file, or a folder.
      corpus: the name of the file in the folder, without its ending; "" where there is one only.
      split: "train", "validation" or "test".
      window: the most steps of a row.

    Raises:
      InputError: no such file, or one that holds no piano rolls.
    """
    folder, name = _place(data, corpus)
    try:
        part = read_corpus(folder, name)[split]
    except InputError as error:
        raise InputError("data", str(pathlib.Path(folder) / name), str(error).partition("expected ")[2]) from None
    rows = []
    for frames in np.split(part.frames, np.cumsum(part.lengths)[:-1]):
        most = window or len(frames)
        rows += [Piece(frames[start : start + most + 1]) for start in range(0, len(frames) - 1, most)]
    return tuple(rows)


def in_pairs(pieces: Iterable[Piece]) -> tuple[np.ndarray, np.ndarray]:
    """All frames that have one after them, and those after them: `[steps, 88]` each, as floats."""
    pieces = list(pieces)
    before, after = (np.concatenate([piece.frames[part] for piece in pieces]) for part in (slice(-1), slice(1, None)))
    return before.astype(float), after.astype(float)


def _place(data: str, corpus: str) -> tuple[str, str]:
    """The folder of a corpus, and its name."""
    expected = "a file of piano rolls, .mat or .json, or a folder with one (--corpus NAME, where there are several)"
    path = pathlib.Path(data)
    check(bool(data) and path.exists(), "data", data, expected)
    if path.is_file():
        check(path.suffix in _ENDINGS, "data", data, expected)
        return str(path.parent), path.stem
    names = sorted({file.stem for file in path.iterdir() if file.suffix in _ENDINGS})
    if corpus:
        check(corpus in names, "corpus", corpus, "one of " + ", ".join(names))
        return str(path), corpus
    check(len(names) == 1, "data", data, f"{expected}; it has {', '.join(names) or 'none'}")
    return str(path), names[0]
