"""Model 1: a dictionary against its defining sums, and on a language whose words are known."""

from __future__ import annotations

import numpy as np

from rnnjax.data.word_dictionary import word_dictionary


def test_words_of_a_made_up_language_are_found():
    """Each word has one translation, whatever the order of a sentence's words; unknown ones stay as they are."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(200):
        numbers = rng.choice(12, 4, replace=False)
        pairs.append(([f"s{n}" for n in numbers], [f"t{n}" for n in rng.permutation(numbers)]))
    dictionary = word_dictionary(pairs)
    assert dictionary.translate([f"s{n}" for n in range(12)]) == [f"t{n}" for n in range(12)]
    assert dictionary.translate(["s3", "new"]) == ["t3", "new"]


def test_it_is_the_model_of_the_paper():
    """After some iterations, the likeliest words are those of the sums written out, word by word."""
    pairs = [("a b".split(), "x y".split()), ("b c".split(), "y z z".split()), ("a a c".split(), "z x".split())]
    sources, targets = "a b c".split(), "x y z".split()
    share = {e: dict.fromkeys(targets, 1.0) for e in sources}
    for _ in range(3):
        counts = {e: dict.fromkeys(targets, 0.0) for e in sources}
        for source, target in pairs:
            for f in target:
                whole = sum(share[e][f] for e in source)
                for e in source:
                    counts[e][f] += share[e][f] / whole
        share = {e: {f: c / sum(row.values()) for f, c in row.items()} for e, row in counts.items()}
    expected = [max(targets, key=share[e].__getitem__) for e in sources]
    assert word_dictionary(pairs, iterations=3).translate(sources) == expected
