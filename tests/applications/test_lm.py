"""Language modelling: streams in order, a split as one stream, and a model that writes."""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib

import jax
import numpy as np
import pytest

from rnnjax import GRU, InputError, Stack
from rnnjax.applications import LanguageModeling
from rnnjax.training import Config, Optimizer, make_model, train

REAL = pathlib.Path(os.environ.get("RNNJAX_DATA", ""))
LINES = ["the cat sat", "a dog ran", "the dog sat on a cat", "on a mat the cat ran"]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "lines.txt"
    path.write_text("\n".join(np.random.default_rng(0).choice(LINES, 400)) + "\n")
    return path


@pytest.fixture(scope="module")
def characters(text):
    return LanguageModeling(data=str(text), window=9, embedding=5)


@pytest.fixture(scope="module")
def words(text):
    return LanguageModeling(data=str(text), level="word", window=5, embedding=6, samples=8)


@pytest.fixture(scope="module")
def trained(characters):
    return fitted(characters, GRU(12), 60)


@pytest.fixture(scope="module")
def trained_words(words):
    return fitted(words, GRU(8), 80)


def fitted(application, cell, steps):
    optimizer = Optimizer(learning_rate=0.03, clip="norm")
    config = Config(application, cell, optimizer, steps=steps, batch_size=8, evaluate_every=steps)
    run = train(config, quiet=True)
    return make_model(config), jax.tree.map(lambda leaf: leaf[0], run.state.params)


def test_the_splits_are_the_text(characters, words, text):
    written = text.read_text()
    parts = [characters.decode(characters.examples(split)) for split in ("train", "validation", "test")]
    assert "".join(parts) == written
    tokens = words.fitted()["tokens"]
    found = [tokens[code] for split in ("train", "validation", "test") for code in words.examples(split)]
    assert found == written.replace("\n", " <eos> ").split()


@pytest.mark.parametrize("batch_size", [1, 4])
def test_updates_go_on_where_the_one_before_ended(characters, batch_size):
    """Within an epoch each stream is a piece of the text; streams do not overlap; targets are what comes next."""
    batches, epoch = characters.batches(batch_size, 3), characters.windows(batch_size)
    codes = np.asarray(characters.examples("train"))
    places = {}
    for i in range(epoch):
        batch = batches[i]
        tokens = np.asarray(batch.inputs["tokens"])
        assert tokens.shape == (batch_size, 9) and batch.mask.all()
        np.testing.assert_array_equal(tokens[:, 1:], batch.targets[:, :-1])
        if i:
            np.testing.assert_array_equal(tokens[:, 0], batches[i - 1].targets[:, -1])
        for row, stream in enumerate(tokens):
            places.setdefault(row, []).append(stream)
    streams = [np.concatenate(parts) for parts in places.values()]
    starts = [characters.decode(codes).index(characters.decode(stream)) for stream in streams]
    assert all(end - start >= len(streams[0]) for start, end in itertools.pairwise(starts))
    assert len(streams) * len(streams[0]) > len(codes) - (batch_size + 1) * 9


def test_batches_are_a_function_of_seed_and_number(characters):
    """The same again, other places with another seed or in another epoch, and a host's rows are rows of the whole."""
    first, again, other = (characters.batches(4, seed) for seed in (0, 0, 1))
    epoch = characters.windows(4)
    np.testing.assert_array_equal(first[7].targets, again[7].targets)
    starts = {tuple(batches[i * epoch].targets[0]) for batches in (first, other) for i in range(5)}
    assert len(starts) > 3
    halves = [characters.batches(4, 0, (host, 2))[5].targets for host in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves), first[5].targets)


