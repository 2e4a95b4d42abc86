"""Sentiment: labels of made-up reviews are learned, and what is wrong with a user's file is told."""

from __future__ import annotations

import os

import jax
import numpy as np
import pytest

from rnnjax import GRU, InputError
from rnnjax.applications import get
from rnnjax.training import Config, Optimizer, load_trained, train

GOOD, BAD = ("fine", "lovely", "warm"), ("dull", "cold", "weak")
FILLER = "the film was a story of two friends and their dog".split()


def reviews(count, seed=0):
    """Reviews of 3 to 9 words, one of which tells the label."""
    random = np.random.default_rng(seed)
    for i in range(count):
        words = [str(word) for word in random.choice(FILLER, random.integers(2, 9))]
        words.insert(int(random.integers(len(words) + 1)), str(random.choice((BAD, GOOD)[i % 2])))
        yield ("neg", "pos")[i % 2], " ".join(words).capitalize() + ".<br />"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews")
    for split, count, seed in (("train", 96, 0), ("dev", 24, 1), ("test", 24, 2)):
        text = "".join(f"{label}\t{text}\n" for label, text in reviews(count, seed))
        (folder / f"{split}.tsv").write_text(text)
    return str(folder)


@pytest.fixture(scope="module")
def application(data):
    return get("sentiment", data=data, embedding=8, bidirectional=False, input_dropout=0.1, max_length=8)


