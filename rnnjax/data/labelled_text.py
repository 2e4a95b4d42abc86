"""Texts with labels, in the layouts in which they come."""

from __future__ import annotations

import csv
import io
import os
import posixpath
from collections.abc import Sequence
from typing import NamedTuple

from rnnjax.data import tfds
from rnnjax.data.files import Entry, entries, lines_of, place_of, text_of
from rnnjax.data.splits import three_ways
from rnnjax.data.trees import looks_like_trees, read_trees
from rnnjax.errors import InputError, check

SPLITS = ("train", "validation", "test")
_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation"}
_NAMES |= {"dev": "validation", "test": "test", "testing": "test"}
_TEXTS = (".txt", ".tsv", ".csv")
_NOTES = ("readme", "license", "licence")
_MISSING = ("", "nan", "NaN")
_UNLABELLED = ("unsup", "unsupervised")
_HELD_OUT = 0.1


class LabelledText(NamedTuple):
    """A text and its label.

    Attributes:
      text: the text.
      label: its label, as it stands in the data.
      place: where it came from, for errors: a file, or a file and a line.
      phrase: whether it is a part of another text of the same split, as the phrases of a treebank are.
    """

    text: str
    label: str
    place: str
    phrase: bool = False


Splits = dict[str, tuple[LabelledText, ...]]


def read(path: str | os.PathLike, *, text: str = "text", label: str = "label", argument: str = "data") -> Splits:
    r"""Texts with labels from a file, a folder or an archive (`rnnjax.data.entries`), by split.

    | what lies there | a text | its label |
    |---|---|---|
    | a file `.csv` with a header | the column `text` | the column `label` |
    | any other file | what stands behind the first tab of a line | what stands before it |
    | a file of sentiment trees | a sentence | "negative" or "positive"; neutral ones are left out |
    | folders, one a label, of files `.txt` | a file | the name of its folder |
    | files `.txt`, one a label | a line | the name of its file, without `.txt` |

    The first three may be one file, or one a split: `train.*`, `test.*`, and perhaps `validation.*` (or `valid`,
    `val`, `dev`). The folders of labels may lie in folders of these names; texts in a folder `unsup` are left out,
    files beside the folders of labels, and a README.txt. Blank lines are passed over.

    Where nothing is said of splits, a tenth each is drawn for test and validation, by a fixed seed
    (`three_ways`); where only the test or only the validation is given, a tenth of the training data becomes the other.

    Args:
      path: the file, folder or archive.
      text: the column of the texts in a CSV.
      label: the column of the labels in a CSV.
      argument: what an error calls the path.

    Returns:
      The texts of "train", "validation" and "test". The phrases of trees, the whole sentences included no second
      time, follow in "train" and are marked.

    Raises:
      InputError: no such file, an empty one, a line without a tab, a column that is not there, a label or text that
        is missing or NaN, a byte that is no UTF-8, a label that does not occur in the training split, or one label
        only; by file and line.
    """
    columns = text, label
    files = [entry for entry in entries(path, argument) if entry.parts[0] != "__MACOSX"]
    return divided(_by_split(files, columns, str(path), argument), argument, str(path))


def from_tfds(name: str, data_dir: str = "", *, text: str = "text", label: str = "label") -> Splits:
    """Texts with labels of TensorFlow Datasets, by split, as `read` gives them.

    Args:
      name: the data set.
      data_dir: the folder in which data sets lie.
      text: the feature of the texts.
      label: the feature of the labels, a class.

    Raises:
      InputError: no such data set or feature, and as `read`.
    """
    found: dict[str, list[LabelledText]] = {}
    for split, source in tfds.splits(name, data_dir).items():
        if split not in _NAMES:
            continue
        names = tfds.label_names(source, label)
        features = source.dataset_info.features
        check(text in features, "text", text, f"a text among the features {', '.join(sorted(features))}")
        rows = (source[i] for i in range(len(source)))
        found[_NAMES[split]] = [
            LabelledText(row[text].decode(), names[int(row[label])], f"{name}, {split}, example {i}")
            for i, row in enumerate(rows)
            if int(row[label]) >= 0  # a test without labels has -1
        ]
    check(bool(found.get("train")), "tfds", name, "a data set with a split train")
    return divided({split: rows for split, rows in found.items() if rows}, "tfds", name)