def test_a_split_is_evaluated_as_one_stream(characters, trained):
    """Chunks of whatever size with the state handed on: the loss of the model run over the whole."""
    model, params = trained
    codes = np.asarray(characters.examples("test"))
    _, logits = jax.jit(model.apply)({"params": params}, {"tokens": codes[None, :-1]})
    wanted = -np.asarray(jax.nn.log_softmax(logits[0]))[np.arange(len(codes) - 1), codes[1:]]
    found = characters.evaluate(model, params, "test")
    np.testing.assert_allclose(found.answers, wanted, atol=2e-5)
    assert found.metrics["loss"] == pytest.approx(wanted.mean(), rel=1e-5)
    assert found.metrics["perplexity"] == pytest.approx(np.exp(wanted.mean()), rel=1e-5)
    assert found.metrics["bits_per_character"] == pytest.approx(wanted.mean() / np.log(2), rel=1e-5)
    few = characters.evaluate(model, params, "test", limit=10)
    np.testing.assert_allclose(few.answers, wanted[:10], atol=2e-5)
    some = dataclasses.replace(characters, evaluated=7)
    assert [len(some.evaluate(model, params, split).answers) for split in ("validation", "test")] == [7, len(wanted)]


def test_windows_of_an_evaluation_follow_each_other(characters):
    """For tools that take a split in batches: its windows in order, each token of them a target once."""
    codes = np.asarray(characters.examples("test"))
    found = [
        (np.concatenate([batch.inputs["tokens"][i], batch.targets[i, -1:]]), batch.mask[i].all())
        for batch, real in characters.evaluation_batches(codes, 4)
        for i in range(4)
        if batch.mask[i].any() == (i < real)
    ]
    rows = [row for row, counts in found if counts]
    assert len(found) % 4 == 0 and len(rows) == (len(codes) - 1) // 9
    np.testing.assert_array_equal(np.concatenate([rows[0][:1], *(row[1:] for row in rows)]), codes[: 9 * len(rows) + 1])
    assert sum(real for _, real in characters.evaluation_batches(codes, 4, limit=6)) == 6


def test_chunks_do_not_matter(characters, trained, monkeypatch):
    model, params = trained
    codes = np.asarray(characters.examples("test"))[:100]
    whole = characters.losses(model, params, codes)
    monkeypatch.setattr("rnnjax.applications.language_model._LOGITS", 17 * len(characters.fitted()["tokens"]))
    np.testing.assert_allclose(characters.losses(model, params, codes), whole, atol=2e-5)


def test_it_learns_what_a_token_alone_does_not_tell(characters, words, trained, trained_words):
    for application, (model, params) in ((characters, trained), (words, trained_words)):
        found, plain = application.evaluate(model, params, "test").metrics, application.baseline()
        assert found["loss"] < 0.75 * plain["unigram_loss"]
        assert plain["loss"] < plain["unigram_loss"]


def test_a_word_model_has_no_bits_a_character(words, trained_words):
    metrics = words.evaluate(*trained_words, "test").metrics
    assert set(metrics) == {"loss", "perplexity"} and set(words.baseline()) == {
        "loss", "perplexity", "unigram_loss", "unigram_perplexity"
    }  # fmt: skip


def test_it_writes_after_a_prompt(characters, words, trained, trained_words):
    """The prompt and so many tokens of the vocabulary; the likeliest ones are words of the text."""
    key = jax.random.key(0)
    written = characters.generate(*trained, "the ", 30, key, temperature=0.8, top_k=5, top_p=0.9)
    assert written.startswith("the ") and len(written) == 34
    assert characters.generate(*trained, "the ", 30, key, temperature=0.8, top_k=5, top_p=0.9) == written
    assert characters.generate(*trained, "the ", 30, jax.random.key(1)) != characters.generate(
        *trained, "the ", 30, key
    )
    assert len(characters.generate(*trained, "", 5, key)) == 5
    known = set(words.fitted()["tokens"])
    written = words.generate(*trained_words, "the", 12, key, top_k=3)
    assert written.startswith("the ") and set(written.split()) <= known


def test_unknown_characters_of_a_prompt_are_named(characters, words, trained, trained_words):
    with pytest.raises(InputError) as error:
        characters.generate(*trained, "THE cat!", 5, jax.random.key(0))
    assert error.value.argument == "prompt" and "'!EHT'" in str(error.value)
    with pytest.raises(InputError, match="'zebra'"):
        words.generate(*trained_words, "the zebra", 5, jax.random.key(0))


