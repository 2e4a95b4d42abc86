"""Adding against length: its claims, its presets, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments import adding_length
from experiments.adding_length import EXPERIMENT, NETWORKS, Config, search
from rnnjax.training.run_folder import RunFolder


def summary(**rows):
    """A summary from the rows of each network, one a length."""
    lengths = [50, 100, 200]
    runs = {f"{name} T={length}": each for name in NETWORKS for length, each in zip(lengths, rows[name], strict=True)}
    return {"seeds": [0, 1], "lengths": lengths, "batch_size": 32, "rates": {}, "search": {}, "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    """They hold where gates solve, the GRU first, and the tanh network does not; reversed, none does."""
    never, soon, late = row(None, None), row(400, 600), row(3000, 3400)
    good = summary(LSTM=(soon, soon, late), GRU=(soon,) * 3, tanh=(soon, never, never), IRNN=(late,) * 3)
    assert all(held(EXPERIMENT, good))
    bad = summary(LSTM=(late, never, row(400, None)), GRU=(never,) * 3, tanh=(never, soon, soon), IRNN=(never,) * 3)
    assert not any(held(EXPERIMENT, bad))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_each_network_keeps_the_rate_that_solves_first_or_comes_closest(tmp_path, monkeypatch):
    """Fewest updates decide; where no run solves the problem, the smallest error; a run without one comes last."""
    outcomes = {
        "LSTM": {1e-4: (3000, 0.009), 1e-3: (800, 0.0095), 1e-2: (None, 0.002)},
        "GRU": {1e-4: (None, 0.05), 1e-3: (None, 0.1), 1e-2: (3000, 0.009)},
        "tanh": {1e-4: (None, 0.15), 1e-3: (None, 0.02), 1e-2: (None, 0.16)},
        "IRNN": {1e-4: (None, 0.16), 1e-3: (None, None), 1e-2: (None, None)},
    }

    def made_up(arms, seeds, folder, processes):
        assert seeds == (7,) and {arm.training.task.length for arm in arms} == {100}
        found = {}
        for arm in arms:
            solved_at, best = outcomes[arm.name.split()[0]][arm.training.optimizer.learning_rate]
            run = {"solved_at": solved_at, "steps": 4000, "best": best, "diverged": False, "allowed": 4000}
            found[arm.name] = {"runs": [run]}
        return found

    monkeypatch.setattr(adding_length, "sweep", made_up)
    _, rates = search(Config(rates=(1e-4, 1e-3, 1e-2), search_seed=7), RunFolder(tmp_path))
    assert rates == {"LSTM": 1e-3, "GRU": 1e-2, "tanh": 1e-3, "IRNN": 1e-4}
    assert all(not set(preset.seeds) & {preset.search_seed} for preset in EXPERIMENT.presets.values())


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        lengths=(10, 20),
        steps=(4, 4),
        hidden=4,
        seeds=(0, 1),
        batch_size=4,
        rates=(1e-3, 1e-2),
        search_length=10,
        search_steps=4,
        evaluate_every=2,
        processes=1,
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["search"]) == {f"{name} {rate}" for name in NETWORKS for rate in (0.001, 0.01)}
    assert set(found["rates"].values()) <= {1e-3, 1e-2}
    assert set(found["runs"]) == {f"{name} T={length}" for name in NETWORKS for length in (10, 20)}
