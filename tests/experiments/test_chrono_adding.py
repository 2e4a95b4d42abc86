"""Forget bias and chrono on adding: its claims, its presets, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.chrono_adding import EXPERIMENT, Config


def summary(zero, one, chrono):
    """A summary from the rows of the three initialisations."""
    return {"seeds": [0, 1], "length": 200, "runs": {"b_f=0": zero, "b_f=1": one, "chrono": chrono}}


def test_each_claim_can_hold_and_can_fail():
    """They hold where every seed of one is ahead of every seed of the other, and not where two meet."""
    soon, later, late = row(1800, 2200), row(2800, 3400), row(4400, None)
    assert all(held(EXPERIMENT, summary(late, later, soon)))
    assert not any(held(EXPERIMENT, summary(soon, later, late)))
    assert not any(held(EXPERIMENT, summary(row(2200, 3000), row(2200, 2600), row(1800, 2200))))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(length=10, hidden=4, seeds=(0, 1), batch_size=4, steps=4, evaluate_every=2, processes=1)
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["runs"]) == {"b_f=0", "b_f=1", "chrono"}
