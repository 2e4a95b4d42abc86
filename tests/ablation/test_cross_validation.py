"""Folds: disjoint, together all there is, each with its share of every label, and nothing of the test in them."""

from __future__ import annotations

import dataclasses
import json
import math

import jax
import numpy as np
import pytest

from rnnjax import Elman
from rnnjax.ablation import Choices, cross_validate, search, search_trials
from rnnjax.ablation import cross_validation as module
from rnnjax.ablation.cross_validation import folded
from rnnjax.applications.names import Names
from rnnjax.cli import main
from rnnjax.errors import InputError
from rnnjax.tasks import Digits, get
from rnnjax.tasks.folds import fold_rows
from rnnjax.training import Config, train

TINY = Config(Digits("row"), Elman(2), steps=2, batch_size=4, evaluate_every=1, stop_when_solved=False)


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_folds_are_disjoint_cover_all_and_have_their_share_of_each_label(folds):
    labels = np.random.default_rng(0).integers(0, 4, 101)
    parts = [fold_rows(labels, (number, folds)) for number in range(folds)]
    assert sorted(np.concatenate([validation for _, validation in parts])) == list(range(101))
    for training, validation in parts:
        assert sorted([*training, *validation]) == list(range(101))
        share = np.bincount(labels, minlength=4) / folds
        assert np.abs(np.bincount(labels[validation], minlength=4) - share).max() < 1


def test_digits_in_folds_leave_the_test_alone():
    whole = Digits("row")
    known = {split: {image.tobytes() for image in whole.images(split)[0]} for split in ("train", "validation", "test")}
    seen = []
    for number in range(3):
        task = Digits("row", fold=(number, 3))
        parts = {split: [image.tobytes() for image in task.images(split)[0]] for split in ("train", "validation")}
        assert len(parts["train"]) + len(parts["validation"]) == 1497
        seen += parts["validation"]
        drawn = {np.asarray(image).tobytes() for image in task.sample(jax.random.key(0), 2000).inputs}
        assert drawn <= set(parts["train"]) and not drawn & set(parts["validation"])
        np.testing.assert_array_equal(task.evaluation("test").inputs, whole.evaluation("test").inputs)
    assert len(seen) == 1497 and set(seen) == known["train"] | known["validation"]


def test_names_in_folds_learn_their_letters_from_their_own_training_texts(tmp_path):
    for language, first in (("a", 0x4E00), ("b", 0x5E00)):
        lines = [chr(first + line) for line in range(36)]  # a letter of its own for each
        (tmp_path / f"{language}.txt").write_text("\n".join(lines) + "\n")
    whole = Names(data=str(tmp_path))
    rest = sorted(row.place for split in ("train", "validation") for row in whole.texts(split))
    parts = [dataclasses.replace(whole, fold=(number, 4)) for number in range(4)]
    assert sorted(row.place for part in parts for row in part.texts("validation")) == rest
    for part in parts:
        assert sorted(row.place for split in ("train", "validation") for row in part.texts(split)) == rest
        assert part.texts("test") == whole.texts("test")
        known = {letter for row in part.texts("train") for letter in row.text}
        held = json.dumps(part.fitted(), ensure_ascii=False)
        assert {letter for letter in held if ord(letter) >= 0x4E00} == known


def test_each_row_is_a_run_on_its_fold(tmp_path):
    """Real training: fold and seed give what a run of that configuration gives; folders are written if asked for."""
    found = cross_validate(TINY, 2, processes=1, out=tmp_path / "runs")
    assert [(row["fold"], row["seed"]) for row in found.rows] == [(0, 0), (1, 0)]
    for row, config in zip(found.rows, folded(TINY, 2), strict=True):
        run = train(config, (0,), quiet=True)
        assert row["best"] == run.summary[0]["best"]
        assert row["last"] == run.records[-1]["validation"]["accuracy"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["fold-0", "fold-1"]


@pytest.fixture
def made_up(monkeypatch):
    """Runs whose best value is 10 times the fold and the seed."""
    trained = []

    def run(config, seeds, out=None, quiet=True):
        trained.append(config.task.fold)
        values = [10.0 * config.task.fold[0] + seed for seed in seeds]
        summary = [{"seed": s, "best": v, "steps": 2, "diverged": v == 21} for s, v in zip(seeds, values, strict=True)]
        records = [{"seed": seed, "validation": {"accuracy": None}} for seed in seeds]
        return type("Run", (), {"summary": summary, "records": records})

    monkeypatch.setattr(module, "train", run)
    return trained


def test_mean_and_standard_error(made_up):
    """By hand: folds 0, 10 with seeds 0, 2 have means 1 and 11, whose standard error is their half difference."""
    found = cross_validate(TINY, 2, (0, 2), processes=1)
    assert (found.mean, found.standard_error) == (6.0, pytest.approx(5.0))
    assert found.between_seeds == pytest.approx(math.sqrt(2)) and math.isnan(found.rows[0]["last"])
    assert "depend" in found.note and cross_validate(TINY, 2, processes=1).between_seeds is None
    diverged = cross_validate(TINY, 3, (0, 1), processes=1)
    assert math.isnan(diverged.mean) and diverged.rows[-1]["diverged"]


def test_a_search_over_folds_takes_their_mean_and_prunes_between_them(made_up, tmp_path):
    found = search(TINY, {"batch_size": Choices((4, 8))}, tmp_path / "a", sampler="grid", folds=2, processes=1)
    assert [row["value"] for row in found.trials] == [5.0, 5.0] and made_up == [(0, 2), (1, 2)] * 2
    config = dataclasses.replace(TINY, batch_size=4)
    reported = []
    search_trials.worth(config, (0,), 3, lambda place, value: reported.append((place, value)))
    assert reported == [(1, 0.0), (2, 5.0), (3, 10.0)]
    with pytest.raises(FloatingPointError):
        search_trials.worth(config, (0, 1), 3)


def test_the_command_line(made_up, capsys, monkeypatch):
    monkeypatch.setattr(module, "in_processes", lambda call, jobs, count: ((job, call(*job)) for job in jobs))
    words = ["train", "digits", "--task-option", "order=row", "--folds", "2", "--cell", "elman", "--hidden", "2"]
    assert main([*words, "--seeds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines[:4])[3] == "fold 1, seed 1: best 11, last nan"
    assert lines[4].startswith("best accuracy 5.5, standard error 5 over 2 folds, ")
    for wrong in (["--folds", "1"], ["--folds", "999"], ["--folds", "2", "--resume"], ["--folds", "x"]):
        assert main([*words[:4], *wrong]) == 2
    assert main(["train", "adding", "--folds", "2"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 5


@pytest.mark.parametrize(
    ("config", "folds", "words"),
    [
        (dataclasses.replace(TINY, task=get("adding", length=4)), 2, "task: got 'adding'"),
        (TINY, 1, "folds: got 1"),
        (TINY, 2.5, "folds: got 2.5"),
        (TINY, 200, "rarest label"),
        (dataclasses.replace(TINY, task=Digits("row", fold=(0, 2))), 2, "task.fold"),
    ],
)
def test_bad_input(config, folds, words):
    with pytest.raises(InputError, match=words):
        cross_validate(config, folds)


@pytest.mark.parametrize("fold", [(2, 2), (-1, 2), (0, 1), (0,), "0", (0, 2.0), (True, 2), 3])
def test_a_fold_that_there_is_not(fold):
    with pytest.raises(InputError, match=r"Digits\.fold"):
        Digits("row", fold=fold)
