"""Lyapunov spectra against gain: claims, presets, and a toy run."""

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.lyapunov_gain import EXPERIMENT, Config, jobs_of, networks_of, spectrum_of

GAINS = {"0.5": 0.0, "1": 0.0, "2": 0.05, "5": 0.1, "20": 0.04}


def summary(shares=GAINS, *, largest=(-0.7, 0.2), error=0.0, larger=1.0):
    """A summary from D / N by gain; `larger` is by what factor it differs in the largest networks."""
    networks = {
        size: {
            gain: {
                "largest": [largest[float(gain) >= 1]] * 2,
                "dimension": [share * int(size) * (larger if size == "400" else 1)] * 2,
                "entropy": [share] * 2,
                "log_radius": [largest[0] * (1 + error)] * 2,
                "mean": [-1.2] * 2,
                "mean_log_determinant": [-1.2 * (1 + error)] * 2,
            }
            for gain, share in shares.items()
        }
        for size in ("100", "200", "400")
    }
    return {"seeds": [0, 1], "gains": [float(gain) for gain in shares], "far": [], "sizes": [100, 200], "large": 400,
            "steps": [1.0, 0.1], "extensive_gain": 5.0, "networks": {"1": networks, "0.1": networks}}  # fmt: skip


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary()))
    rising = dict(zip(GAINS, (0.0, 0.1, 0.2, 0.5, 0.9), strict=True))
    assert not any(held(EXPERIMENT, summary(rising, largest=(0.3, -0.2), error=0.2, larger=2.0)))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_steps_are_shortened_in_the_second_measurement_alone():
    """And only where their product with the gain is too large: what needs no shortening is measured once."""
    config = Config()
    known = {network[:3]: jobs_of(config, *network) for network in networks_of(config) if not network[3]}
    assert all(job[7] >= job[1] * job[3] for jobs in known.values() for job in jobs if job[3] < 1)
    again = {network[:3]: jobs_of(config, *network) for network in networks_of(config) if network[3]}
    assert {network[2] for network in again} == set(config.gains)
    for network, jobs in again.items():
        step, _, gain = network
        assert (jobs == known[network]) == (gain * step <= config.resolution)


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("step", [1.0, 0.1])
def test_exponents_at_rest_are_those_of_the_coupling(step):
    """Below the gain 1, as a map and in short Euler steps."""
    found = spectrum_of(12, 0.5, 0, step, 400, 100, 1.0, 0.4)
    assert found["mean"] == pytest.approx(found["mean_log_determinant"], rel=1e-4)
    assert found["largest"] == pytest.approx(found["log_radius"], rel=0.05)
    assert found["dimension"] == found["entropy"] == 0


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(gains=(0.5, 2.0), far=(20.0,), sizes=(6, 8), times=(30, 30), burn_ins=(10, 10), extensive_gain=2.0,
                    large=10, shown=(0.5, 2.0), seeds=(0, 1), processes=1)  # fmt: skip
    summary = end_to_end(EXPERIMENT, config, tmp_path / "run")
    found = summary["networks"]
    assert set(found["0.1"]["8"]) == {"0.5", "2", "20"} and set(found["1"]["8"]) == {"0.5", "2"}
    assert summary["shortened"] == {gain: found["0.1"]["8"][gain] for gain in ("0.5", "2")}
    assert set(found) == {"1", "0.1"} and set(found["1"]) == {"6", "8", "10"}
    assert all(np.max(sizes[size]["0.5"]["largest"]) < 0 for sizes in found.values() for size in ("6", "8"))
