"""Parallel texts: a sentence and its translation, from two files side by side or from a table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from rnnjax.data import tfds
from rnnjax.data.files import Entry, entries, lines_of, place_of
from rnnjax.data.splits import three_ways
from rnnjax.errors import InputError, check, check_choice

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test",),
}
"""How the names of files begin, by the split that they hold."""

_TABLES = (".tsv", ".txt")


class Sentences(NamedTuple):
    """A sentence and its translation."""

    source: str
    target: str


def read_pairs(
    path: str, source: str, target: str, *, test: str = "", columns: tuple[int, int] = (0, 1)
) -> dict[str, tuple[Sentences, ...]]:
    """The pairs of a parallel text, by split.

    A folder or an archive with files `NAME.source` and `NAME.target` (such as `train.en` and `train.de`, or with `.gz`
    after it) is read line by line; the split is told by how the name begins: "train", "val", "valid" or "dev", "test".
    One such pair of files, whatever its name, is split here. Otherwise there has to be one table, a `.tsv` or `.txt`
    whose lines hold fields with tabs in between, by itself or in an archive or folder; it is split here too.

    What is split here is split by the source sentence, so that none that is tested on was trained on, a tenth for each
    of validation and test; of those with the same source the first is kept there.

    Args:
      path: file, folder or archive.
      source: the language to read, as files end, such as "en".
      target: the language to write, likewise.
      test: the name of the files to test on, without the language, where there are several; the first by default.
      columns: which fields of a table are source and target, the first being 0.

    Raises:
      InputError: no such files, files of unequal length, a line without the fields, an empty sentence, or no pairs.
    """
    here = entries(path)
    stems = _stems(here, source, target)
    if stems:
        return _from_files(path, stems, test)
    tables = [entry for entry in here if entry.name.lower().endswith(_TABLES) and not entry.parts[-1].startswith("_")]
    if len(tables) != 1:
        names = ", ".join(entry.name for entry in here[:8])
        expected = f"files NAME.{source} and NAME.{target}, or one table .tsv or .txt (there are {names})"
        raise InputError("data", path, expected)
    return _split(_from_table(tables[0], columns))


def read_tfds(name: str, data_dir: str, source: str, target: str) -> dict[str, tuple[Sentences, ...]]:
    """The pairs of a data set of TensorFlow Datasets, by split; one without validation or test is split here.

    Args:
      name: of the data set, such as "ted_hrlr_translate/pt_to_en".
      data_dir: the folder in which it was prepared.
      source: the feature to read, such as "en".
      target: the feature to write.

    Raises:
      InputError: as `rnnjax.data.tfds.splits`; a feature that is not there, or an empty sentence.
    """
    held = tfds.splits(name, data_dir)
    found = {split: [known for known in held if known in beginnings] for split, beginnings in SPLITS.items()}
    expected = "a data set with a split for training"
    check(bool(found["train"]), "tfds", name, f"{expected} (there are {', '.join(held)})")
    if not (found["validation"] and found["test"]):
        return _split(_from_features(name, held[found["train"][0]], source, target))
    return {split: tuple(_from_features(name, held[names[0]], source, target)) for split, names in found.items()}


def read_sources(path: str) -> list[str]:
    """The sentences of a text file, one a line.

    Raises:
      InputError: an empty line, or no lines.
    """
    here = entries(path, "--input")
    check(len(here) == 1, "--input", path, "one text file")
    return _sentences(here[0])


def _stems(here: list[Entry], source: str, target: str) -> dict[str, tuple[Entry, Entry]]:
    """The files that there are in both languages, by their name without the language."""
    by_language = [
        {entry.name[: -len(language) - 1]: entry for entry in here if entry.name.endswith(f".{language}")}
        for language in (source, target)
    ]
    return {stem: (entry, by_language[1][stem]) for stem, entry in by_language[0].items() if stem in by_language[1]}


def _from_files(path: str, stems: dict[str, tuple[Entry, Entry]], test: str) -> dict[str, tuple[Sentences, ...]]:
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    for stem in stems:
        first = re.split(r"[^a-z]", stem.rpartition("/")[2].lower())[0]
        for split, beginnings in SPLITS.items():
            if first in beginnings:
                found[split].append(stem)
    if len(stems) == 1:
        return _split(_parallel(*next(iter(stems.values()))))
    if test:
        check_choice("test", test, tuple(stems))
        found["test"] = [test]
    for split, names in found.items():
        expected = f"a folder with files for {split}, whose names begin with " + " or ".join(SPLITS[split])
        check(bool(names), "data", path, f"{expected} (there are {', '.join(stems)})")
    return {split: tuple(_parallel(*stems[names[0]])) for split, names in found.items()}


def _parallel(one: Entry, other: Entry) -> list[Sentences]:
    sources, targets = _sentences(one), _sentences(other)
    check(len(sources) == len(targets), other.name, f"{len(targets)} lines", f"{len(sources)}, as in {one.name}")
    return [Sentences(*pair) for pair in zip(sources, targets, strict=True)]


def _sentences(entry: Entry) -> list[str]:
    lines = [line.strip() for line in lines_of(entry)]
    check(bool(lines), entry.name, "an empty file", "a sentence a line")
    if "" in lines:
        raise InputError(place_of(entry.name, lines.index("") + 1), "an empty line", "a sentence")
    return lines


def _from_table(entry: Entry, columns: tuple[int, int]) -> list[Sentences]:
    pairs = []
    for number, line in enumerate(lines_of(entry), 1):
        fields = line.split("\t")
        if len(fields) <= max(columns):
            given = f"{len(fields)} fields" if line else "an empty line"
            raise InputError(place_of(entry.name, number), given, f"at least {max(columns) + 1}, with tabs in between")
        pair = Sentences(*(fields[column].strip() for column in columns))
        check(all(pair), place_of(entry.name, number), "an empty sentence", "a sentence and its translation")
        pairs.append(pair)
    check(bool(pairs), entry.name, "an empty file", "a pair of sentences a line")
    return pairs


def _from_features(name: str, examples: Iterable[Any], source: str, target: str) -> list[Sentences]:
    pairs = []
    for number, example in enumerate(examples):
        for language in (source, target):
            check(language in example, "language", language, f"a feature of {name}, one of {', '.join(example)}")
        texts = (example[language] for language in (source, target))
        pair = Sentences(*(text.decode() if isinstance(text, bytes) else str(text) for text in texts))
        check(all(pair), f"{name}, example {number}", "an empty sentence", "a sentence and its translation")
        pairs.append(pair)
    return pairs


def _split(pairs: list[Sentences]) -> dict[str, tuple[Sentences, ...]]:
    by_source: dict[str, list[Sentences]] = {}
    for pair in pairs:
        by_source.setdefault(pair.source, []).append(pair)
    groups = list(by_source.values())
    check(len(groups) >= 10, "data", f"{len(groups)} different sentences", "at least 10, to split them")
    parts = three_ways(len(groups))
    kept = {"train": slice(None), "validation": slice(1), "test": slice(1)}
    return {split: tuple(pair for i in parts[split] for pair in groups[i][kept[split]]) for split in parts}