def test_it_predicts_line_by_line(characters, trained, tmp_path):
    """Each line is read after those before it; a line of the text is foreseen better than one that is none."""
    (tmp_path / "new.txt").write_text("the cat sat\n\ntttttttttt\na dog ran")
    rows = characters.predict(*trained, characters.read_inputs(str(tmp_path / "new.txt")))
    assert [row["text"] for row in rows] == ["the cat sat", "", "tttttttttt", "a dog ran"]
    assert rows[0]["loss"] < rows[2]["loss"] > rows[3]["loss"]
    (tmp_path / "new.txt").write_text("the cat\nthe CAT\n")
    with pytest.raises(InputError, match=r"new\.txt, line 2"):
        characters.read_inputs(str(tmp_path / "new.txt"))


def test_layers_of_a_stack_hand_on_their_states(characters):
    """Dropout between the layers of a stack acts in training alone, and leaves parameters and state as they are."""
    cell = Stack((GRU(4), GRU(4)))
    dropping, plain = dataclasses.replace(characters, hidden_dropout=0.5).model(cell), characters.model(cell)
    inputs = {"tokens": np.asarray(characters.examples("train"))[None, :6]}
    params = jax.jit(plain.init)(jax.random.key(0), inputs)["params"]

    @jax.jit
    def run(params, key):
        given, carry = ({"params": params}, inputs, None), cell.initial_carry((1,))
        train = dropping.apply(*given, carry, rngs={"dropout": key})
        return plain.apply(*given, carry), dropping.apply(*given, carry), train

    one, other, train = run(params, jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert np.abs(np.asarray(train[1] - one[1])).max() > 1e-4
    assert jax.tree.structure(train) == jax.tree.structure(one)


def test_a_report_shows_a_passage(characters, trained, monkeypatch):
    monkeypatch.setattr("rnnjax.applications.language_model.PASSAGE", {"char": 40})
    (section,) = characters.figures(*trained)
    assert len(section.figures) == 2


def test_rare_words_are_unknown_words(tmp_path):
    (tmp_path / "text.txt").write_text("a b a b a b once\n" * 1 + "a b\n" * 60)
    application = LanguageModeling(data=str(tmp_path / "text.txt"), level="word")
    tokens = application.fitted()["tokens"]
    assert sorted(tokens) == ["<eos>", "<unk>", "a", "b"]
    assert application.decode(application.encode("a zebra b\na")) == "a <unk> b\na"


@pytest.mark.parametrize("batch_size", [200, 10_000])
def test_a_text_too_short_for_a_batch_is_an_error(words, batch_size):
    with pytest.raises(InputError) as error:
        dataclasses.replace(words, window=40).batches(batch_size, 0)
    assert error.value.argument == "batch_size"


@pytest.mark.parametrize(
    ("argument", "how"),
    [
        ("level", {"level": "byte"}),
        ("window", {"window": 0}),
        ("samples", {"samples": -1}),
        ("output_dropout", {"output_dropout": 1.0}),
        ("min_count", {"min_count": 2}),
        ("vocabulary", {"vocabulary": 100}),
    ],
)
def test_bad_options_are_named(argument, how):
    with pytest.raises(InputError) as error:
        LanguageModeling(**how)
    assert error.value.argument == argument


@pytest.mark.skipif(not REAL.joinpath("tfds").is_dir(), reason="RNNJAX_DATA does not name a folder with tfds/")
def test_a_data_set_of_tfds_is_the_same_text():
    """Tiny Shakespeare of TFDS is split where the file is."""
    pytest.importorskip("tensorflow_datasets")
    tfds = LanguageModeling(tfds="tiny_shakespeare", data_dir=str(REAL / "tfds"))
    file = LanguageModeling(data=str(REAL / "tiny_shakespeare" / "input.txt"))
    for split in ("train", "validation", "test"):
        np.testing.assert_array_equal(tfds.examples(split), file.examples(split))


@pytest.mark.skipif(not (REAL / "tiny_shakespeare").is_dir(), reason="RNNJAX_DATA names no folder tiny_shakespeare/")
def test_the_real_baseline():
    """Of five characters of Shakespeare: less than half the entropy of single ones, which is 3.3 nats."""
    found = LanguageModeling(data=str(REAL / "tiny_shakespeare")).baseline("validation")
    assert 1.5 < found["loss"] < 3.3 / 2 and 3.2 < found["unigram_loss"] < 3.4
