"""The informative steps, the noise, and which answers count."""

import math

import jax
import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import Latch


@pytest.mark.parametrize("variant", Latch.variants)
def test_the_class_is_the_sign_of_the_first_steps(variant, draw, assert_odds):
    batch = draw(Latch(20, variant, informative=2))
    assert (batch.inputs[:, :2, 0] == 2 * batch.targets[:, None] - 1).all()
    assert_odds(batch.targets == 1, 0.5)


def test_the_noise_has_the_variance_asked_for(draw):
    noise = draw(Latch(20, informative=2)).inputs[:, 2:, 0].astype(np.float64)
    for power, moment in ((1, 0), (2, 0.2), (4, 3 * 0.2**2)):  # those of a Gaussian
        values = noise**power
        assert abs(values.mean() - moment) < 5 * values.std() / math.sqrt(values.size)
    loud = Latch(20, informative=2, noise=1.8).sequence(jax.random.key(0)).inputs[2:]
    np.testing.assert_allclose(loud, 3 * Latch(20, informative=2).sequence(jax.random.key(0)).inputs[2:], rtol=1e-6)


def test_lengths(draw, assert_odds):
    assert not Latch(20).variable_length and Latch(20).time == 20
    task = Latch(20, "two_sequence", informative=2)
    assert task.time == 22
    assert_odds(draw(task).lengths[:, None] == np.arange(19, 24), np.array([0, 1, 1, 1, 0]) / 3)


@pytest.mark.parametrize(("variant", "allowed"), [("latch", 0.5), ("two_sequence", 0.2)])
def test_which_answers_count(variant, allowed, draw, measure):
    task = Latch(20, variant, informative=2)
    batch = draw(task)
    for error, wrong in ((0.99 * allowed, 0), (1.01 * allowed, 1)):
        odds = math.log((1 - error) / error)
        metrics, _, _ = measure(task, odds * np.eye(2)[batch.targets], batch)
        assert metrics["error_rate"] == wrong
        np.testing.assert_allclose(metrics["absolute_error"], error, rtol=1e-5)


def test_the_criteria_differ():
    metrics = {"error_rate": np.array([0, 0.005, 0.01])}
    assert Latch(variant="latch").solved(metrics).tolist() == [True, True, False]
    assert Latch(variant="two_sequence").solved(metrics).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"variant": "flip_flop"}, "variant"),
        ({"informative": 0}, "informative"),
        ({"length": 3, "informative": 3}, "length"),
        ({"noise": -0.1}, "noise"),
        ({"noise": math.nan}, "noise"),
        ({"noise": "0.2"}, "noise"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        Latch(**options)
    assert error.value.argument == f"Latch.{argument}" and repr(options[argument]) in str(error.value)