def unlabelled(path: str | os.PathLike, *, text: str = "text", argument: str = "input") -> list[str]:
    """The texts of a file that has no labels: the column of a CSV, a line each of any other file; a folder's files.

    Blank lines are passed over.

    Raises:
      InputError: no such file, an empty one, a column that is not there, a byte that is no UTF-8.
    """
    found = entries(path, argument)
    if os.path.isdir(path):
        return [text_of(entry) for entry in found]
    (entry,) = found[:1]
    if entry.name.endswith(".csv"):
        texts = [row[0] for row, _ in _rows(entry, (text,))]
    else:
        texts = [line for line in lines_of(entry) if line.strip()]
    check(bool(texts), argument, str(path), "a file with texts in it")
    return texts


def divided(found: dict[str, list[LabelledText]], argument: str, name: str) -> Splits:
    """Three splits of what was found: of "all", or of "train" and whatever else is there.

    Raises:
      InputError: a label that does not occur in the training split, or one label only.
    """
    if "all" in found:
        rows = found["all"]
        whole = [row for row in rows if not row.phrase]
        drawn = three_ways(len(whole), validation=_HELD_OUT, test=_HELD_OUT)
        found = {split: [whole[i] for i in drawn[split]] for split in SPLITS}
    else:
        check("train" in found, argument, name, f"a training split (there are {', '.join(found) or 'none'})")
        # Phrases go with the training sentences. Of those a split is drawn from, none stay behind.
        for missing in ("validation", "test"):
            if missing not in found:
                whole = [row for row in found["train"] if not row.phrase]
                drawn = three_ways(len(whole), validation=0, test=_HELD_OUT)
                found = found | {
                    missing: [whole[i] for i in drawn["test"]],
                    "train": [whole[i] for i in drawn["train"]],
                }
    known = {row.label for row in found["train"]}
    for split in SPLITS[1:]:
        for row in found[split]:
            expected = f"one of the labels in the training split: {_shown(sorted(known))}"
            check(row.label in known, row.place, row.label, expected)
    check(len(known) > 1, argument, name, f"texts of two labels at least (there is {_shown(sorted(known))})")
    return {split: tuple(found[split]) for split in SPLITS}


def _by_split(
    files: Sequence[Entry], columns: tuple[str, str], path: str, argument: str
) -> dict[str, list[LabelledText]]:
    """What was found in the files of a data set: by split, or under "all"."""
    if len(files) == 1:
        return {"all": _from_file(files[0], columns, phrases=False)}
    texts = [entry for entry in files if entry.name.endswith(_TEXTS) and _stem(entry).lower() not in _NOTES]
    check(bool(texts), argument, path, f"files that end in {', '.join(_TEXTS)}")
    highest = min(len(entry.parts) for entry in texts)
    named = {
        _NAMES[stem]: entry
        for entry in texts
        if len(entry.parts) == highest and (stem := _stem(entry).lower()) in _NAMES
    }
    if "train" in named:
        return {split: _from_file(entry, columns, phrases=split == "train") for split, entry in named.items()}
    plain = [entry for entry in texts if entry.name.endswith(".txt")]
    check(bool(plain), argument, path, "train.csv or train.tsv, or files that end in .txt")
    found = _from_folders(plain) or _from_lines(plain)
    if "all" in found and len(found) > 1:
        stray = found["all"][0].place
        raise InputError(stray, "a folder beside those of the splits", "all texts in folders of splits, or none")
    check(bool(found), argument, path, "files with texts in them")
    return found


def _from_folders(texts: Sequence[Entry]) -> dict[str, list[LabelledText]]:
    """The texts of folders that are labels; nothing where there are no such folders."""
    found: dict[str, list[LabelledText]] = {}
    shared = posixpath.commonpath([posixpath.dirname(entry.name) for entry in texts])
    for entry in texts:
        label = entry.parts[-2] if posixpath.dirname(entry.name) != shared else ""
        if not label or label.lower() in _NAMES or label in _UNLABELLED:
            continue
        text = text_of(entry).strip()
        check(bool(text), entry.name, "an empty file", "a text")
        found.setdefault(_split_of(entry.parts[:-2]), []).append(LabelledText(text, label, entry.name))
    return found


