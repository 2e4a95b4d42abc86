"""Readers of parallel texts, on files made up here."""

from __future__ import annotations

import gzip
import os
import pathlib
import zipfile

import pytest

from rnnjax import InputError
from rnnjax.data import tfds
from rnnjax.data.pairs import read_pairs, read_sources, read_tfds


def write(folder, **files):
    for name, lines in files.items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return str(folder)


def test_files_by_split_and_language(tmp_path):
    """Splits are told by names, a `.gz` or not, and other languages are not looked at."""
    write(tmp_path, train__en=["a b", "c"], val__en=["d"], val__de=["D"], train__fr=["x"], test_2__en=["e"])
    write(tmp_path, test_2__de=["E"], test_1__en=["f"], test_1__de=["F"])
    with gzip.open(tmp_path / "train.de.gz", "wt", encoding="utf-8") as file:
        file.write("Ä b\r\nC\r\n")
    found = read_pairs(str(tmp_path), "en", "de")
    assert found == {"train": (("a b", "Ä b"), ("c", "C")), "validation": (("d", "D"),), "test": (("f", "F"),)}
    assert read_pairs(str(tmp_path), "en", "de", test="test_2")["test"] == (("e", "E"),)
    assert read_pairs(str(tmp_path), "de", "en")["train"][0] == ("Ä b", "a b")


def test_a_table_is_split_by_its_sources(tmp_path):
    """Each pair is in one split, no source in two, and validation and test have each source once."""
    lines = [f"s{i % 40}\tt{i}\tfrom somewhere" for i in range(80)]
    write(tmp_path, pairs__tsv=lines)
    with zipfile.ZipFile(tmp_path / "pairs.zip", "w") as archive:
        archive.writestr("pairs.txt", "\n".join(lines))
        archive.writestr("_about.txt", "no pairs here")
    found = read_pairs(str(tmp_path / "pairs.tsv"), "en", "de")
    assert found == read_pairs(str(tmp_path / "pairs.zip"), "en", "de")
    sources = {split: [pair.source for pair in pairs] for split, pairs in found.items()}
    assert sorted(len(rows) for rows in sources.values()) == [4, 4, 64]
    assert len(set().union(*sources.values())) == 40
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        assert not set(sources[one]) & set(sources[other])
    assert len(set(sources["test"])) == len(sources["test"])


def test_columns_of_a_table(tmp_path):
    write(tmp_path, pairs__tsv=[f"t{i}\tx\ts{i}" for i in range(20)])
    found = read_pairs(str(tmp_path / "pairs.tsv"), "en", "de", columns=(2, 0))
    assert {pair.source[0] + pair.target[0] for pairs in found.values() for pair in pairs} == {"st"}


def test_one_pair_of_files_is_split_here(tmp_path):
    write(tmp_path, mine__en=[f"s{i}" for i in range(20)], mine__de=[f"t{i}" for i in range(20)])
    found = read_pairs(str(tmp_path), "en", "de")
    assert {split: len(pairs) for split, pairs in found.items()} == {"train": 16, "validation": 2, "test": 2}
    assert all(pair.source[1:] == pair.target[1:] for pairs in found.values() for pair in pairs)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a__tsv": ["x\ty"] * 3 + ["alone"]}, r"a.tsv, line 4: .* at least 2"),
        ({"a__tsv": ["x\ty", ""]}, r"a.tsv, line 2: got 'an empty line'"),
        ({"a__tsv": ["x\ty", "x\t "]}, r"a.tsv, line 2: got 'an empty sentence'"),
        ({"a__tsv": ["x\ty"] * 30}, r"data: got '1 different sentences'"),
        ({"a__tsv": []}, r"a.tsv: got 'an empty file'"),
        ({"a__en": ["x", "y"], "a__de": ["x"]}, r"a.de: got '1 lines', expected 2, as in a.en"),
        ({"a__en": ["x", "", "y"], "a__de": ["x"] * 3}, r"a.en, line 2: got 'an empty line'"),
        ({"a__en": ["x"], "a__fr": ["x"]}, r"files NAME.en and NAME.de, or one table .* a.en, a.fr"),
        ({"train__en": ["x"], "train__de": ["x"], "val__en": ["x"], "val__de": ["x"]}, r"files for test"),
    ],
)
def test_bad_files_are_named(tmp_path, files, message):
    with pytest.raises(InputError, match=message):
        read_pairs(write(tmp_path, **files), "en", "de")


def test_lines_to_translate(tmp_path):
    write(tmp_path, a__txt=["one", "two "], b__txt=["one", "", "two"])
    assert read_sources(str(tmp_path / "a.txt")) == ["one", "two"]
    with pytest.raises(InputError, match=r"b.txt, line 2"):
        read_sources(str(tmp_path / "b.txt"))
    with pytest.raises(InputError, match="one text file"):
        read_sources(str(tmp_path))


def test_pairs_of_tensorflow_datasets(monkeypatch):
    """Features are languages, in bytes or text; splits are those of the set, or made here where there is one."""
    rows = [{"en": f"s{i}".encode(), "de": f"t{i}"} for i in range(20)]
    held = {"train": rows[:10], "validation": rows[10:15], "test": rows[15:]}
    monkeypatch.setattr(tfds, "splits", lambda name, data_dir: held)
    found = read_tfds("made_up", "", "en", "de")
    assert {split: len(pairs) for split, pairs in found.items()} == {"train": 10, "validation": 5, "test": 5}
    assert found["test"][0] == ("s15", "t15")
    with pytest.raises(InputError, match="language: got 'fr', expected a feature of made_up, one of en, de"):
        read_tfds("made_up", "", "en", "fr")
    held = {"train": rows}
    found = read_tfds("made_up", "", "en", "de")
    assert {split: len(pairs) for split, pairs in found.items()} == {"train": 16, "validation": 2, "test": 2}
    held = {"test": rows}
    with pytest.raises(InputError, match="a split for training"):
        read_tfds("made_up", "", "en", "de")


def test_the_real_sets_have_their_published_sizes():
    """Multi30k has 29,000, 1014 and 1000 pairs."""
    folder = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / "multi30k"
    if not (folder / "train.en.gz").is_file():
        pytest.skip("RNNJAX_DATA does not name a folder with multi30k")
    found = read_pairs(str(folder), "en", "de", test="test_2016_flickr")
    assert {split: len(pairs) for split, pairs in found.items()} == {"train": 29000, "validation": 1014, "test": 1000}
