"""Sentiment trees in brackets, as of the Stanford Sentiment Treebank."""

from __future__ import annotations

import re
from typing import NamedTuple

from rnnjax.data.files import Entry, lines_of, place_of
from rnnjax.errors import InputError

_TOKEN = re.compile(r"[()]|[^\s()]+")
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]"}


class Phrase(NamedTuple):
    """A node of a tree.

    Attributes:
      grade: its label, 0 (very negative) to 4 (very positive).
      words: the words below it, from left to right.
    """

    grade: int
    words: tuple[str, ...]


def read_trees(entry: Entry) -> list[tuple[int, tuple[Phrase, ...]]]:
    """The trees of a file, one a line, as in `(3 (2 A) (4 (4 good) (2 film)))`; blank lines are passed over.

    Each comes with its line number and as its phrases, the whole sentence first. Socher et al. 2013, aclanthology.org/
    D13-1170.

    Raises:
      InputError: a line that is no such tree, or a grade that is none of 0 to 4, named by file and line.
    """
    trees = []
    for number, line in enumerate(lines_of(entry), 1):
        if not line.strip():
            continue
        try:
            trees.append((number, phrases(line)))
        except ValueError as error:
            shown = line if len(line) <= 60 else line[:60] + " ..."
            expected = f"a tree such as (3 (2 A) (4 film)): {error}"
            raise InputError(place_of(entry.name, number), shown, expected) from None
    return trees


def looks_like_trees(entry: Entry) -> bool:
    """Whether the first line of a file that is not blank begins as a tree does."""
    first = next((line for line in lines_of(entry) if line.strip()), "")
    return re.match(r"\s*\(\d+\s+[^\s]", first) is not None


def phrases(line: str) -> tuple[Phrase, ...]:
    """The phrases of one tree, each before those in it.

    Raises:
      ValueError: a line that is no tree, with what is wrong with it.
    """
    tokens: list[str] = _TOKEN.findall(line)
    words: list[str] = []
    found: list[tuple[int, int, int]] = []  # grade, first word, end; in the order in which they open
    open_nodes: list[int] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token == "(":
            if found and not open_nodes:
                raise ValueError("there is more after its end")
            grade = tokens[place + 1] if place + 1 < len(tokens) else ""
            if grade not in ("0", "1", "2", "3", "4"):
                raise ValueError(f"the grade {grade!r} is none of 0 to 4")
            open_nodes.append(len(found))
            found.append((int(grade), len(words), -1))
            place += 1  # the grade
        elif not open_nodes:
            raise ValueError("there is something outside of its brackets")
        elif token == ")":
            node = open_nodes.pop()
            grade, start, _ = found[node]
            if start == len(words):
                raise ValueError("a phrase has no word")
            found[node] = (grade, start, len(words))
        else:
            words.append(_BRACKETS[token] if token in _BRACKETS else token.replace("\\/", "/").replace("\\*", "*"))
        place += 1
    if open_nodes or not found:
        raise ValueError("a bracket is not closed" if open_nodes else "it is empty")
    return tuple(Phrase(grade, tuple(words[start:end])) for grade, start, end in found)
