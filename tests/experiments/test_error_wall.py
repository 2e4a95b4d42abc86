"""The error-surface wall: its claims, its presets, its unit against closed forms, and a toy run."""

import math

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.error_wall import EXPERIMENT, Config, places, unit
from experiments.parts.single_unit import Unit


def summary(
    *, largest=26.0, distance=0.01, gradient=(1.0, 300.0), curvature=(1.0, 1e5), cosine=0.9999, arrived=(30, 90)
):
    """A summary in which every place on the wall does the same, and `arrived` of 100 descents, plain and clipped."""
    found = {"median": 0.03, "percentile_99": 0.4, "largest": largest, "at": [5.0, -2.6], "spacing": 0.05}
    row = {"slope": 1.2, "error": 1e-9, "gradient": list(gradient), "curvature": list(curvature), "cosine": cosine}
    descents = {
        policy: {
            "arrived": [count] * 2,
            "of": 100,
            "wilson": [[count / 100 - 0.1, count / 100 + 0.1]] * 2,
            "median_longest_step": 1.0,
        }
        for policy, count in zip(("plain", "clipped"), arrived, strict=True)
    }
    return {
        "seeds": [0, 1],
        "steps": 50,
        "ends": [10, 50],
        "map": {**found, "distance_of_steepest": distance},
        "wall": {"5": row, "6": row},
        "descents": descents,
        "solved": 1e-3,
    }


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary()))
    bad = summary(largest=1.0, distance=1.0, curvature=(1.0, 100.0), cosine=0.5, arrived=(60, 65))
    assert not any(held(EXPERIMENT, bad))
    assert not held(EXPERIMENT, summary(arrived=(90, 30)))[4]


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_places_are_beside_the_wall():
    """As many on one side as on the other, within the range; the same seed draws the same."""
    config = Config(starts=400, seeds=(0, 1, 0))
    drawn = places(config)
    off = drawn[..., 1] - unit(config).foot(drawn[..., 0])
    assert drawn.shape == (3, 400, 2) and np.abs(off).max() <= 0.1 and abs(np.mean(off > 0) - 0.5) < 0.1
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_the_foot_of_the_wall():
    """x_0 is a fixed point there, and the closed form is the derivative of the recursion."""
    one, weight = Unit(12, 0.5, 0.7), 5.0

    def error(weight, bias, steps):
        x = one.start
        for _ in range(steps):
            x = weight / (1 + math.exp(-x)) + bias
        return (1 / (1 + math.exp(-x)) - one.target) ** 2

    bias = one.foot(weight)
    assert error(weight, bias, 12) == pytest.approx((one.output - one.target) ** 2, rel=1e-9)
    for steps in (1, 5, 12):
        slopes = [
            (error(weight + a, bias + b, steps) - error(weight - a, bias - b, steps)) / 2e-7
            for a, b in ((1e-7, 0), (0, 1e-7))
        ]
        assert one.closed_form(weight)[steps - 1] == pytest.approx(math.hypot(*slopes), rel=1e-5)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(steps=8, points=(9, 7), followed=(5.0, 6.0), starts=3, updates=5, seeds=(0, 1), processes=1)
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert all(row["error"] < 1e-6 for row in found["wall"].values())
    assert found["descents"]["clipped"]["longest_step"] <= 0.01 * (1 + 1e-9)
