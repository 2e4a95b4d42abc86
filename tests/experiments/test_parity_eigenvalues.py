"""Parity: its claims, its test of every length at once, and a toy run."""

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.parity_eigenvalues import EXPERIMENT, NONLINEAR, POSITIVE, TURNING, Config, measure
from rnnjax import Elman
from rnnjax.tasks import ModularSum
from rnnjax.training import Config as TrainConfig


def summary(nonlinear, positive, turning):
    """A summary of the shares of long rows that each kind of network has right."""
    runs = {}
    for names, share in ((NONLINEAR, nonlinear), (POSITIVE, positive), (TURNING, turning)):
        runs |= {name: {**row(None, None), "shorter": [share] * 2, "longer": [share] * 2} for name in names}
    return {"seeds": [0, 1], "length": 40, "longest": 256, "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary(1.0, 0.5, 0.99)))
    assert not any(held(EXPERIMENT, summary(0.5, 1.0, 0.5)))


def test_two_rectified_units_tell_the_parity_at_every_length():
    """v' = relu(p + x), u' = relu(p + x - 1), with p = v - 2 u: p is the parity. A fixed answer is at chance."""
    cell = {
        "kernel": np.array([[0.0, 0.0], [1.0, 1.0]]),
        "recurrent_kernel": np.array([[1.0, 1.0], [-2.0, -2.0]]),
        "bias": np.array([0.0, -1.0]),
    }
    training = TrainConfig(ModularSum(4), Elman(2, activation="relu"))
    parity = {"kernel": np.array([[0.0, 1.0], [0.0, -2.0]]), "bias": np.array([0.5, 0.0])}
    np.testing.assert_array_equal(measure(training, {"cell": cell, "readout": parity}, longest=9, rows=64), np.ones(9))
    even = {"kernel": np.zeros((2, 2)), "bias": np.array([1.0, 0.0])}
    assert np.all(np.abs(measure(training, {"cell": cell, "readout": even}, longest=9, rows=64) - 0.5) < 0.25)


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    sizes = dict(hidden=4, length=5, longest=8, batch_size=4, mamba_batch_size=4, test_rows=8)
    config = Config(**sizes, seeds=(0, 1), steps=4, mamba_steps=4, evaluate_every=2, processes=1)
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert len(found["runs"]) == 10 and all(len(each["longer"]) == 2 for each in found["runs"].values())
