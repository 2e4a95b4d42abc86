"""Names: languages of made-up names are learned; three are told; names seen in training are set apart."""

from __future__ import annotations

import os

import numpy as np
import pytest

from rnnjax import GRU
from rnnjax.applications import get
from rnnjax.training import Config, Optimizer, load_trained, train

SYLLABLES = {"Aran": ("ka", "ro", "mi"), "Belic": ("stu", "gle", "fro"), "Cimbric": ("xy", "zö", "qi")}


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    random = np.random.default_rng(0)
    for language, parts in SYLLABLES.items():
        names = ["".join(random.choice(parts, random.integers(2, 5))).capitalize() for _ in range(60)]
        (folder / f"{language}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    return get("names", data=str(folder), embedding=8, bidirectional=False, output_dropout=0.0)


@pytest.fixture(scope="module")
def run(application, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    config = Config(application, GRU(8), Optimizer(learning_rate=0.02), steps=60, batch_size=16, evaluate_every=60)
    train(config, (0,), out, quiet=True)
    return load_trained(out)


def test_it_learns_and_the_baseline_too(run, application):
    found = application.evaluate(run.model, run.params, "test").metrics
    assert {"loss", "accuracy", "macro_f1", "accuracy_unseen"} == set(found)
    assert found["accuracy"] >= 0.9 and application.baseline()["accuracy"] >= 0.9


def test_unseen_names_are_counted_apart(application):
    """Answers that are right on names of the training split alone have an accuracy of zero on the others."""
    seen = {example.text for example in application.examples("train")}
    test = application.examples("test")
    fresh = [example.text not in seen for example in test]
    assert any(fresh) and not all(fresh)
    answers = [(example.label + new) % 3 for example, new in zip(test, fresh, strict=True)]
    found = application.score(answers, test)
    assert found["accuracy_unseen"] == 0 and found["accuracy"] == pytest.approx(1 - np.mean(fresh))


def test_the_three_likeliest_languages_are_told(run, tmp_path):
    (tmp_path / "in.txt").write_text("Stuglefro\nKarromi?\n", encoding="utf-8")
    rows = run.application.predict(run.model, run.params, run.application.read_inputs(str(tmp_path / "in.txt")))
    assert [row["answer"] for row in rows] == ["Belic", "Aran"]
    for row in rows:
        languages, odds = zip(*row["likeliest"], strict=True)
        assert sorted(languages) == sorted(SYLLABLES) and list(odds) == sorted(odds, reverse=True)
        assert sum(odds) == pytest.approx(1, abs=1e-5) and row["probability"] == odds[0]


def test_the_real_names_split_as_published():
    place = os.path.join(os.environ.get("RNNJAX_DATA", ""), "names")
    if "RNNJAX_DATA" not in os.environ or not os.path.isdir(place):
        pytest.skip("RNNJAX_DATA does not name a folder with names")
    given = get("names", data=place)
    assert len(given.labels) == 18
    assert [len(given.examples(split)) for split in ("train", "validation", "test")] == [16040, 2005, 2005]
