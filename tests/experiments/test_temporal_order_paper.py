"""One model for all lengths: its task, claims that can fail, the preset on file, and a toy run."""

import json

import jax
import numpy as np
import pytest

from experiments import temporal_order_paper as subject
from experiments.harness.claims import judge
from experiments.harness.experiment import load
from experiments.harness.runner import run_experiment
from rnnjax import InputError
from rnnjax.serialization import from_json, to_json

TINY = subject.Config(
    shortest=10, longest=20, lengths=(10, 30), seeds=(0,), hidden=4, batch_size=2, steps=4, evaluate_every=2,
    evaluation_size=10, processes=1,
)  # fmt: skip


def summary(solved, wrong):
    row = {"solved_at": [1000, solved], "solved": 1 + (solved is not None), "of": 2, "diverged": [False, False]}
    return {"seeds": [0, 1], "tested": 10_000, "network": row, "wrong": {"50": [0, 0], "5000": [0, wrong]}}


def test_each_claim_can_hold_and_can_fail():
    assert all(claim["held"] for claim in judge(subject.CLAIMS, summary(2000, 0)))
    assert not any(claim["held"] for claim in judge(subject.CLAIMS, summary(None, 0)))
    claims = judge(subject.CLAIMS, summary(2000, 7))
    assert [claim["held"] for claim in claims] == [True, False] and "7 of 10,000" in claims[1]["ours"]


def test_the_preset_is_on_file():
    for preset in subject.PRESETS.values():
        assert from_json(json.loads(json.dumps(to_json(preset)))) == preset
        training = subject.training(preset)
        assert from_json(json.loads(json.dumps(to_json(training)))) == training
    assert load("temporal_order_paper") is subject.EXPERIMENT
    with pytest.raises(InputError, match=r"AnyLength\.shortest"):
        subject.AnyLength(20, shortest=30)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_row_is_the_task_at_its_own_length():
    """Symbols lie in the windows of the row's own length, the class is theirs, and what follows is padding."""
    batch = jax.device_get(subject.AnyLength(40, shortest=20).sample(jax.random.key(0), 200))
    assert set(batch.lengths) == set(range(20, 41))
    codes = np.where(batch.inputs.any(-1), batch.inputs.argmax(-1), -1)
    for row, length, target in zip(codes, batch.lengths, batch.targets, strict=True):
        (first, second), tenth = np.flatnonzero((row == 0) | (row == 1)), length // 10
        assert length // 10 <= first < length // 10 + tenth and length // 2 <= second < length // 2 + tenth
        assert target == row[first] + 2 * row[second]
        assert np.all(row[:length] >= 0) and np.all(row[length:] == -1)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_from_end_to_end(tmp_path):
    claims = run_experiment(subject.EXPERIMENT, "paper", TINY, tmp_path / "run")
    assert len(claims) == 2
    written = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert list(written["wrong"]) == ["10", "30"] and 0 <= written["wrong"]["30"][0] <= 10
