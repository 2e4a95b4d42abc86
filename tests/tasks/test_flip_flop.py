"""Pulses come as often as they should, and the last one is the target."""

import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import FlipFlop

TASK = FlipFlop(12, pulse=0.25)


def test_pulses_have_their_odds_and_all_lines_start_with_one(draw, assert_odds):
    inputs = draw(TASK).inputs
    assert set(np.unique(inputs)) == {-1, 0, 1} and np.abs(inputs[:, 0]).all()
    assert_odds(inputs[:, 1:] == 1, 0.125)
    assert_odds(inputs[:, 1:] == -1, 0.125)
    assert_odds(inputs[:, :1] == 1, 0.5)
    lines = inputs[:, 1:].reshape(-1, 3)
    assert abs(np.mean((lines[:, 0] != 0) & (lines[:, 1] != 0)) - 1 / 16) < 0.005  # independent of each other


def test_the_target_is_the_last_pulse(draw):
    batch = draw(TASK)
    held = np.zeros((len(batch.inputs), 3))
    for step in range(TASK.time):
        held = np.where(batch.inputs[:, step] != 0, batch.inputs[:, step], held)
        np.testing.assert_array_equal(batch.targets[:, step], held)


def test_what_counts_as_an_error(draw, measure):
    batch = draw(TASK)
    one_wrong = batch.targets * np.array([1, 1, -1])
    metrics, solved, _ = measure(TASK, 0.3 * one_wrong, batch)
    np.testing.assert_allclose(metrics["error_rate"], 1 / 3, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], (2 * 0.7**2 + 1.3**2) / 3, rtol=1e-5)
    assert not solved and measure(TASK, 0.95 * batch.targets, batch)[1]


def test_one_bit_and_other_odds():
    assert FlipFlop(2, bits=1, pulse=0.9).baseline == pytest.approx(0.05)
    assert FlipFlop().baseline == pytest.approx(0.5 * 63 / 64)


@pytest.mark.parametrize(
    ("options", "argument"),
    [({"length": 1}, "length"), ({"bits": 0}, "bits"), ({"pulse": 0.0}, "pulse"), ({"pulse": 1}, "pulse")],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        FlipFlop(**options)
    assert error.value.argument == f"FlipFlop.{argument}"
