"""What a report says of disturbed and of smaller models: of a sample of the test split, and it says of which."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest
from made_up_application import Majority, write_words

from rnnjax import Elman
from rnnjax.applications import LanguageModeling, Music
from rnnjax.training import report_samples
from rnnjax.training.report_samples import SHARES, STRENGTHS, disturbed_and_smaller, sample_of


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return Majority(data=str(write_words(tmp_path_factory.mktemp("words") / "words.txt", count=2000)))


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Five pieces to test on, and a model that was not trained."""
    draw = np.random.default_rng(0)
    pieces = [[[60 + int(note)] for note in draw.integers(0, 12, length)] for length in (6, 9, 4, 7, 5, 8, 6)]
    path = tmp_path_factory.mktemp("music") / "tunes.json"
    path.write_text(json.dumps({"train": pieces[:1], "valid": pieces[1:2], "test": pieces[2:]}))
    application = Music(data=str(path))
    model = application.model(Elman(3))
    params = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 2, 88), np.float32))["params"]
    return application, model, params


def test_a_sample_is_from_all_over_the_split(words, monkeypatch):
    """In the order of the split, its first and its last among them, about equally far apart; each once."""
    examples = words.examples("test")
    assert len(examples) == 1950
    sample = sample_of(words)
    assert len(sample.examples) == sample.limit == 256 and "256 of the 1950 examples" in sample.told
    assert [example[0].tolist() for example in (sample.examples[0], sample.examples[-1])] == [
        example[0].tolist() for example in (examples[0], examples[-1])
    ]
    monkeypatch.setattr(report_samples, "MOST", 4000)
    every = sample_of(words)
    assert every.limit == 1950 and "all 1950 examples" in every.told
    for one, other in zip(every.examples, examples, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_long_examples_are_fewer(words, monkeypatch):
    monkeypatch.setattr(report_samples, "STEPS", 600)
    sample = sample_of(words)
    steps = sum(words.length(example) for example in sample.examples)
    assert 300 < steps < 1200 and sample.limit < 256
    monkeypatch.setattr(report_samples, "STEPS", 6)
    assert sample_of(words).limit == report_samples.LEAST
    monkeypatch.setattr(report_samples, "_BATCH_STEPS", 120)
    assert sample_of(words).batch_size == 10  # words have at most 12 letters


def test_sections_hold_each_strength_and_size(music):
    """Undisturbed and as trained the figures are those of an evaluation of the sample, here of all pieces."""
    application, model, params = music
    robust, small = disturbed_and_smaller(application, model, params)
    assert "all 5 examples of the test split" in robust.text and "all 5 examples of the test split" in small.text
    (header, rows), *_ = robust.tables
    expected = [("none", "0"), *((kind, f"{level:g}") for kind, levels in STRENGTHS.items() for level in levels)]
    assert [tuple(row[:2]) for row in rows] == expected
    (names, sizes), *_ = small.tables
    assert [row[0] for row in sizes] == ["as trained", "int8", *(f"int8, {share:.0%} pruned" for share in SHARES)]
    plain = application.evaluate(model, params, "test").metrics
    for metric, value in plain.items():
        assert rows[0][header.index(metric)] == sizes[0][names.index(metric)] == f"{value:.4g}"
    attacked = [float(row[header.index("loss")]) for row in rows if row[0] in ("none", "fgsm")]
    assert attacked == sorted(attacked) and attacked[0] < attacked[-1]
    assert len(robust.figures) == len(small.figures) == 1


def test_what_is_evaluated_in_its_own_way_has_its_loss_alone(tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat on the mat\n" * 200)
    application = LanguageModeling(data=str(tmp_path / "text.txt"), window=8, embedding=3)
    model = application.model(Elman(3))
    params = jax.jit(model.init)(jax.random.key(0), {"tokens": np.zeros((1, 1), np.int32)})["params"]
    robust, small = disturbed_and_smaller(application, model, params)
    for section in (robust, small):
        assert section.text.startswith("The loss, on at most 64 of the first examples of the test split.")
        assert section.tables[0][0][2 if section is robust else 3 :] == ["loss"]
    losses = [float(row[-1]) for row in robust.tables[0][1]]
    assert losses[0] == pytest.approx(float(small.tables[0][1][0][-1]), rel=1e-3) and losses[0] < losses[-1]


def test_a_model_that_shows_no_features_has_its_size_alone(words):
    model = words.model(Elman(3))
    params = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 2, 2), np.float32))["params"]
    (small,) = disturbed_and_smaller(words, model, params)
    assert small.title == "Smaller models"
