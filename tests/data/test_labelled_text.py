"""Labelled texts: one content in each layout, fixed splits, and errors that name file and line."""

from __future__ import annotations

import csv
import os
import tarfile

import pytest

from rnnjax import InputError
from rnnjax.data.labelled_text import read, unlabelled

ROWS = [(("good", "bad")[i % 2], f"text {i}, with a mark") for i in range(40)]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def tab(rows):
    return "".join(f"{label}\t{text}\n" for label, text in rows)


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["stars", "label", "text"])
        writer.writerows([5, *row] for row in rows)
    return path


def in_folders(root, rows):
    for i, (label, text) in enumerate(rows):
        write(root / label / f"{i:03}.txt", text)
    return root


def packed(folder):
    path = folder.parent / "set.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=folder.name)
    return path


def by_label(root, rows):
    for label in sorted({label for label, _ in rows}):
        write(root / f"{label}.txt", "".join(text + "\n" for own, text in rows if own == label))
    return root


LAYOUTS = {
    "lines": lambda root: write(root / "set.txt", tab(ROWS)),
    "csv": lambda root: write_csv(root / "set.csv", ROWS),
    "folders": lambda root: in_folders(root / "set", ROWS),
    "archive": lambda root: packed(in_folders(root / "set", ROWS)),
    "labels": lambda root: by_label(root / "set", ROWS),
}


def pairs(rows):
    return sorted((row.label, row.text) for row in rows)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same(tmp_path, layout):
    """All rows are there, once, in splits of a tenth each; and the split is the same at each call."""
    found = read(LAYOUTS[layout](tmp_path))
    assert pairs(row for split in found.values() for row in split) == sorted(ROWS)
    assert [len(found[split]) for split in ("train", "validation", "test")] == [32, 4, 4]
    assert {row.label for row in found["train"]} == {"good", "bad"}


SPLIT = {
    "lines": lambda path, rows: write(path.with_suffix(".tsv"), tab(rows)),
    "csv": lambda path, rows: write_csv(path.with_suffix(".csv"), rows),
    "folders": in_folders,
    "labels": by_label,
}


@pytest.mark.parametrize("layout", SPLIT)
def test_splits_that_are_given_are_kept(tmp_path, layout):
    parts = {"train": ROWS[:30], "dev": ROWS[30:34], "test": ROWS[34:]}
    for name, rows in parts.items():
        SPLIT[layout](tmp_path / "set" / name, rows)
    write(tmp_path / "set" / "README.txt", "what it is")
    found = read(tmp_path / "set")
    assert {split: pairs(rows) for split, rows in found.items()} == {
        "train": sorted(parts["train"]),
        "validation": sorted(parts["dev"]),
        "test": sorted(parts["test"]),
    }


@pytest.mark.parametrize(("given", "missing"), [("test", "validation"), ("valid", "test")])
def test_a_missing_split_comes_from_the_training_data(tmp_path, given, missing):
    in_folders(tmp_path / "set" / "train", ROWS[:30])
    in_folders(tmp_path / "set" / given, ROWS[30:])
    write(tmp_path / "set" / "train" / "unsup" / "0.txt", "without a label")
    write(tmp_path / "set" / "train" / "urls.txt", "beside the labels")
    found = read(tmp_path / "set")
    assert len(found["train"]) == 27 and len(found[missing]) == 3
    assert pairs([*found["train"], *found[missing]]) == sorted(ROWS[:30])


def test_trees_give_sentences_and_phrases_to_train_on(tmp_path):
    tree = "(4 (2 a) (3 (4 fine) (2 film)))"
    for name in ("train", "dev", "test"):
        write(tmp_path / f"{name}.txt", f"{tree}\n(2 (2 so) (1 dull))\n(0 (1 dull) (2 film))\n")
    found = read(tmp_path)
    sentences = [("negative", "dull film"), ("positive", "a fine film")]
    assert pairs(found["test"]) == pairs(found["validation"]) == sentences
    assert pairs(row for row in found["train"] if not row.phrase) == sentences
    phrases = [("negative", "dull"), ("positive", "fine"), ("positive", "fine film")]
    assert pairs(row for row in found["train"] if row.phrase) == phrases


