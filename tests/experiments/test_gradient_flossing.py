"""Gradient flossing: its task, claims, presets, and a toy run."""

import jax
import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.gradient_flossing import EXPERIMENT, Config, condition
from experiments.parts.delayed_xor import DelayedXor
from rnnjax import InputError


def summary(fall, better, flossed, plain):
    """A summary in which squares fall and condition numbers shrink by these, and these rows were trained."""
    counts = {
        count: {
            "mean_square_before": [0.5, 0.6],
            "mean_square_after": [0.5 / fall, 0.6 / fall],
            "condition_before": [20.0, 21.0],
            "condition_after": [20.0 - better, 21.0 - better],
        }
        for count in ("1", "16")
    }
    training = {"no flossing": plain, "flossing before training": flossed}
    return {"seeds": [0, 1], "lag": 40, "flossed": counts, "training": training}


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary(100, 10, row(400, 600), row(None, 700))))
    assert not any(held(EXPERIMENT, summary(2, -1, row(400, None), row(None, 700))))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_condition_is_in_decades():
    logs = np.log([[1.0, 0.1, 1e-5], [1.0, 1e-2, 1e-10]])
    np.testing.assert_allclose(condition(logs, 2), [1, 2])
    np.testing.assert_allclose(condition(logs, 3), [5, 10])


@pytest.mark.exhaustive
def test_the_task_is_an_exclusive_or():
    """Targets from the second delay on are the exclusive or of the bits one and two delays before."""
    task = DelayedXor(length=30, delay=4)
    batch = task.sample(jax.random.key(0), 3)
    bits, targets = np.asarray(batch.inputs[..., 0], bool), np.asarray(batch.targets[..., 0], bool)
    np.testing.assert_array_equal(targets[:, 8:], bits[:, 4:-4] ^ bits[:, :-8])
    np.testing.assert_array_equal(batch.mask, np.broadcast_to(np.arange(30) >= 8, (3, 30)))
    right = task.metrics(20 * (batch.targets - 0.5), batch)
    assert float(right["accuracy"]) == 1 and bool(task.solved(right)) and right["loss"] < 1e-3
    assert not bool(task.solved(task.metrics(20 * (0.5 - batch.targets), batch)))


def test_the_task_checks_its_arguments():
    with pytest.raises(InputError, match=r"DelayedXor\.length: got 8"):
        DelayedXor(length=8, delay=4)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(features=6, counts=(1, 4), flossing_steps=5, window=12, burn_in=4, lags=(1, 4), length=24, delay=2,
                    steps=4, batch_size=2, evaluate_every=2, interludes=(2,), seeds=(0, 1), processes=1)  # fmt: skip
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["flossed"]) == {"1", "4"} and len(found["training"]) == 3
    assert found["training"]["no flossing"]["of"] == 2
