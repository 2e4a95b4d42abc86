"""LEM on long adding problems: its claims, its preset, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.lem_adding import EXPERIMENT, Config


def summary(*rows):
    """A summary from a row a length."""
    lengths = [2000, 5000, 10_000]
    runs = {f"LEM T={length}": each for length, each in zip(lengths, rows, strict=True)}
    return {"seeds": [0, 1], "lengths": lengths, "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    """A length that takes twice as many updates as another is learnt, but not in the same time."""
    assert held(EXPERIMENT, summary(row(1900, 2100), row(2000, 1800), row(1900, 2500))) == [True, True]
    assert held(EXPERIMENT, summary(row(1900, 2100), row(2000, 1800), row(None, 2500))) == [False, False]
    assert held(EXPERIMENT, summary(row(1900, 2100), row(2000, 1800), row(3900, 3900))) == [True, False]
    assert held(EXPERIMENT, summary(*[row(None, None)] * 3)) == [False, False]


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        lengths=(10, 20),
        hidden=4,
        seeds=(0, 1),
        batch_size=4,
        steps=4,
        evaluate_every=2,
        evaluation_size=8,
        processes=1,
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["runs"]) == {"LEM T=10", "LEM T=20"}
