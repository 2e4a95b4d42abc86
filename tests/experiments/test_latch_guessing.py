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


def summary(tanh, gated, guesses):
    """A summary of two lengths: what is solved at each, and guesses at all."""

    def row(at):
        solved = [at, at]
        return {"solved_at": solved, "solved": 2 * (at is not None), "of": 2, "diverged": [False] * 2}

    trained = {}
    for length, one, other in zip((10, 50), tanh, gated, strict=True):
        trained[f"{latch_guessing.TANH}, T={length}"] = row(one)
        trained[f"{latch_guessing.GATED}, T={length}"] = row(other)
    run = {"seed": 0, "guesses": guesses, "test_error": None if guesses is None else 0.001}
    searched = {name: {"10": [run] * 2, "50": [run] * 2} for name in (latch_guessing.UNIT, latch_guessing.NETWORK)}
    searched[latch_guessing.LONG] = {"500": [run] * 3}
    return {"seeds": [0, 1], "lengths": [10, 50], "long": 500, "trained": trained, "searched": searched}


def test_each_claim_can_hold_and_can_fail():
    good = summary((500, None), (500, 900), 30)
    assert all(claim["held"] for claim in judge(latch_guessing.CLAIMS, good))
    for bad in (summary((500, 500), (500, 900), 3000), summary((None, None), (None, None), None)):
        assert not any(claim["held"] for claim in judge(latch_guessing.CLAIMS, bad))
    inexact = summary((500, None), (500, 900), 30)
    inexact["searched"][latch_guessing.UNIT]["50"][0]["test_error"] = 0.02
    assert not judge(latch_guessing.CLAIMS, inexact)[1]["held"]


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
    assert len(found["trained"]) == 4 and len(found["searched"][latch_guessing.LONG]["20"]) == 3
    assert {record["arm"] for record in folder.records()} >= {latch_guessing.UNIT, latch_guessing.NETWORK}
    assert judge(latch_guessing.CLAIMS, found)
    for section in outcome.sections:
        for header, table in section.tables:
            assert all(len(row) == len(header) for row in table)
