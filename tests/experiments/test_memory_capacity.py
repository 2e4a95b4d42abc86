"""Memory capacity: claims, presets, the closed form of a ring, and a toy run."""

import jax
import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.memory_capacity import EXPERIMENT, Config, measure, ring_memory


def summary(ring=0.99, gaussian=0.5, tanh=(0.99, 0.6, 0.2), error=0.01):
    """A summary in which networks hold these shares of as many inputs as they have units; rings grow too slowly."""
    of = lambda *shares: {str(size): [share * size] for size, share in zip((10, 100), shares, strict=True)}  # noqa: E731
    return {
        "seeds": [0],
        "sizes": [10, 100],
        "tanh_size": 100,
        "linear": {"ring": of(0.99, ring), "orthogonal": of(0.99, ring), "Gaussian": of(gaussian, gaussian)},
        "tanh": {str(scale): [100 * share] for scale, share in enumerate(tanh)},
        "ring_error": error,
    }


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary()))
    assert not any(held(EXPERIMENT, summary(ring=0.8, gaussian=1.1, tanh=(0.5, 0.6, 0.9), error=0.2)))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_closed_form_of_a_ring_is_a_share_of_each_units_variance():
    """Unit j sums the inputs of lags j, j + n, ...: each one's part of the variance, and n in all."""
    config = Config(forgetting=0.25, reach=20)
    curve = ring_memory(config, 3)
    weights = config.forgetting ** np.arange(200)
    np.testing.assert_allclose(curve[[0, 2, 3, 5, 6]], (weights / weights.sum())[[0, 0, 1, 1, 2]])
    assert curve.sum() == pytest.approx(3)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(sizes=(4, 8), tanh_size=8, scales=(0.1, 10.0), steps=4000, seeds=(0, 1))
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert all(0.9 < value / int(size) < 1.1 for size, values in found["linear"]["ring"].items() for value in values)
    assert max(found["tanh"]["10"]) < min(found["tanh"]["0.1"])


def test_a_ring_is_measured_at_its_closed_form():
    """To what 4000 steps leave open."""
    config = Config(steps=4000)
    with jax.enable_x64(True):
        found = measure(config, "ring", "identity", 4, 1.0, 0)
    np.testing.assert_allclose(np.asarray(found.r_squared)[:, 0], ring_memory(config, 4), atol=0.06)
