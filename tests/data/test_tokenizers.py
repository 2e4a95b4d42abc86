"""Tokenizers: tokens, and the text again."""

from __future__ import annotations

import json
import pickle

import pytest

from rnnjax import InputError
from rnnjax.data.tokenizers import BytePairs, Characters, Words
from rnnjax.serialization import from_json, to_json

TEXTS = [
    "It's 3.5 km (about two miles), isn't it?",
    "naïve 東京 🎵\tand\n  spaces  ",
    "",
    'He said: "no" – 1,000 times.',
]


@pytest.fixture(scope="module")
def pairs():
    pytest.importorskip("tokenizers")
    return BytePairs.of(["the cat sat on the mat and the cats sat on the mats"] * 5, 280)


def test_characters_and_byte_pairs_give_any_text_back(pairs):
    for tokenizer in (Characters(), pairs):
        for text in TEXTS:
            assert tokenizer.text(tokenizer.tokens(text)) == text


def test_byte_pairs_merge_what_is_frequent_and_know_their_pieces(pairs):
    tokens = pairs.tokens("the cats sat")
    assert len(tokens) < len("the cats sat") and len(pairs.pieces) == 256 + len(pairs.merges) <= 280
    for text in TEXTS:
        assert set(pairs.tokens(text)) <= set(pairs.pieces)


def test_words_are_cut_from_marks():
    assert Words().tokens(TEXTS[0]) == ["It's", "3.5", "km", "(", "about", "two", "miles", ")", ",", "isn't", "it", "?"]
    assert Words(lower=True).tokens("Ab C.") == ["ab", "c", "."]
    assert Words(marks=False).tokens(" a.b  c ") == ["a.b", "c"]


def test_words_lose_nothing_but_spaces_and_capitals():
    for text in TEXTS:
        assert "".join(Words().tokens(text)) == "".join(text.split())
        assert Words(lower=True).tokens(text) == Words().tokens(text.lower())


def test_words_are_put_together_as_one_writes():
    for text in (TEXTS[0], "One. Two, three!", "a (b) c", ""):
        assert Words().text(Words().tokens(text)) == text
    assert Words(marks=False).text(["a", ".", "b"]) == "a . b"


def test_tokenizers_are_configurations(pairs):
    for tokenizer in (Characters(), Words(lower=True, marks=False), pairs):
        back = from_json(json.loads(json.dumps(to_json(tokenizer))))
        assert back == tokenizer and hash(back) == hash(tokenizer)
        assert back.tokens(TEXTS[0]) == tokenizer.tokens(TEXTS[0])
        assert pickle.loads(pickle.dumps(tokenizer)).tokens(TEXTS[0]) == tokenizer.tokens(TEXTS[0])


def test_bad_merges_and_sizes_are_refused():
    pytest.importorskip("tokenizers")
    with pytest.raises(InputError, match=r"BytePairs\.merges"):
        BytePairs((("a",),))
    with pytest.raises(InputError, match=r"BytePairs\.merges.*pieces"):
        BytePairs((("ab", "c"),)).tokens("abc")
    with pytest.raises(InputError, match="size: got 255"):
        BytePairs.of(["a"], 255)
