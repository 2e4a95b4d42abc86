"""Chrono at long lags: its claims, its preset, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.chrono_long import CHRONO, EXPERIMENT, STANDARD, Config


def summary(standard, chrono):
    """A summary from the rows of both initialisations, the same on each problem."""
    baselines = {"copy 500": 0.04, "copy 2000": 0.0103, "adding 750": 1 / 6}
    rows = {STANDARD: standard, CHRONO: chrono}
    runs = {f"{problem}, {name}": each for problem in baselines for name, each in rows.items()}
    return {"seeds": [0, 1], "baselines": baselines, "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    """They hold where chrono alone leaves the baseline and is 7 times faster, and none where nothing is learnt."""
    slow, fast = row(35_000, 35_000, best=0.05), row(5000, 5000, best=0.001)
    assert all(held(EXPERIMENT, summary(slow, fast)))
    assert all(held(EXPERIMENT, summary(row(None, None, best=None), fast)))
    assert not any(held(EXPERIMENT, summary(fast, slow)))
    never = row(None, None, best=0.05)
    assert not any(held(EXPERIMENT, summary(never, never)))


def test_the_preset_is_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        copy_lengths=(3, 5),
        adding_lengths=(6,),
        hidden=4,
        seeds=(0, 1),
        batch_size=4,
        steps=4,
        evaluate_every=2,
        evaluation_size=8,
        processes=1,
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert len(found["runs"]) == 6 and set(found["baselines"]) == {"copy 3", "copy 5", "adding 6"}
