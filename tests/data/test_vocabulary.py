"""Vocabularies: words to numbers and back, and nothing that depends on the order of a text."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.data.vocabulary import Vocabulary

TEXT = "the cat and the dog and the <unk> bird".split()


def test_words_come_back_and_unknown_ones_become_unk():
    words = Vocabulary.of(TEXT, specials=("<pad>", "<unk>", "<bos>", "<eos>"))
    ids = words.encode(["<bos>", *TEXT, "zebra", "<eos>"])
    assert ids.dtype == np.int32
    assert words.decode(ids) == ["<bos>", *TEXT, "<unk>", "<eos>"]
    assert (words.PAD, words.unk, words.bos, words.eos) == (0, 1, 2, 3) and words.words[0] == "<pad>"


def test_order_is_by_count_and_then_by_letter_whatever_the_order_of_the_text():
    shuffled = TEXT[:]
    random.Random(0).shuffle(shuffled)
    words = Vocabulary.of(TEXT)
    assert words.words == ("<pad>", "<unk>", "the", "and", "bird", "cat", "dog")
    assert Vocabulary.of(shuffled) == words


def test_size_and_min_count_leave_out_the_rarest():
    whole = Vocabulary.of(TEXT)
    for size in range(3, len(whole) + 2):
        assert Vocabulary.of(TEXT, size).words == whole.words[:size]
    assert Vocabulary.of(TEXT, min_count=2).words == ("<pad>", "<unk>", "the", "and")


def test_json_gives_the_same_vocabulary():
    words = Vocabulary.of(TEXT)
    assert Vocabulary.from_json(json.loads(json.dumps(words.to_json()))) == words


def test_without_unk_an_unknown_word_is_an_error():
    words = Vocabulary.of(["a", "b"], specials=("<pad>",))
    assert words.encode(["b", "a"]).tolist() == [2, 1] and words.unk is None
    with pytest.raises(InputError, match="token: got 'c'"):
        words.encode(["a", "c"])


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Vocabulary(("a",)), "Vocabulary.words"),
        (lambda: Vocabulary(("<pad>", "a", "a")), "Vocabulary.words"),
        (lambda: Vocabulary(("<pad>", "a", "<unk>")), "Vocabulary.words"),
        (lambda: Vocabulary.of(TEXT, 2), "size"),
        (lambda: Vocabulary.of(TEXT, min_count=0), "min_count"),
        (lambda: Vocabulary.of(TEXT).decode([7]), "ids"),
        (lambda: Vocabulary.of(TEXT).decode([-1]), "ids"),
        (lambda: Vocabulary.from_json(["a"]), "vocabulary"),
    ],
)
def test_errors_name_the_argument(make, argument):
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
