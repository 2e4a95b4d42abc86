"""Copying with an orthogonal matrix: its claims, its presets, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.copy_orthogonal import EXPERIMENT, NETWORKS, Config


def summary(orthogonal, identity, tanh):
    """A summary from the rows of the three networks that are judged, the same at both lengths."""
    rows = dict.fromkeys(NETWORKS, row(None, None, best=None))
    rows |= {"linear orthogonal": orthogonal, "linear identity": identity, "tanh orthogonal": tanh}
    runs = {f"{name} T={length}": each for name, each in rows.items() for length in (50, 100)}
    return {"seeds": [0, 1], "lengths": [50, 100], "baselines": [0.297, 0.173], "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    """They hold where the orthogonal network alone solves, and none does where all but it solve."""
    never, soon = row(None, None, best=0.29), row(400, 600, best=0.01)
    assert all(held(EXPERIMENT, summary(soon, never, never)))
    assert not any(held(EXPERIMENT, summary(never, soon, soon)))
    assert held(EXPERIMENT, summary(soon, never, row(None, None, best=None)))[2]  # no finite loss is not below one


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(lengths=(3, 5), steps=(4, 4), hidden=4, seeds=(0, 1), batch_size=4, evaluate_every=2, processes=1)
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["runs"]) == {f"{name} T={length}" for name in NETWORKS for length in (3, 5)}
