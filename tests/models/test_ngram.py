"""The n-gram model against a loop over counts."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.models.ngram import ngram_losses

CLASSES = 4
_rng = np.random.default_rng(0)
TRAIN, TEXT = _rng.integers(0, 3, 200), _rng.integers(0, CLASSES, 60)  # one class is not in the training text


def share(train, history, token, order):
    """p_n of a token after a history, written out."""
    if order == 0:
        return 1 / CLASSES
    if len(history) < order - 1:
        return share(train, history, token, order - 1)
    past = tuple(history[len(history) - order + 1 :])
    grams = [tuple(train[i : i + order]) for i in range(len(train) - order + 1)]
    after = collections.Counter(gram[-1] for gram in grams if gram[:-1] == past)
    lower = share(train, history, token, order - 1)
    if not after:
        return lower
    return (after[token] + len(after) * lower) / (sum(after.values()) + len(after))


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_it_is_the_recursion(order):
    train, text = TRAIN.tolist(), TEXT.tolist()
    wanted = [-np.log(share(train, text[:i], token, order)) for i, token in enumerate(text)]
    np.testing.assert_allclose(ngram_losses(TRAIN, TEXT, CLASSES, order), wanted)


@pytest.mark.parametrize("order", [1, 3])
def test_probabilities_sum_to_one(order):
    past = TEXT[:10]
    losses = [ngram_losses(TRAIN, np.append(past, token), CLASSES, order)[-1] for token in range(CLASSES)]
    assert np.exp(-np.array(losses)).sum() == pytest.approx(1)


def test_a_longer_past_helps_where_there_is_a_pattern():
    text = np.tile([0, 1, 2, 0, 2, 1], 50)
    losses = [ngram_losses(text, text, CLASSES, order).mean() for order in (1, 2, 3)]
    assert losses[:2] == pytest.approx(np.log([3, 2]), abs=0.03) and losses[2] < 0.1  # two may follow one, one two


@pytest.mark.parametrize(
    ("argument", "given"),
    [("tokens", ([], TEXT, 4, 2)), ("order", (TRAIN, TEXT, 4, 0)), ("order", (TRAIN, TEXT, 100_000, 4))],
)
def test_bad_input_is_named(argument, given):
    with pytest.raises(InputError) as error:
        ngram_losses(*given)
    assert error.value.argument == argument
