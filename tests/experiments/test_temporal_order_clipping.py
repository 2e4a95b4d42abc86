"""Temporal order against length: claims that can fail, presets on file, and a toy run."""

import copy
import json

import pytest

from experiments import temporal_order_clipping as subject
from experiments.harness.claims import judge
from experiments.harness.experiment import load
from experiments.harness.runner import run_experiment
from rnnjax.serialization import from_json, to_json
from rnnjax.training import Pascanu

TINY = subject.Config(
    lengths=(10, 12), seeds=(0, 1), hidden=4, batch_size=2, steps=4, sigmoid_steps=2, evaluate_every=2,
    evaluation_size=10, processes=1,
)  # fmt: skip


def row(solved, of=3):
    updates = [1000] * solved + [None] * (of - solved)
    return {"solved_at": updates, "solved": solved, "of": of, "diverged": [False] * of}


def summary(**solved):
    """By method, how many of three seeds succeed at the shorter and at the longer length, from every initialisation."""
    networks = {m: {"10": row(short), "50": row(long)} for m, (short, long) in solved.items()}
    return {"seeds": [0, 1, 2], "lengths": [10, 50], "networks": {s: copy.deepcopy(networks) for s in subject.STARTS}}


def test_each_claim_can_hold_and_can_fail():
    good = summary(**{"SGD": (3, 0), "SGD-C": (3, 1), "SGD-CR": (3, 3)})
    assert all(claim["held"] for claim in judge(subject.CLAIMS, good))
    bad = summary(**{"SGD": (3, 3), "SGD-C": (3, 3), "SGD-CR": (2, 0)})
    assert not any(claim["held"] for claim in judge(subject.CLAIMS, bad))


def test_presets_are_on_file_and_methods_differ_as_said():
    for preset in subject.PRESETS.values():
        assert from_json(json.loads(json.dumps(to_json(preset)))) == preset
        assert preset.steps % preset.evaluate_every == preset.sigmoid_steps % preset.evaluate_every == 0
    plain, clipped, both = (subject.training(TINY, "smart tanh", method, 10) for method in subject.METHODS)
    assert (plain.optimizer.clip, clipped.optimizer.clip, both.optimizer.clip) == ("none", "norm", "norm")
    assert plain.regularizer is clipped.regularizer is None and both.regularizer == Pascanu(4.0, variant="code")
    assert load("temporal_order_clipping") is subject.EXPERIMENT


@pytest.mark.exhaustive
@pytest.mark.slow
def test_from_end_to_end(tmp_path):
    """A toy run: every network at every length with every method, a report, a summary with claims."""
    claims = run_experiment(subject.EXPERIMENT, "laptop", TINY, tmp_path / "run")
    assert len(claims) == len(subject.CLAIMS)
    written = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert written["networks"]["sigmoid"]["SGD-CR"]["12"]["of"] == 2
    assert (tmp_path / "run" / "report.html").read_text().count("<svg") == 3
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2 * 2 * 3 * (2 + 2 + 1)
