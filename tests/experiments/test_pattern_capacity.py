"""Patterns in Hopfield networks: claims, presets, what one update finds, and a toy run."""

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.pattern_capacity import EXPERIMENT, Config, growth, recalled_at_once, stable_load


def summary(begins=0.14, widths=(0.6, 0.3), fixed=(0.95, 0.05), factor=1.5, noisy=1.0):
    """A summary in which two classical networks fail within these widths, and a modern one grows by a factor."""
    sizes = {
        size: {
            "nine_tenths": [begins],
            "half": [1.2 * begins],
            "a_tenth": [begins * (1 + 1.2 * width)],
            "fixed": [fixed[0]],
            "fixed_at_twice": [fixed[1]],
        }
        for size, width in zip(("100", "1000"), widths, strict=True)
    }
    return {
        "seeds": [0],
        "classical": sizes,
        "modern": {str(dimension): [factor**dimension] for dimension in (8, 12, 16)},
        "noisy": [noisy],
        "noisy_patterns": 2000,
        "noisy_size": 200,
        "flips": 0.1,
    }


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary()))
    assert not any(held(EXPERIMENT, summary(0.2, (0.3, 0.6), (0.5, 0.5), 1.1, 0.5)))


def test_a_limit_that_was_not_reached_holds_nothing():
    found = summary()
    found["modern"]["16"] = [None]
    for row in found["classical"].values():
        row["nine_tenths"] = [None]
    assert held(EXPERIMENT, found) == [False, False, True, False, True]


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_growth_is_that_of_a_geometric_sequence():
    assert growth(summary(factor=1.5)) == pytest.approx((1.5, 1.0))


def test_stable_load_is_where_a_pattern_has_as_many_errors_as_is_usual():
    """1 / (2 ln n), at which the expected number of wrong units of a pattern falls as units are added."""
    assert stable_load(1000) == pytest.approx(0.0723824)


def test_one_update_finds_few_patterns_among_few_and_none_among_many():
    config = Config(starts=50)
    assert recalled_at_once(config, 12, 2, 0.0, 0) == 1.0
    assert recalled_at_once(config, 12, 1024, 0.0, 0) == 0.0


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(sizes=(20, 40), loads=(0.1, 0.2, 0.5, 1.0), dimensions=(8, 10, 12), doublings=9, noisy_size=50,
                    noisy_patterns=20, starts=20, seeds=(0, 1))  # fmt: skip
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["classical"]) == {"20", "40"} and np.min(found["noisy"]) > 0.9
    assert growth(found)[0] > 1.2
