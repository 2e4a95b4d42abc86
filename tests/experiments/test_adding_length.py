"""Adding against length: its claims, its presets, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.adding_length import EXPERIMENT, NETWORKS, Config


def summary(**rows):
    """A summary from the rows of each network, one a length."""
    lengths = [50, 100, 200]
    runs = {f"{name} T={length}": each for name in NETWORKS for length, each in zip(lengths, rows[name], strict=True)}
    return {"seeds": [0, 1], "lengths": lengths, "batch_size": 32, "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    """They hold where gates solve, the GRU first, and the tanh network does not; reversed, none does."""
    never, soon, late = row(None, None), row(400, 600), row(3000, 3400)
    good = summary(LSTM=(soon, soon, late), GRU=(soon,) * 3, tanh=(soon, never, never), IRNN=(late,) * 3)
    assert all(held(EXPERIMENT, good))
    bad = summary(LSTM=(late, never, row(400, None)), GRU=(never,) * 3, tanh=(never, soon, soon), IRNN=(never,) * 3)
    assert not any(held(EXPERIMENT, bad))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(lengths=(10, 20), steps=(4, 4), hidden=4, seeds=(0, 1), batch_size=4, evaluate_every=2, processes=1)
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["runs"]) == {f"{name} T={length}" for name in NETWORKS for length in (10, 20)}
