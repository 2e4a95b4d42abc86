"""A dictionary made from a parallel text: the plain baseline of translation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rnnjax.data.tokenizers import Tokenizer


def word_by_word(pairs: Iterable[tuple[str, str]], sentences: Iterable[str], tokenizer: Tokenizer) -> list[str]:
    """Translations of sentences word by word, by a `word_dictionary` of pairs of sentences.

    Sources are taken without capitals, which say where a word stands more than what it is.
    """
    cut = tokenizer.tokens
    known = [(cut(source.lower()), cut(target)) for source, target in pairs]
    dictionary = word_dictionary([pair for pair in known if all(pair)])
    return [tokenizer.text(dictionary.translate(cut(sentence.lower()))) for sentence in sentences]


class Dictionary(NamedTuple):
    """The likeliest translation of each word, by itself. `best [words]` are numbers of target words."""

    sources: dict[str, int]
    targets: tuple[str, ...]
    best: np.ndarray

    def translate(self, words: list[str]) -> list[str]:
        """Word by word, in the order of the source; a word that was not seen in training stays as it is."""
        return [self.targets[self.best[self.sources[word]]] if word in self.sources else word for word in words]


def word_dictionary(pairs: list[tuple[list[str], list[str]]], iterations: int = 5) -> Dictionary:
    """Translations of words from pairs of sentences, cut into words: model 1 of Brown et al. 1993 (aclanthology
    J93-2003), fitted by expectation and maximisation.

        p(target word f | source sentence e) = mean over i of t(f | e_i)

    Args:
      pairs: source and target words of each pair; none is empty.
      iterations: of expectation and maximisation, from t uniform.
    """
    sources = {word: number for number, word in enumerate(dict.fromkeys(w for source, _ in pairs for w in source))}
    targets = {word: number for number, word in enumerate(dict.fromkeys(w for _, target in pairs for w in target))}
    ones, others, slots, slot = [], [], [], 0
    for source, target in pairs:  # a slot is a word of the target in its sentence, with one entry a source word
        one = np.array([sources[word] for word in source])
        other = np.array([targets[word] for word in target])
        ones.append(np.tile(one, len(other)))
        others.append(np.repeat(other, len(one)))
        slots.append(np.repeat(np.arange(slot, slot + len(other)), len(one)))
        slot += len(other)
    one, other, slots = np.concatenate(ones), np.concatenate(others), np.concatenate(slots)
    together, which = np.unique(one * len(targets) + other, return_inverse=True)
    source_of, target_of = together // len(targets), together % len(targets)
    share = np.ones(len(together))
    for _ in range(iterations):
        found = share[which]
        found /= np.bincount(slots, found)[slots]
        counts = np.bincount(which, found)
        share = counts / np.bincount(source_of, counts)[source_of]
    order = np.lexsort((target_of, -share, source_of))  # of equally likely ones, the one met first
    first = np.unique(source_of[order], return_index=True)[1]
    return Dictionary(sources, tuple(targets), target_of[order][first])
