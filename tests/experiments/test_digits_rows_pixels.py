"""Digits by rows and pixels: its claims, its presets, and a toy run."""

import pytest
from made_up_runs import end_to_end, held, presets_survive

from experiments.digits_rows_pixels import EXPERIMENT, NETWORKS, ORDERS, Config
from experiments.parts.published_mnist import PUBLISHED, published_table, published_values


def summary(tanh, others):
    """A summary from the accuracies of the tanh network and those of all others, two seeds each."""
    accuracy = {name: dict.fromkeys(ORDERS, tanh if name == "tanh" else others) for name in NETWORKS}
    return {"seeds": [0, 1], "steps": 10, "accuracy": accuracy}


def test_each_claim_can_hold_and_can_fail():
    """A claim asks for ten points between every two seeds, not for a better mean."""
    assert all(held(EXPERIMENT, summary([0.3, 0.4], [0.9, 0.8])))
    assert not any(held(EXPERIMENT, summary([0.9, 0.8], [0.3, 0.4])))
    assert not any(held(EXPERIMENT, summary([0.3, 0.75], [0.9, 0.8])))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_published_figures_are_shown_as_they_were_printed():
    """Each is in the table, with its source; an LSTM's are ten points apart."""
    header, rows = published_table()
    assert len(rows) == len(PUBLISHED) and all(len(row) == len(header) and row[-1] for row in rows)
    lstm = published_values("LSTM", permuted=False)
    assert max(lstm) - min(lstm) > 0.1 and published_values("GRU", permuted=True) == [0.873]


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(hidden=4, seeds=(0, 1), batch_size=4, steps=4, evaluate_every=2, processes=1)
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    shares = [value for row in found["accuracy"].values() for values in row.values() for value in values]
    assert len(shares) == len(NETWORKS) * len(ORDERS) * 2 and all(0 <= value <= 1 for value in shares)
