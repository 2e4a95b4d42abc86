"""The curse of memory: closed forms, claims, presets, and a toy run."""

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.curse_of_memory import EXPERIMENT, ORACLES, Config, lru_sensitivity, sensitivity, state_variance

EIGENVALUES = np.array([0.5, 0.9, 0.98, 0.99])


def summary(power=1.0, error=1e-3, fading=1.0):
    """A summary in which all that was measured is the closed form to a power; `fading` weakens it as rho grows."""
    found = {}
    for i, correlation in enumerate((0.0, 0.5, 0.9)):
        found[f"{correlation:g}"] = {
            name: {
                "measured": (oracle(EIGENVALUES, correlation) ** power * fading**i).tolist(),
                "closed_form": oracle(EIGENVALUES, correlation).tolist(),
                "standard_error": [error] * len(EIGENVALUES),
            }
            for name, oracle in ORACLES.items()
        }
    return {"seeds": [0], "eigenvalues": EIGENVALUES.tolist(), "correlations": found}


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary()))
    assert not any(held(EXPERIMENT, summary(power=0.4, fading=1e-3)))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_closed_forms():
    """For white inputs those that the paper prints; for constant ones the derivatives of x / (1 - lambda)."""
    square = EIGENVALUES**2
    np.testing.assert_allclose(state_variance(EIGENVALUES, 0.0), 1 / (1 - square))
    np.testing.assert_allclose(sensitivity(EIGENVALUES, 0.0), (1 + square) / (1 - square) ** 3)
    np.testing.assert_allclose(state_variance(EIGENVALUES, 1.0), (1 - EIGENVALUES) ** -2.0)
    np.testing.assert_allclose(sensitivity(EIGENVALUES, 1.0), (1 - EIGENVALUES) ** -4.0)
    assert lru_sensitivity(1 - 1e-5, 0.0) == pytest.approx(0.5, rel=1e-3)


def test_closed_forms_for_correlated_inputs_are_the_sums_over_lags():
    """E h^2 and E (dh/dlambda)^2 from h = sum lambda^i x_t-i, term by term."""
    lags = np.arange(400)
    for eigenvalue, correlation in ((0.5, 0.9), (0.9, 0.5)):
        covariance = correlation ** np.abs(lags[:, None] - lags)
        weights = eigenvalue**lags
        slopes = lags * eigenvalue ** np.maximum(lags - 1.0, 0)
        np.testing.assert_allclose(weights @ covariance @ weights, state_variance(eigenvalue, correlation))
        np.testing.assert_allclose(slopes @ covariance @ slopes, sensitivity(eigenvalue, correlation))


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    """What is measured is within five standard errors of the closed forms."""
    config = Config(eigenvalues=(0.5, 0.9), correlations=(0.0, 0.9), steps=100, burn_in=100, rows=64, seeds=(0, 1))
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")["correlations"]
    for row in (one for of in found.values() for one in of.values()):
        difference = np.subtract(row["measured"], row["closed_form"]) / row["standard_error"]
        assert np.all(np.abs(difference) < 5)
