"""Gradients of orthogonal networks: claims, presets, and a toy run that meets the closed form."""

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.orthogonal_decay import EXPERIMENT, Config, deviation


def summary(error=1e-14, decades=-30.0, below=True):
    """A summary in which all gains do the same."""
    numbers = {"error": error, "long_error": error, "spectrum_error": error, "long_decades": error,
               "oracle_decades": -9.0, "tanh_decades": decades, "tanh_largest_decades": decades,
               "tanh_below_bound": below}  # fmt: skip
    return {
        "seeds": [0],
        "lag": 200,
        "long_lag": 20_000,
        "gains": {gain: dict(numbers) for gain in ("0.9", "1", "1.1")},
    }


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary()))
    assert not any(held(EXPERIMENT, summary(error=1e-3, decades=2.0, below=False)))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_deviation_is_relative_to_the_power_of_the_gain():
    """Norms of gain^k at lag k have none, and one that is off by a part in a thousand has that."""
    lags = np.arange(5)[::-1]
    assert deviation(0.9, lags * np.log(0.9)) < 1e-15
    assert deviation(1.1, lags * np.log(1.1) + np.log1p(1e-3) * (lags == 4)) == pytest.approx(1e-3)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    """The linear networks meet g^k to rounding, also beyond the range of floats."""
    config = Config(gains=(0.5, 1.0, 2.0), features=4, in_features=2, lag=10, long_lag=2000, spectrum_lags=(1, 10),
                    rows=2, seeds=(0, 1))  # fmt: skip
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")["gains"]
    assert set(found) == {"0.5", "1", "2"} and found["2"]["long_decades"] == pytest.approx(2000 * np.log10(2))
    assert all(row[name] < 1e-10 for row in found.values() for name in ("error", "long_error", "spectrum_error"))
    assert all(row["tanh_below_bound"] for row in found.values())
