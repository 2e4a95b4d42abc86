"""NLL, perplexity and bits a character: one number in three units, scikit-learn's figure."""

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss

from rnnjax.errors import InputError
from rnnjax.metrics import bits_per_character, nll, perplexity

RANDOM = np.random.default_rng(0)
PROBABILITIES = RANDOM.dirichlet(np.ones(6), (4, 20))
TARGETS = RANDOM.integers(0, 6, (4, 20))
LOSSES = -np.log(np.take_along_axis(PROBABILITIES, TARGETS[..., None], -1)[..., 0])
MASK = RANDOM.random((4, 20)) < 0.6


def test_the_mean_loss_is_that_of_scikit_learn():
    every = log_loss(TARGETS.ravel(), PROBABILITIES.reshape(-1, 6), labels=range(6))
    assert nll(LOSSES) == pytest.approx(every, rel=1e-12)
    some = log_loss(TARGETS[MASK], PROBABILITIES[MASK], labels=range(6))
    assert nll(np.where(MASK, LOSSES, np.nan), MASK) == pytest.approx(some, rel=1e-12)


def test_a_uniform_guess_among_n_has_perplexity_n_and_log2_n_bits():
    for n in (2, 27, 50_000):
        losses = np.full(7, math.log(n))
        assert perplexity(losses) == pytest.approx(n)
        assert bits_per_character(losses) == pytest.approx(math.log2(n))


def test_a_mean_will_do_and_rows_may_differ_in_length():
    rows = [LOSSES[row, :length] for row, length in enumerate((3, 20, 1, 9))]
    assert perplexity(nll(rows)) == pytest.approx(perplexity(np.concatenate(rows)), rel=1e-12)


def test_beyond_floats_perplexity_is_infinite():
    assert perplexity([1e4]) == math.inf


@pytest.mark.parametrize("call", [lambda: nll([]), lambda: nll([1.0, math.nan]), lambda: nll([1.0], [1, 0])])
def test_bad_losses_are_one_error(call):
    with pytest.raises(InputError, match=r"losses|targets|mask"):
        call()
