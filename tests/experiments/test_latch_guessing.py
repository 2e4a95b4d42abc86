"""Guessing and gradient descent on the latch at a tiny size, and claims that can hold and fail."""

import json

import jax
import pytest

from experiments import latch_guessing
from experiments.harness.claims import judge
from experiments.parts.guessing import random_search
from rnnjax.serialization import from_json, to_json
from rnnjax.tasks import Latch
from rnnjax.training.run_folder import RunFolder


def summary(tanh, online, guesses):
    """A summary of two lengths: what is solved at each, and guesses at all. Today's LSTM solves nothing."""

    def row(at):
        solved = [at, at]
        return {"solved_at": solved, "solved": 2 * (at is not None), "of": 2, "diverged": [False] * 2}

    trained = {}
    for length, one in zip((10, 50), tanh, strict=True):
        trained[f"{latch_guessing.TANH}, T={length}"] = row(one)
        trained[f"{latch_guessing.GATED}, T={length}"] = row(None)
    trials = [{"solved_at": at, "presented": 900, "test_error": None if at is None else 0.001} for at in online]
    held = {"10": trials[:1] * 2, "50": trials[1:] * 2}
    run = {"seed": 0, "guesses": guesses, "test_error": None if guesses is None else 0.001}
    searched = {name: {"10": [run] * 2, "50": [run] * 2} for name in (latch_guessing.UNIT, latch_guessing.NETWORK)}
    searched[latch_guessing.LONG] = {"500": [run] * 3}
    return {"seeds": [0, 1], "lengths": [10, 50], "long": 500, "trained": trained, "online": held, "searched": searched}


def test_each_claim_can_hold_and_can_fail():
    good = summary((500, None), (500, 900), 30)
    assert all(claim["held"] for claim in judge(latch_guessing.CLAIMS, good))
    for bad in (summary((500, 500), (500, 900), 3000), summary((None, None), (None, None), None)):
        assert not any(claim["held"] for claim in judge(latch_guessing.CLAIMS, bad))
    inexact = summary((500, None), (500, 900), 30)
    inexact["searched"][latch_guessing.UNIT]["50"][0]["test_error"] = 0.02
    assert not judge(latch_guessing.CLAIMS, inexact)[1]["held"]
    lucky = summary((500, None), (500, 900), 30)
    lucky["online"]["50"][0]["test_error"] = 0.02
    assert not judge(latch_guessing.CLAIMS, lucky)[3]["held"]


def test_the_network_of_1997_is_that_of_its_paper():
    """On the latch, with the published number of weights, rate and criterion."""
    row = latch_guessing.online_row(20)
    assert row.task == Latch(20) and row.network.count(1, 1) == row.weights == 102
    assert (row.rate, row.allowed, row.mean) == (1.0, 0.2, 0.01)


def test_configurations_are_on_file():
    for preset in latch_guessing.PRESETS.values():
        assert from_json(json.loads(json.dumps(to_json(preset)))) == preset


def test_guesses_are_counted():
    """The search ends at the first weights that solve the set, the same for the same key, or gives up in time."""
    search = random_search(Latch(6), None, 100.0, 5000, 100)
    found = search(jax.random.key(0))
    assert found.found and 1 <= found.guesses < 5000 and found.test_error < 0.05
    assert search(jax.random.key(0)).guesses == found.guesses
    hopeless = random_search(Latch(6), None, 1e-3, 50, 100)(jax.random.key(0))
    assert not hopeless.found and hopeless.guesses == 50


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_tiny_run(tmp_path):
    """Both networks are trained and guessed at each length, and all of it is on record and in the figures."""
    tiny = latch_guessing.Config(
        (4, 6), (0, 1), hidden=2, steps=4, guesses=50, rows=30, long=20, simulations=3, processes=1
    )
    folder = RunFolder(tmp_path / "run")
    folder.create(tiny)
    outcome = latch_guessing.run(tiny, folder)
    found = json.loads(json.dumps(outcome.summary))
    assert len(found["trained"]) == 4 and [len(runs) for runs in found["online"].values()] == [2, 2]
    assert len(found["searched"][latch_guessing.LONG]["20"]) == 3
    assert {record["arm"] for record in folder.records()} >= {latch_guessing.UNIT, latch_guessing.ONLINE}
    assert judge(latch_guessing.CLAIMS, found)
    for section in outcome.sections:
        for header, table in section.tables:
            assert all(len(row) == len(header) for row in table)
