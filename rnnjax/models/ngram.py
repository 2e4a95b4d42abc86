"""What counting reaches: an interpolated n-gram model, the baseline of a language model."""

from __future__ import annotations

import numpy as np

from rnnjax.errors import check


def ngram_losses(train: np.ndarray, text: np.ndarray, classes: int, order: int) -> np.ndarray:
    """The negative log likelihood of each token under an n-gram model, `[tokens]` float64, in nats.

        p_n(x | h) = (count(h x) + m(h) p_{n-1}(x | h')) / (count(h) + m(h))

    h are the last n - 1 tokens, h' the last n - 2, m(h) is the number of different tokens seen after h, and p_0 is
    1 / classes: interpolation after Witten & Bell 1991, doi:10.1109/18.87000. Nothing has to be tuned. The first tokens
    of the text have as much of a past as there is.

    Args:
      train: `[tokens]` ints in 0 .. classes - 1, in which to count.
      text: `[tokens]` ints, what is predicted.
      classes: the number of classes.
      order: the longest n; 1 is the unigram model.

    Raises:
      InputError: no tokens, an order below 1, or contexts that do not fit into 63 bits.
    """
    train, text = np.asarray(train, np.int64), np.asarray(text, np.int64)
    check(train.size > 0 and text.size > 0, "tokens", (train.size, text.size), "at least one token on either side")
    check(order >= 1, "order", order, "a positive int")
    check(order * np.log2(classes) < 63, "order", order, f"n-grams of {classes} classes that fit into 63 bits")
    share = np.full(text.size, 1 / classes)
    for n in range(1, min(order, train.size, text.size) + 1):
        grams, places = _windows(train, n, classes), _windows(text, n, classes)
        known, counts = np.unique(grams, return_counts=True)
        contexts, first = np.unique(known // classes, return_index=True)
        total, kinds = np.add.reduceat(counts, first), np.diff([*first, len(known)])
        seen, times = _found(known, places)
        context, there = _found(contexts, places // classes)
        count = np.where(times, counts[seen], 0)
        m, after = np.where(there, kinds[context], 0), np.where(there, total[context], 0)
        rest = share[n - 1 :]
        share[n - 1 :] = np.where(there, (count + m * rest) / np.maximum(after + m, 1), rest)
    return -np.log(share)


def _windows(tokens: np.ndarray, n: int, classes: int) -> np.ndarray:
    """The n-grams of a text as numbers."""
    numbers = np.zeros(tokens.size - n + 1, np.int64)
    for shift in range(n):
        numbers = numbers * classes + tokens[shift : shift + numbers.size]
    return numbers


def _found(sorted_numbers: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each number stands among sorted ones, and whether it does."""
    places = np.minimum(np.searchsorted(sorted_numbers, numbers), sorted_numbers.size - 1)
    return places, sorted_numbers[places] == numbers
