"""Running text: read, split, and made numbers."""

from __future__ import annotations

import collections
import gzip
import os
import pathlib

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.data import corpus

REAL = pathlib.Path(os.environ.get("RNNJAX_DATA", ""))
TEXT = "ein Haus,\n\nein Baum – 𝄞\nund  ein Weg"


def test_one_file_is_a_whole_text(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    assert corpus.read_texts(tmp_path / "text.txt") == {"whole": TEXT} == corpus.read_texts(tmp_path)


def test_a_folder_has_a_file_a_split(tmp_path):
    for name in ("train", "valid", "test"):
        (tmp_path / f"wiki.{name}.tokens.gz").write_bytes(gzip.compress(f"{name} {TEXT}".encode()))
    assert corpus.read_texts(tmp_path) == {
        "train": f"train {TEXT}",
        "validation": f"valid {TEXT}",
        "test": f"test {TEXT}",
    }


@pytest.mark.parametrize("names", [("a.txt", "b.txt"), ("train.txt", "test.txt"), ("train1", "train2", "dev", "test")])
def test_a_folder_of_other_files_is_an_error(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("text")
    with pytest.raises(InputError, match="one text, or one file each with train, valid and test"):
        corpus.read_texts(tmp_path)


def test_an_empty_file_and_a_wrong_encoding_are_named(tmp_path):
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(InputError, match=r"empty\.txt"):
        corpus.read_texts(tmp_path / "empty.txt")
    (tmp_path / "latin.txt").write_bytes("eins\nzwei\nfünf\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.txt, line 3"):
        corpus.read_texts(tmp_path / "latin.txt")


@pytest.mark.parametrize("count", [40, 41, 99, 1000])
def test_the_parts_of_a_split_by_position_are_the_text(count):
    text = np.arange(count)
    parts = corpus.by_position(text)
    np.testing.assert_array_equal(np.concatenate([parts[name] for name in ("train", "validation", "test")]), text)
    assert [len(part) / count for part in parts.values()] == pytest.approx([0.9, 0.05, 0.05], abs=2 / count)


def test_a_text_too_short_to_split_is_an_error():
    with pytest.raises(InputError, match="a text of at least 40"):
        corpus.by_position("so short")


def test_words_end_with_their_line():
    words = "ein Haus, <eos> <eos> ein Baum – 𝄞 <eos> und ein Weg <eos>"
    assert corpus.words_of(TEXT) == words.split()
    assert corpus.words_of(TEXT + "\n") == corpus.words_of(TEXT)


def test_characters_are_numbers_and_back():
    alphabet = corpus.characters_of(TEXT, "xyz")
    assert alphabet == tuple(sorted(set(TEXT + "xyz")))
    codes = corpus.encode_characters(TEXT, alphabet)
    assert "".join(alphabet[code] for code in codes) == TEXT and codes.dtype == np.int32
    assert corpus.encode_characters("", alphabet).shape == (0,)


def test_all_unknown_characters_are_named_at_once():
    with pytest.raises(InputError) as error:
        corpus.encode_characters("banana~!", corpus.characters_of("abn"), "prompt")
    assert error.value.argument == "prompt" and "'!~'" in str(error.value)


WORDS = "the cat and the dog and the end".split()


def test_the_vocabulary_is_sorted_by_frequency():
    assert corpus.common_words(WORDS, min_count=1) == ("the", "and", "cat", "dog", "end")
    assert corpus.common_words(WORDS) == ("<unk>", "the", "and")  # what occurs once is unknown: three words
    assert corpus.common_words([*WORDS, "<unk>"]) == ("the", "and", "<unk>", "cat", "dog", "end")


@pytest.mark.parametrize(
    "how", [{}, {"min_count": 1}, {"min_count": 3}, {"size": 4}, {"min_count": 1, "size": 2}], ids=str
)
def test_a_vocabulary_has_the_most_frequent_words(how):
    """No word left out is more frequent than one kept; numbers rise as frequencies fall, that of `<unk>` too."""
    words = [f"w{n}" for n in np.random.default_rng(0).zipf(1.5, 400)]
    kept, counts = corpus.common_words(words, **how), collections.Counter(words)
    left_out = [count for word, count in counts.items() if word not in kept]
    assert len(set(kept)) == len(kept) <= how.get("size", len(counts) + 1)
    assert (corpus.UNKNOWN in kept) == bool(left_out)
    assert max(left_out, default=0) <= min(counts[word] for word in kept if word != corpus.UNKNOWN)
    shares = np.bincount(corpus.encode_words(words, kept), minlength=len(kept))
    assert (np.diff(shares) <= 0).all() and shares.sum() == len(words)


def test_unknown_words():
    np.testing.assert_array_equal(corpus.encode_words(["a", "q", "b"], ("b", "<unk>", "a")), [2, 1, 0])
    with pytest.raises(InputError, match="'q'"):
        corpus.encode_words(["a", "q"], ("a", "b"))


@pytest.mark.parametrize(("argument", "how"), [("min_count", {"min_count": 0}), ("size", {"size": 1})])
def test_bad_input_is_named(argument, how):
    with pytest.raises(InputError) as error:
        corpus.common_words(WORDS, **how)
    assert error.value.argument == argument


@pytest.mark.skipif(not (REAL / "wikitext-2").is_dir(), reason="RNNJAX_DATA does not name a folder with wikitext-2/")
def test_the_real_texts_have_their_published_counts():
    texts = corpus.read_texts(REAL / "wikitext-2")
    words = {split: corpus.words_of(text) for split, text in texts.items()}
    counts = {split: len(part) for split, part in words.items()}
    assert counts == {"train": 2088628, "validation": 217646, "test": 245569}
    vocabulary = corpus.common_words(words["train"])
    assert len(vocabulary) == 33278 and set(words["test"]) <= set(vocabulary)
    (shakespeare,) = corpus.read_texts(REAL / "tiny_shakespeare").values()
    assert [len(part) for part in corpus.by_position(shakespeare).values()] == [1003854, 55770, 55770]
    assert len(corpus.characters_of(shakespeare)) == 65