BAD = [
    ("", "set.txt", "empty"),
    ("\n \n", "set.txt", "empty"),
    (tab(ROWS) + "\nno tab here\n", "set.txt, line 42", "tab"),
    (tab(ROWS) + "good\t \n", "set.txt, line 41", "missing"),
    (tab(ROWS) + "\ttext\n", "set.txt, line 41", "missing"),
    (tab(ROWS) + "nan\ttext\n", "set.txt, line 41", "missing"),
    (tab([("good", text) for _, text in ROWS]), "data", "two labels"),
]


@pytest.mark.parametrize(("text", "argument", "told"), BAD)
def test_bad_lines_are_named(tmp_path, text, argument, told):
    with pytest.raises(InputError, match=told) as error:
        read(write(tmp_path / "set.txt", text))
    assert error.value.argument == argument


BAD_CSV = [
    ("text,class\na,b\n", "set.csv, line 1", "text, class"),
    ('label,text\ngood,"two\nlines"\nbad,NaN\n', "set.csv, line 4", "missing"),
    ("label,text\ngood,a\n,b\n", "set.csv, line 3", "missing"),
    ("label,text\ngood,a\nbad\n", "set.csv, line 3", "in the header"),
    ('label,text\ngood,"a\n', "set.csv, line 2", "CSV"),
    ("label,text\n", "set.csv", "rows below"),
]


@pytest.mark.parametrize(("text", "argument", "told"), BAD_CSV)
def test_bad_rows_are_named(tmp_path, text, argument, told):
    with pytest.raises(InputError, match=told) as error:
        read(write(tmp_path / "set.csv", text))
    assert error.value.argument == argument


def test_a_label_that_is_not_trained_on_is_named(tmp_path):
    write(tmp_path / "set" / "train.tsv", tab(ROWS))
    write(tmp_path / "set" / "test.tsv", tab([*ROWS, ("strange", "text")]))
    with pytest.raises(InputError, match=r"strange.*bad, good") as error:
        read(tmp_path / "set")
    assert error.value.argument == "test.tsv, line 41"


def test_bad_folders_are_named(tmp_path):
    in_folders(tmp_path / "set", ROWS[:4])
    (tmp_path / "set" / "good" / "empty.txt").write_text(" ")
    with pytest.raises(InputError, match="an empty file"):
        read(tmp_path / "set")
    in_folders(tmp_path / "mixed" / "train", ROWS)
    in_folders(tmp_path / "mixed", ROWS)
    with pytest.raises(InputError, match="beside those of the splits"):
        read(tmp_path / "mixed")
    in_folders(tmp_path / "only" / "test", ROWS)
    with pytest.raises(InputError, match="a training split"):
        read(tmp_path / "only")
    write(tmp_path / "other" / "image.png", "x")
    write(tmp_path / "other" / "image2.png", "x")
    with pytest.raises(InputError, match=r"\.txt, \.tsv, \.csv"):
        read(tmp_path / "other")


def test_texts_without_labels(tmp_path):
    texts = [text for _, text in ROWS]
    assert unlabelled(write(tmp_path / "in.txt", "\n\n".join(texts))) == texts
    assert unlabelled(write_csv(tmp_path / "in.csv", ROWS)) == texts
    assert sorted(unlabelled(in_folders(tmp_path / "in", ROWS))) == sorted(texts)
    with pytest.raises(InputError, match="input"):
        unlabelled(write(tmp_path / "empty.txt", "\n"))
    with pytest.raises(InputError, match=r"gap\.csv, line 3.*column text"):
        unlabelled(write(tmp_path / "gap.csv", "text,label\na,b\n,c\n"))


REAL = {"imdb": (4500, 500, 5000), "sst": (6920, 872, 1821), "names": (16040, 2005, 2005)}


@pytest.mark.parametrize("name", REAL)
def test_the_real_files(name):
    place = os.path.join(os.environ.get("RNNJAX_DATA", ""), name)
    if "RNNJAX_DATA" not in os.environ or not os.path.isdir(place):
        pytest.skip(f"RNNJAX_DATA does not name a folder with {name}")
    found = read(place)
    whole = [sum(not row.phrase for row in found[split]) for split in ("train", "validation", "test")]
    assert tuple(whole) == REAL[name]
