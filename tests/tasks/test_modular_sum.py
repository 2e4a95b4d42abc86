"""Digits are even odds, their sum is the target, and lengths are those between the two bounds."""

import math

import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import ModularSum

TASK = ModularSum(9, modulus=5)


def test_the_target_is_the_sum_of_the_digits(draw):
    batch = draw(TASK)
    digits = batch.inputs.argmax(-1) * batch.inputs.any(-1)
    np.testing.assert_array_equal(batch.targets, digits.sum(-1) % 5)
    np.testing.assert_array_equal(batch.inputs.sum((1, 2)), batch.lengths)


def test_lengths_and_digits_are_uniform(draw, assert_odds):
    batch = draw(TASK)
    assert_odds(batch.lengths[:, None] == np.arange(3, 10), np.full(7, 1 / 7))
    assert_odds(batch.inputs[:, 0] == 1, np.full(5, 0.2))
    assert_odds(batch.targets[:, None] == np.arange(5), np.full(5, 0.2))


def test_the_baseline_knows_rows_of_one_digit():
    assert ModularSum(40).baseline == pytest.approx(math.log(2))
    assert ModularSum(1, shortest=1).baseline == 0
    assert ModularSum(2, shortest=1).baseline == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


def test_rows_of_one_length_have_no_lengths():
    assert not ModularSum(5, shortest=5).variable_length and TASK.variable_length


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"shortest": 0}, "shortest"),
        ({"length": 2}, "length"),
        ({"modulus": 1}, "modulus"),
        ({"length": 9.0}, "length"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        ModularSum(**options)
    assert error.value.argument == f"ModularSum.{argument}"