def _from_lines(texts: Sequence[Entry]) -> dict[str, list[LabelledText]]:
    """The lines of files that are labels."""
    found: dict[str, list[LabelledText]] = {}
    for entry in texts:
        lines = lines_of(entry)
        check(any(line.strip() for line in lines), entry.name, "an empty file", "a text in each line")
        found.setdefault(_split_of(entry.parts[:-1]), []).extend(
            LabelledText(line.strip(), _stem(entry), place_of(entry.name, number))
            for number, line in enumerate(lines, 1)
            if line.strip()
        )
    return found


def _split_of(folders: Sequence[str]) -> str:
    return next((_NAMES[folder.lower()] for folder in reversed(folders) if folder.lower() in _NAMES), "all")


def _from_file(entry: Entry, columns: tuple[str, str], phrases: bool) -> list[LabelledText]:
    check(bool(entry.read().strip()), entry.name, "an empty file", "texts with labels")
    if entry.name.endswith(".csv"):
        found = [LabelledText(row[0], row[1], place) for row, place in _rows(entry, columns)]
    elif looks_like_trees(entry):
        return _from_trees(entry, phrases)
    else:
        found = [_from_line(line, place_of(entry.name, i)) for i, line in enumerate(lines_of(entry), 1) if line.strip()]
    check(bool(found), entry.name, "no text", "texts with labels")
    return found


def _from_line(line: str, place: str) -> LabelledText:
    label, tab, text = line.partition("\t")
    shown = line if len(line) <= 60 else line[:60] + " ..."
    check(bool(tab), place, shown, "a label, a tab and a text")
    text, label = text.strip(), label.strip()
    check(label not in _MISSING, place, label, "a label before the tab: none is missing")
    check(bool(text), place, text, "a text behind the tab: none is missing")
    return LabelledText(text, label, place)


def _from_trees(entry: Entry, phrases: bool) -> list[LabelledText]:
    sentences, parts = [], {}
    for number, tree in read_trees(entry):
        place = place_of(entry.name, number)
        for phrase in tree[: None if phrases else 1]:
            if phrase.grade == 2:
                continue
            row = LabelledText(" ".join(phrase.words), "positive" if phrase.grade > 2 else "negative", place)
            if phrase is tree[0]:
                sentences.append(row)
            else:
                parts.setdefault((row.text, row.label), row._replace(phrase=True))
    return sentences + list(parts.values())


def _rows(entry: Entry, columns: Sequence[str]) -> list[tuple[list[str], str]]:
    """The named cells of each row of a CSV, and its place."""
    reader = csv.reader(io.StringIO(text_of(entry), newline=""), strict=True)
    found: list[tuple[list[str], str]] = []
    header: list[str] = []
    try:
        begin = 1
        for cells in reader:
            place, begin = place_of(entry.name, begin), reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip() for cell in cells]
                for column in columns:
                    check(column in header, place, column, f"a column of the header: {', '.join(header)}")
                continue
            check(len(cells) == len(header), place, f"{len(cells)} cells", f"{len(header)}, as in the header")
            row = [cells[header.index(column)].strip() for column in columns]
            for column, cell in zip(columns, row, strict=True):
                check(cell not in _MISSING, place, cell, f"a value in the column {column}: none is missing")
            found.append((row, place))
    except csv.Error as error:
        raise InputError(place_of(entry.name, reader.line_num), "a row", f"cells of a CSV ({error})") from None
    check(bool(found), entry.name, "no row", "rows below the header")
    return found


def _stem(entry: Entry) -> str:
    return entry.parts[-1].rpartition(".")[0]


def _shown(labels: Sequence[str]) -> str:
    return ", ".join(labels[:20]) + (f" and {len(labels) - 20} more" if len(labels) > 20 else "")
