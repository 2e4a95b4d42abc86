"""Pairs of sentences as numbers: the tokenizer and the vocabularies of a translation."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data.pairs import Sentences
from rnnjax.data.tokenizers import BytePairs, Tokenizer, Words
from rnnjax.data.vocabulary import Vocabulary

SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")
BOS, EOS = 2, 3


class Example(NamedTuple):
    """A pair of sentences.

    Attributes:
      source: `[words]` int32, what is read.
      target: `[words]` int32, its translation, without the word that ends it; empty where it is not known.
      sentence: the sentence to read, as text.
      reference: its translation, as text.
    """

    source: np.ndarray
    target: np.ndarray
    sentence: str
    reference: str


class Languages(NamedTuple):
    """How text becomes numbers, and back.

    Attributes:
      tokenizer: of both languages.
      source: the vocabulary of what is read.
      target: the vocabulary of what is written; the same one with byte pairs.
    """

    tokenizer: Tokenizer
    source: Vocabulary
    target: Vocabulary

    @classmethod
    def fitted(cls, pairs: Sequence[Sentences], tokens: str, size: int) -> dict[str, Any]:
        """What the languages are made of, as JSON: merges of byte pairs ("bpe"), or two vocabularies ("words")."""
        if tokens == "bpe":
            merges = BytePairs.of(itertools.chain.from_iterable(pairs), size - len(SPECIALS)).merges
            return {"merges": [list(merge) for merge in merges]}
        cut = Words().tokens
        found = {}
        for side in Sentences._fields:
            words = itertools.chain.from_iterable(cut(getattr(pair, side)) for pair in pairs)
            found[side] = Vocabulary.of(words, size, 2, SPECIALS).to_json()
        return found

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Languages:
        """The languages from what `fitted` gave."""
        if "merges" not in value:
            return cls(Words(), *(Vocabulary.from_json(value[side]) for side in Sentences._fields))
        tokenizer = BytePairs(tuple((one, other) for one, other in value["merges"]))
        words = Vocabulary((*SPECIALS, *tokenizer.pieces))
        return cls(tokenizer, words, words)

    def encode(self, pair: Sentences) -> Example:
        """A pair as numbers."""
        source = self.source.encode(self.tokenizer.tokens(pair.source))
        target = self.target.encode(self.tokenizer.tokens(pair.target))
        return Example(source, target, pair.source, pair.target)

    def text(self, ids: np.ndarray) -> str:
        """The text of words of the target, up to the one that ends it."""
        ends = np.flatnonzero(np.asarray(ids) == EOS)
        kept = [number for number in ids[: ends[0] if len(ends) else None] if number >= len(SPECIALS)]
        return self.tokenizer.text(self.target.decode(kept)).strip()

    def pieces(self, example: Example) -> tuple[list[str], list[str]]:
        """The words of both sides, each as the text that it stands for, with the spaces that belong to it."""
        sides = (self.source, example.source), (self.target, example.target)
        one, other = ([self.tokenizer.text([word]) for word in words.decode(ids)] for words, ids in sides)
        return one, other


def by_length(examples: Sequence[Example]) -> tuple[list[Example], np.ndarray]:
    """The examples in the order of their sources' lengths, and their places: a batch takes as long as its longest."""
    places = np.argsort([len(example.source) for example in examples], kind="stable")
    return [examples[place] for place in places], places
