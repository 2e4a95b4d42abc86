"""Counting: its claims, how far a network reaches, and a toy run."""

import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.counting_languages import EXPERIMENT, LANGUAGES, NETWORKS, Config, _name, correlation, reach


def summary(counters, **ends):
    """A summary of networks by how well one state counts, and how many times as far they get as trained."""
    counters = dict(zip(("LSTM", "GRU"), counters, strict=True))
    runs = {}
    for language, longest in zip(LANGUAGES, (50, 25), strict=True):
        for network in NETWORKS:
            end = int(ends.get(network, 0) * longest)
            runs[_name(network, language)] = {
                **row(200, None),
                "reach": [[1, end]] * 2,
                "counter": [counters.get(network, 0.5)] * 2,
            }
    return {"seeds": [0, 1], "longest": dict(zip(LANGUAGES, (50, 25), strict=True)), "tested": 5, "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    assert all(held(EXPERIMENT, summary((0.999, 0.8), LSTM=2, GRU=1.04, tanh=0.1)))
    assert held(EXPERIMENT, summary((0.999, 0.96), LSTM=2, GRU=1.04, tanh=0.1))[-1] is False
    assert not any(held(EXPERIMENT, summary((0.8, 0.8), LSTM=1, GRU=2, tanh=2)))


def test_reach_is_the_longest_stretch():
    assert reach(np.array([True, True, True])) == (1, 3)
    assert reach(np.array([False, True, True, False, True])) == (2, 3)
    assert reach(np.array([False, False])) == (0, 0)


def test_correlation_takes_either_sign_and_nothing_from_what_stands_still():
    balance = np.array([0.0, 1, 2, 1, 0])
    assert correlation(np.stack([-3 * balance + 7, np.ones(5)], -1), balance) == pytest.approx(1)
    assert correlation(np.ones((5, 1)), balance) == 0


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        hidden=3, longest=(4, 3), tested=2, seeds=(0, 1), batch_size=4, steps=(4, 2), evaluate_every=2, processes=1
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert len(found["runs"]) == 8 and all(len(each["reach"]) == 2 for each in found["runs"].values())
