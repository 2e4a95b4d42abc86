"""The two strings, what lies between their ends, and which steps have to be right."""

import math

import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import NoiseFreeLag

P = 6


def whole(batch):
    """Rows as strings of codes, `[rows, p + 1]`: the inputs and the last target."""
    codes = batch.inputs.argmax(-1)
    assert (batch.inputs.sum(-1) == 1).all() and (codes[:, 1:] == batch.targets[:, :-1]).all()
    return np.concatenate([codes, batch.targets[:, -1:]], 1)


def test_2a_is_two_strings(draw, assert_odds):
    codes = whole(draw(NoiseFreeLag(P, "2a")))
    assert (codes[:, 1:-1] == np.arange(P - 1)).all() and (codes[:, 0] == codes[:, -1]).all()
    assert_odds(codes[:, :1] == np.array([P - 1, P]), 0.5)


def test_2b_has_no_regularities(draw, assert_odds):
    codes = whole(draw(NoiseFreeLag(P, "2b")))
    assert (codes[:, 0] == codes[:, -1]).all()
    assert_odds(codes[:, :1] == np.array([P - 1, P]), 0.5)
    assert_odds(codes[:, 1:-1, None] == np.arange(P + 1), np.array([1 / (P - 1)] * (P - 1) + [0, 0]))


WHICH = [("2a", 0, 1), ("2a", P - 1, 1), ("2b", 0, 0), ("2b", P - 1, 1)]


@pytest.mark.parametrize(("variant", "spoiled", "rate"), WHICH)
def test_which_steps_count(variant, spoiled, rate, draw, oracle, measure):
    task = NoiseFreeLag(P, variant)
    batch = draw(task)
    outputs = oracle(task, batch)
    outputs[:, spoiled] = 0
    metrics, solved, _ = measure(task, outputs, batch)
    assert metrics["error_rate"] == rate and bool(solved) == (rate == 0)


def test_certainty_is_asked_for(draw, measure):
    task = NoiseFreeLag(P)
    batch = draw(task)
    for probability, wrong in ((0.74, 1), (0.76, 0)):
        odds = math.log(P * probability / (1 - probability))
        assert measure(task, odds * np.eye(P + 1)[batch.targets], batch)[0]["error_rate"] == wrong


@pytest.mark.parametrize(
    ("options", "argument"), [({"variant": "2c"}, "variant"), ({"length": 1}, "length"), ({"length": 2.0}, "length")]
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        NoiseFreeLag(**options)
    assert error.value.argument == f"NoiseFreeLag.{argument}" and repr(options[argument]) in str(error.value)
