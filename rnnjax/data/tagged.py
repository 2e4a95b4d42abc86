"""Tagged sentences in splits: from files in CoNLL-U, or from TensorFlow Datasets."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from rnnjax.data.conllu import Sentence, read_conllu
from rnnjax.data.files import Entry, entries, place_of
from rnnjax.data.splits import three_ways
from rnnjax.errors import InputError, check

_SPLITS = {"train": ("train",), "validation": ("dev", "valid", "val"), "test": ("test",)}
_DRAWN = ("validation", "test")  # where they are missing
_LEAST = 10  # sentences, to draw a tenth of them


@functools.lru_cache(maxsize=4)
def read_tagged(data: str, tfds: str = "", data_dir: str = "", column: str = "upos") -> dict[str, list[Sentence]]:
    """Training, validation and test sentences of a folder, an archive, one file, or a TFDS data set.

    In a folder the files are known by "train", "dev" (or "valid") and "test" in their names, with the ending `.conllu`
    or `.conll`. A data set has the features "tokens" and "upos" or "xpos", as `universal_dependencies` has. Of one
    file, or where there is no split for validation or for the test, a tenth of the training sentences each, drawn at
    random once and for all, stands in for what is missing.

    Raises:
      InputError: no training sentences, several files for one split, less than ten sentences to draw from, and as
        `read_conllu`.
    """
    found = _from_tfds(tfds, data_dir, column) if tfds else _from_files(data, column)
    missing = [split for split in _DRAWN if split not in found]
    if missing:
        everything = found["train"]
        check(len(everything) >= _LEAST, "data", f"{len(everything)} sentences", f"at least {_LEAST}, to draw a tenth")
        validation, test = (0.1 if split in missing else 0.0 for split in _DRAWN)
        parts = three_ways(len(everything), validation=validation, test=test)
        found |= {split: [everything[i] for i in parts[split]] for split in ("train", *missing)}
    return found


def tag_set(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    """The tags that occur, sorted."""
    return tuple(sorted({tag for sentence in sentences for tag in sentence.tags}))


def check_tags(sentences: Iterable[Sentence], known: Sequence[str]) -> None:
    """Checks that no tag is one that the training sentences do not have.

    Raises:
      InputError: naming the file, the line in which the sentence begins, and the word.
    """
    names = set(known)
    for sentence in sentences:
        for word, tag in zip(sentence.words, sentence.tags, strict=True):
            if tag not in names:
                where = f"{place_of(sentence.file, sentence.line)} and below, the tag of {word!r}"
                raise InputError(where, tag, "one of the tags in the training data: " + ", ".join(known))


def _from_files(path: str, column: str) -> dict[str, list[Sentence]]:
    found = entries(path)
    files = [entry for entry in found if entry.name.lower().endswith((".conllu", ".conll"))]
    if len(found) == 1:
        return {"train": read_conllu(found[0], column)}  # one file may be called anything
    chosen = {split: _file_of(files, words, path) for split, words in _SPLITS.items()}
    if chosen["train"] is None:
        names = ", ".join(entry.name for entry in found[:8])
        raise InputError("data", path, f'a file .conllu with "train" in its name (there are {names})')
    return {split: read_conllu(entry, column) for split, entry in chosen.items() if entry is not None}


def _file_of(files: list[Entry], words: tuple[str, ...], path: str) -> Entry | None:
    """The file of a split, by a word in its own name (not in those of folders), or `None`."""
    found = [entry for entry in files if any(word in entry.parts[-1].lower() for word in words)]
    names = ", ".join(entry.name for entry in found)
    check(len(found) <= 1, "data", path, f"one file with {words[0]!r} in its name (there are {names})")
    return found[0] if found else None


def _from_tfds(name: str, data_dir: str, column: str) -> dict[str, list[Sentence]]:
    from rnnjax.data.tfds import splits

    source = splits(name, data_dir)
    check("train" in source, "tfds", name, "a data set with a split train")
    return {split: _sentences_of(part, name, split, column) for split, part in source.items() if split in _SPLITS}


def _sentences_of(source: Any, name: str, split: str, column: str) -> list[Sentence]:
    features = source.dataset_info.features
    expected = f"a data set with the features tokens and {column}; it has {', '.join(sorted(features))}"
    check({"tokens", column} <= set(features), "tfds", name, expected)
    names = getattr(getattr(features[column], "feature", None), "names", None)
    found = []
    for i in range(len(source)):
        row = source[i]
        tags = [_text(tag) if names is None else names[int(tag)] for tag in row[column]]
        found.append(Sentence(tuple(map(_text, row["tokens"])), tuple(tags), f"{name} ({split})", i))
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
