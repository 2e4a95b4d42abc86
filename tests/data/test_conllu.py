"""The reader of CoNLL-U, on files written here, and on UD English EWT where it is at hand."""

from __future__ import annotations

import gzip
import os
import pathlib
import types

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.data.conllu import Sentence, read_conllu
from rnnjax.data.files import entries
from rnnjax.data.tagged import check_tags, read_tagged, tag_set

REAL = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / "ud_en_ewt"


def line(number, word, upos="X", xpos="Y"):
    return "\t".join([str(number), word, "_", upos, xpos, "_", "0", "root", "_", "_"])


def written(sentences):
    """Sentences `[(word, tag), ...]` as CoNLL-U."""
    blocks = ["\n".join(line(i, *pair) for i, pair in enumerate(sentence, 1)) for sentence in sentences]
    return "\n\n".join(blocks) + "\n\n"


def made_up(count, seed=0):
    rng = np.random.default_rng(seed)
    return [[(f"w{rng.integers(9)}", f"T{rng.integers(3)}") for _ in range(rng.integers(1, 6))] for _ in range(count)]


def read(path, text, **how):
    file = path / "some.conllu"
    file.write_text(text, encoding="utf-8")
    return read_conllu(entries(file)[0], **how)


def test_what_was_written_is_read(tmp_path):
    sentences = made_up(20)
    found = read(tmp_path, written(sentences))
    assert [list(zip(s.words, s.tags, strict=True)) for s in found] == sentences
    lines = (tmp_path / "some.conllu").read_text().split("\n")
    assert all(lines[s.line - 1].split("\t")[1] == s.words[0] for s in found)


def test_comments_joined_tokens_and_empty_nodes_are_no_words(tmp_path):
    words = [line(1, "do", "AUX", "VBP"), line(2, "n't", "PART", "RB"), line("2.1", "you"), line(3, "go", "VERB", "VB")]
    text = "\n".join(["# text = don't go", line("1-2", "don't"), *words, "", "", "# end", ""])
    assert read(tmp_path, text) == [Sentence(("do", "n't", "go"), ("AUX", "PART", "VERB"), "some.conllu", 3)]
    assert read(tmp_path, text, column="xpos")[0].tags == ("VBP", "RB", "VB")


def test_a_last_line_needs_no_end(tmp_path):
    text = written(made_up(3))
    assert read(tmp_path, text.rstrip("\n")) == read(tmp_path, text)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("some.conllu, line 2", line(1, "a") + "\n2 b _ X\n"),
        ("some.conllu, line 2", line(1, "a") + "\n" + line(3, "b") + "\n"),
        ("some.conllu, line 1", line("x", "a") + "\n"),
        ("some.conllu, line 3", line(1, "a") + "\n\n" + line(1, "b", "_") + "\n"),
        ("some.conllu, line 1", line(1, "") + "\n"),
        ("some.conllu", ""),
        ("some.conllu", "# only this\n\n"),
        ("column", None),
    ],
)
def test_errors_name_file_and_line(tmp_path, where, text):
    with pytest.raises(InputError) as error:
        read(tmp_path, written(made_up(1)) if text is None else text, **({"column": "lemma"} if text is None else {}))
    assert error.value.argument == where


def test_a_folder_has_a_file_a_split(tmp_path):
    parts = {"train": made_up(5, 1), "dev": made_up(3, 2), "test": made_up(2, 3)}
    for name, sentences in parts.items():
        (tmp_path / f"xx-ud-{name}.conllu.gz").write_bytes(gzip.compress(written(sentences).encode()))
    (tmp_path / "LICENSE.txt").write_text("free to train on")
    found = read_tagged(str(tmp_path))
    assert {split: len(part) for split, part in found.items()} == {"train": 5, "validation": 3, "test": 2}
    assert [list(zip(s.words, s.tags, strict=True)) for s in found["validation"]] == parts["dev"]


def test_one_file_is_split_at_random_once_and_for_all(tmp_path):
    file = tmp_path / "all.conllu"
    file.write_text(written(made_up(50)))
    found = read_tagged(str(file))
    assert {split: len(part) for split, part in found.items()} == {"train": 40, "validation": 5, "test": 5}
    everything = [sentence.line for part in found.values() for sentence in part]
    assert sorted(everything) == [sentence.line for sentence in read_conllu(entries(file)[0])]
    read_tagged.cache_clear()
    assert read_tagged(str(file)) == found


def test_what_a_folder_lacks_is_drawn_from_its_training_file(tmp_path):
    (tmp_path / "train.conllu").write_text(written(made_up(30, 1)))
    (tmp_path / "test.conllu").write_text(written(made_up(7, 2)))
    found = read_tagged(str(tmp_path))
    assert {split: len(part) for split, part in found.items()} == {"train": 27, "validation": 3, "test": 7}


def test_a_folder_without_a_training_file_is_an_error(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.conllu").write_text(written(made_up(2)))
    with pytest.raises(InputError, match=r"a\.conllu, b\.conllu"):
        read_tagged(str(tmp_path))
    (tmp_path / "train.conllu").write_text(written(made_up(2)))
    with pytest.raises(InputError, match="at least 10"):
        read_tagged(str(tmp_path), column="xpos")
    (tmp_path / "retrained.conllu").write_text(written(made_up(2)))
    with pytest.raises(InputError, match="one file with 'train'"):
        read_tagged(str(tmp_path), column="upos", data_dir="another")


def test_a_tag_outside_the_training_tags_is_named(tmp_path):
    known = tag_set(read(tmp_path, written([[("a", "X"), ("b", "Z")]])))
    assert known == ("X", "Z")
    other = read(tmp_path, written([[("a", "X")], [("b", "X"), ("c", "NEW")]]))
    with pytest.raises(InputError, match=r"some\.conllu, line 3 .*'c'.*'NEW'.*X, Z"):
        check_tags(other, known)
    check_tags(other[:1], known)


def test_a_data_set_of_tfds_gives_the_same_sentences(monkeypatch):
    """Tokens as bytes and tags as numbers of named classes, as `universal_dependencies` has them."""

    class Source(list):
        dataset_info = types.SimpleNamespace(
            features={
                "tokens": None,
                "upos": types.SimpleNamespace(feature=types.SimpleNamespace(names=["T0", "T1", "T2"])),
            }
        )

    def source(seed):
        return Source(
            {"tokens": [word.encode() for word, _ in s], "upos": [int(tag[1]) for _, tag in s]}
            for s in made_up(12, seed)
        )

    monkeypatch.setattr("rnnjax.data.tfds.splits", lambda name, data_dir: {"train": source(1), "test": source(2)})
    found = read_tagged("", "made/up", "here")
    pairs = [
        [list(zip(s.words, s.tags, strict=True)) for s in found[split]] for split in ("train", "validation", "test")
    ]
    assert sorted(pairs[0] + pairs[1]) == sorted(made_up(12, 1)) and pairs[2] == made_up(12, 2)
    with pytest.raises(InputError, match="the features tokens and xpos"):
        read_tagged("", "made/up", "here", "xpos")


@pytest.mark.skipif(not REAL.is_dir(), reason="RNNJAX_DATA does not name a folder with ud_en_ewt/")
def test_the_real_treebank_has_its_published_counts():
    found = read_tagged(str(REAL))
    counts = {split: (len(part), sum(len(s.words) for s in part)) for split, part in found.items()}
    assert counts == {"train": (12543, 204578), "validation": (2001, 25149), "test": (2077, 25094)}
    assert len(tag_set(found["train"])) == 17
