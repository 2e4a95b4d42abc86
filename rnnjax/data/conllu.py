"""The format CoNLL-U: sentences with a tag a word."""

from __future__ import annotations

import re
from typing import NamedTuple

from rnnjax.data.files import Entry, lines_of, place_of
from rnnjax.errors import check, check_choice

COLUMNS = {"upos": 3, "xpos": 4}
"""Where the tags stand: the universal parts of speech, and those of the language."""

_FIELDS = 10
_NUMBER = re.compile(r"[1-9][0-9]*")
_WITHOUT_TAG = re.compile(r"[0-9]+[-.][0-9]+")  # a token of several words such as 3-4, or an empty node such as 8.1


class Sentence(NamedTuple):
    """A sentence with a tag a word.

    Attributes:
      words: the words as written.
      tags: a tag each.
      file: the name of the file.
      line: that line of it in which the first word stands.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    file: str
    line: int


def read_conllu(entry: Entry, column: str = "upos") -> list[Sentence]:
    """The sentences of a file in CoNLL-U.

    A word is a line of ten fields with tabs between them, an empty line ends a sentence, and a line that begins with #
    is a comment. Tokens that stand for several words (3-4) and empty nodes (8.1) are left out, as is usual in tagging.

    universaldependencies.org/format.html.

    Args:
      entry: the file.
      column: "upos" or "xpos": which tags.

    Raises:
      InputError: a line of another form, named by file and line; a word without a tag; a file without a sentence.
    """
    check_choice("column", column, COLUMNS)
    place, sentences, words, tags, first = COLUMNS[column], [], [], [], 0

    def finished() -> None:
        if words:
            sentences.append(Sentence(tuple(words), tuple(tags), entry.name, first))
            words.clear()
            tags.clear()

    for number, line in enumerate(lines_of(entry), 1):
        if not line.strip():
            finished()
            continue
        if line.startswith("#"):
            continue
        fields, where = line.split("\t"), place_of(entry.name, number)
        check(len(fields) == _FIELDS, where, f"{len(fields)} fields", f"{_FIELDS} fields with tabs between them")
        if _WITHOUT_TAG.fullmatch(fields[0]):
            continue
        expected = f"{len(words) + 1}, the number of the word in its sentence"
        check(_NUMBER.fullmatch(fields[0]) is not None and int(fields[0]) == len(words) + 1, where, fields[0], expected)
        check(bool(fields[1]), where, fields[1], "a word in the second field")
        check(fields[place] not in ("", "_"), where, fields[place], f"a tag in field {place + 1} ({column})")
        first = first if words else number
        words.append(fields[1])
        tags.append(fields[place])
    finished()
    check(bool(sentences), entry.name, "no sentence", "at least one sentence in CoNLL-U")
    return sentences