@pytest.fixture(scope="module")
def run(application, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    config = Config(application, GRU(8), Optimizer(learning_rate=0.02), steps=90, batch_size=16, evaluate_every=45)
    train(config, (0,), out, quiet=True)
    return load_trained(out)


def test_it_learns_and_the_baseline_too(run, application):
    """One word tells the label: both are right on unseen reviews, most or all of the time."""
    found = application.evaluate(run.model, run.params, "test").metrics
    assert set(found) == {"loss", "accuracy", "macro_f1"}
    assert found["accuracy"] >= 0.9 and found["loss"] < 0.4
    assert application.baseline()["accuracy"] >= 0.9


def test_a_text_is_words_without_tags_and_cut_at_an_end(data):
    text = "Not<br /><br />GOOD, but I've seen worse"
    words = ["not", "good", ",", "but", "i've", "seen", "worse"]
    assert get("sentiment", data=data).tokens(text) == words
    assert get("sentiment", data=data, max_length=3).tokens(text) == words[:3]
    assert get("sentiment", data=data, max_length=3, kept="end").tokens(text) == words[-3:]


def test_batches_hold_the_examples(application):
    """Each row of a batch is an example of the training split, padded; in an epoch each comes at most once."""
    examples = {example.ids.tobytes(): example.label for example in application.examples("train")}
    batches = application.batches(16, 3)
    rows = []
    for i in range(6):
        batch = batches[i]
        assert batch.inputs.shape[1] >= batch.lengths.max() and batch.mask.all()
        for ids, label, length in zip(batch.inputs, batch.targets, batch.lengths, strict=True):
            assert examples[ids[:length].tobytes()] == label and not ids[length:].any()
            rows.append(ids[:length].tobytes())
    assert len(rows) == 96 and set(rows) == set(examples)


def test_nothing_of_the_test_is_fitted(application):
    """Words that the training split lacks are unknown ones."""
    words = set(application.fitted()["vocabulary"]["words"])
    seen = {word for row in application.texts("train") for word in application.tokens(row.text)}
    assert words <= seen | {"<pad>", "<unk>"}


def test_predictions_are_labels_with_probabilities(run, tmp_path):
    (tmp_path / "in.txt").write_text("The film was lovely.\n\nA dull story of two dull friends\n")
    application = run.application
    examples = application.read_inputs(str(tmp_path / "in.txt"))
    rows = application.predict(run.model, run.params, examples)
    assert [row["answer"] for row in rows] == ["pos", "neg"]
    assert rows[0]["text"] == "The film was lovely." and all(0.5 <= row["probability"] <= 1 for row in rows)
    alone = application.predict(run.model, run.params, examples[1:])[0]
    assert alone["probability"] == pytest.approx(rows[1]["probability"], rel=1e-4)  # another shape of batch


def test_the_report_shows_mistakes_and_words(run):
    sections = run.application.figures(run.model, run.params)
    assert [len(section.figures) for section in sections] == [1, 4]
    assert all("True: " in caption for caption, _ in sections[1].figures)


def test_shares_of_tokens_are_those_of_a_first_order(run):
    """A share is what the margin loses to first order where the token's vector shrinks."""
    from rnnjax.applications.text_figures import explained

    application, model = run.application, run.model
    example = application.examples("test")[0]
    (found,) = explained(application, model, run.params, [example])
    shares, said = found.values[f"share in {found.said!r}"], found.said
    assert shares.shape == (len(example.ids),) and found.probability >= 0.5
    batch = application.collate([example], len(example.ids))
    vectors = run.params["embedding"]["table"]["embedding"][batch.inputs]
    sign = 1 if said == "pos" else -1

    @jax.jit
    def margin(token, factor):
        moved = (factor - 1) * vectors * (np.arange(len(shares)) == token)[None, :, None]
        variables = {"params": run.params, "perturbations": {"features": moved}}
        logits = model.apply(variables, batch.inputs, batch.lengths)[1][0]
        return sign * (logits[1] - logits[0])

    for token in (0, int(np.argmax(np.abs(shares)))):
        slope = (margin(token, 1.01) - margin(token, 0.99)) / 0.02
        assert shares[token] == pytest.approx(float(slope), rel=0.03, abs=2e-3)


def test_no_word_is_cut_at_the_end_of_a_line():
    from rnnjax.applications.token_figures import COLUMNS, spaces

    random = np.random.default_rng(0)
    for _ in range(50):
        tokens = ["x" * int(length) for length in random.integers(1, 15, random.integers(1, 80))]
        first = 0
        for token, gap in zip(tokens, spaces(tokens), strict=True):
            assert first // COLUMNS == (first + len(token) - 1) // COLUMNS
            first += len(token) + gap


def test_a_label_outside_the_set_is_named(run, tmp_path):
    import dataclasses

    (tmp_path / "other.tsv").write_text("".join(f"{('pos', 'awful')[i % 2]}\tfilm\n" for i in range(20)))
    other = dataclasses.replace(run.application, data=str(tmp_path / "other.tsv"))
    with pytest.raises(InputError, match=r"other\.tsv, line \d+: got 'awful', expected one of the labels neg, pos"):
        other.examples("train")


def test_phrases_are_trained_on_or_not(tmp_path):
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.txt").write_text("(4 (2 a) (3 fine))\n(0 (2 a) (1 dull))\n" * 2)
    with_phrases, without = (get("sentiment", data=str(tmp_path), phrases=given) for given in (True, False))
    assert len(with_phrases.examples("train")) == 6 and len(without.examples("train")) == 4
    assert len(with_phrases.examples("test")) == len(without.examples("test")) == 4


@pytest.mark.parametrize(
    "options",
    [dict(), dict(pooling="sum"), dict(kept="middle"), dict(input_dropout=1.0), dict(embedding=0), dict(tfds="x")],
)
def test_bad_options_are_refused(data, options):
    with pytest.raises(InputError, match=r"Sentiment\.(data|pooling|kept|input_dropout|embedding|tfds)"):
        get("sentiment", **({"data": data} | options if options else {}))


def test_options_change_the_model(application, data):
    """Each option is in the model, and the model runs: filters, both directions, means of the states."""
    given = get("sentiment", data=data, filters=6, bidirectional=True, pooling="mean", embedding=4)
    batch = next(given.evaluation_batches(given.examples("test"), 4))[0]
    model = given.model(GRU(3))
    params = jax.eval_shape(model.init, jax.random.key(0), batch.inputs, batch.lengths)["params"]
    assert "convolution" in params and params["readout"]["kernel"].shape == (6, 2)


def test_the_laptop_preset_is_a_configuration():
    preset = get("sentiment", data="x").laptop
    assert preset.steps % preset.evaluate_every == 0 and Optimizer(**preset.optimizer).learning_rate > 0


def test_tfds_is_read_as_files_are():
    place = os.path.join(os.environ.get("RNNJAX_DATA", ""), "tfds")
    if "RNNJAX_DATA" not in os.environ or not os.path.isdir(place):
        pytest.skip("RNNJAX_DATA does not name a folder with tfds")
    pytest.importorskip("tensorflow_datasets")
    given = get("sentiment", tfds="imdb_reviews", data_dir=place, max_length=20)
    assert given.labels == ("neg", "pos") and len(given.examples("test")) == 5000
