"""expRNN on the copy problem: its claims, its preset, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.exprnn_copy import EXPERIMENT, Config


def summary(exprnn, lstm):
    """A summary from the rows of both networks."""
    return {"seeds": [0, 1], "length": 1000, "baseline": 0.0204, "runs": {"expRNN": exprnn, "LSTM": lstm}}


def test_each_claim_can_hold_and_can_fail():
    """They hold where the expRNN alone solves, and none does where the LSTM alone solves."""
    never, soon = row(None, None, best=0.0204), row(2000, 3000)
    assert all(held(EXPERIMENT, summary(soon, never)))
    assert not any(held(EXPERIMENT, summary(never, soon)))


def test_the_preset_is_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        length=5, hidden=6, seeds=(0, 1), batch_size=4, steps=4, evaluate_every=2, evaluation_size=8, processes=1
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["runs"]) == {"expRNN", "LSTM"}
