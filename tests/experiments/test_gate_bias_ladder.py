"""The gate-bias ladder: its claims, its presets, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments import gate_bias_ladder
from experiments.gate_bias_ladder import EXPERIMENT, Config, memory, networks


def summary(slow, fast):
    """A summary in which gates that start half open do one thing and all others another."""
    names = networks(Config())
    rows = {name: slow if name.endswith("=0") else fast for name in names}
    return {"seeds": [0, 1, 2], "length": 100, "networks": rows}


def test_each_claim_can_hold_and_can_fail():
    """They hold where half-open gates fail and the others solve, and none does where it is the other way round."""
    never, soon = row(None, None, None), row(400, 600, 600)
    assert all(held(EXPERIMENT, summary(never, soon)))
    assert not any(held(EXPERIMENT, summary(soon, never)))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_memory_is_that_of_the_gate():
    """1 / (1 - sigmoid(bias)): two steps where the gate is half open."""
    assert memory(0.0) == 2
    assert memory(4.595119850134589) == pytest.approx(100)  # log 99


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        length=20, hidden=4, seeds=(0, 1), batch_size=4, steps=4, evaluate_every=2, evaluation_size=8, processes=1
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["networks"]) == set(gate_bias_ladder.networks(config))
