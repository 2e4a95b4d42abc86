"""Tagging: sentences as numbers, a tagger that learns to spell, its use and its errors."""

from __future__ import annotations

import os
import pathlib

import jax
import numpy as np
import pytest

from rnnjax import GRU, InputError
from rnnjax.applications import Tag
from rnnjax.training import Config, Optimizer, make_model, train

REAL = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / "ud_en_ewt"
TAGS = {"a": "NOUN", "o": "VERB", "i": "ADJ"}


def conllu(sentences):
    rows = [[f"{i}\t{w}\t_\t{t}\t{t}2" + "\t_" * 5 for i, (w, t) in enumerate(s, 1)] for s in sentences]
    return "\n\n".join("\n".join(block) for block in rows) + "\n"


def made_up(count, seed):
    """Sentences of random words, whose last letter says their tag."""
    rng = np.random.default_rng(seed)

    def word():
        stem = "".join(rng.choice(list("bdfgklmn"), rng.integers(2, 5)))
        end = rng.choice(list(TAGS))
        return stem.capitalize() + end if rng.random() < 0.2 else stem + end, TAGS[end]

    return [[word() for _ in range(rng.integers(3, 9))] for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("bank")
    for seed, (name, count) in enumerate((("train", 120), ("dev", 30), ("test", 40))):
        (path / f"{name}.conllu").write_text(conllu(made_up(count, seed)))
    return path


@pytest.fixture(scope="module")
def application(folder):
    return Tag(data=str(folder), features=4, spelling_features=12, min_count=1, state_dropout=0.1, most_characters=6)


@pytest.fixture(scope="module")
def trained(application, tmp_path_factory):
    optimizer = Optimizer(learning_rate=0.02)
    config = Config(application, GRU(6), optimizer, steps=80, batch_size=20, evaluate_every=80)
    out = tmp_path_factory.mktemp("run") / "run"
    run = train(config, out=out, quiet=True)
    return out, make_model(config), jax.tree.map(lambda leaf: leaf[0], run.state.params)


def test_an_example_is_its_sentence(application):
    """Words, spelling and tags can be read back from the numbers; a capital is spelled and not looked up."""
    fitted = application.fitted()
    assert fitted["tags"] == sorted(set(TAGS.values()))
    for sentence, example in zip(made_up(120, 0), application.examples("train"), strict=True):
        words, tags = zip(*sentence, strict=True)
        assert [fitted["words"][number] for number in example.words] == [word.lower() for word in words]
        assert [fitted["tags"][tag] for tag in example.tags] == list(tags) and tuple(example.text) == words
        for row, word in zip(example.characters, words, strict=True):
            assert "".join(fitted["characters"][number] for number in row if number) == word[:6]
            assert (row[len(word) :] == 0).all()
        counts = np.array([fitted["counts"][number] for number in example.words])
        np.testing.assert_allclose(example.rarity, 0.25 / (0.25 + counts), rtol=1e-6)


def test_of_a_long_word_both_ends_are_spelled(application):
    example = application.encode(["bdfgklmnbdfga"])
    spelled = "".join(application.fitted()["characters"][number] for number in example.characters[0])
    assert spelled == "bddfga" or spelled == "bd" + "dfga"


def test_a_batch_holds_its_sentences_and_nothing_else(application):
    examples = list(application.examples("test")[:5])
    batch = application.collate(examples, 12)
    for i, example in enumerate(examples):
        count = len(example.words)
        assert batch.lengths[i] == count == batch.mask[i].sum() == batch.mask[i, :count].sum()
        np.testing.assert_array_equal(batch.targets[i, :count], example.tags)
        for name in ("words", "characters", "rarity"):
            np.testing.assert_array_equal(batch.inputs[name][i, :count], getattr(example, name))
            assert not batch.inputs[name][i, count:].any()


def test_an_epoch_holds_each_sentence_once(application):
    batches = application.batches(20, 0)
    seen = [tuple(row[row > 0]) for i in range(6) for row in batches[i].inputs["words"]]
    assert sorted(seen) == sorted(tuple(example.words) for example in application.examples("train"))


def test_the_baseline_is_the_most_frequent_tag(tmp_path):
    """A word's own most frequent tag, and that of all words for an unknown one."""
    (tmp_path / "train.conllu").write_text(conllu([[("a", "X"), ("a", "X"), ("a", "Y"), ("b", "Y"), ("b", "Y")]]))
    (tmp_path / "dev.conllu").write_text(conllu([[("b", "Y")]]))
    (tmp_path / "test.conllu").write_text(conllu([[("a", "X"), ("b", "X"), ("c", "Y"), ("c", "X")]]))
    found = Tag(data=str(tmp_path)).baseline()
    assert found["accuracy"] == 0.5 and found["macro_f1"] == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_it_learns_what_the_baseline_cannot(application, trained):
    """New words have a tag that only their spelling tells."""
    _, model, params = trained
    found = application.evaluate(model, params, "test").metrics
    assert found["accuracy"] > 0.95 > application.baseline()["accuracy"] + 0.2
    assert 0 < found["macro_f1"] <= 1 and found["loss"] < 0.3


def test_it_predicts_without_its_training_data(trained, tmp_path):
    """A trained model and the run's folder are enough; long and short sentences keep their order."""
    out, model, params = trained
    (tmp_path / "new.txt").write_text("bdfa Klo mnni\n\ngga\n" + "dddo " * 11 + "\n")
    application = Tag(data="nowhere", prepared=str(out), features=4, spelling_features=12, most_characters=6)
    rows = application.predict(model, params, application.read_inputs(str(tmp_path / "new.txt")))
    assert [row["words"] for row in rows] == [["bdfa", "Klo", "mnni"], ["gga"], ["dddo"] * 11]
    assert rows[0]["tags"] == ["NOUN", "VERB", "ADJ"] and rows[1]["tags"] == ["NOUN"]


def test_a_report_shows_each_tag(application, trained):
    section, _ = application.figures(*trained[1:])
    (_, rows), *_ = section.tables
    assert [row[0] for row in rows] == application.fitted()["tags"]
    words = sum(len(example.words) for example in application.examples("test"))
    assert sum(int(row[1].replace(",", "")) for row in rows) == words


def test_a_report_shows_sentences_word_by_word(application, trained):
    """Shares, gates and a unit at each word; the shares are those of a first order, of the least certain word."""
    from rnnjax.applications.tag_figures import explained

    _, model, params = trained
    _, section = application.figures(model, params)
    assert len(section.figures) == 4 and "gate" in section.text
    example = application.examples("test")[1]
    (found,) = explained(application, model, params, [example])
    names = list(found.values)
    assert names[0].startswith("share in ") and sum("gate, forwards" in name for name in names) == 2
    assert all(values.shape == (len(example.words),) for values in found.values.values())
    batch = application.collate([example], len(example.words))
    vectors = model.apply({"params": params}, batch.inputs, batch.lengths, mutable=["intermediates"])[1]
    vectors = np.asarray(vectors["intermediates"]["vectors"][0])

    @jax.jit
    def scores(token, factor):
        moved = (factor - 1) * vectors * (np.arange(vectors.shape[1]) == token)[None, :, None]
        variables = {"params": params, "perturbations": {"features": moved}}
        return model.apply(variables, batch.inputs, batch.lengths)[1][0]

    clean = np.asarray(jax.nn.softmax(scores(0, 1.0)))
    assert found.place == clean.max(-1).argmin() and found.probability == pytest.approx(clean.max(-1).min(), rel=1e-4)
    said = clean[found.place].argmax()
    assert found.said == application.tags[said]

    def margin(token, factor):
        own = np.asarray(scores(token, factor), float)[found.place]
        return own[said] - np.log(np.exp(np.delete(own, said)).sum())

    for token in (0, found.place):
        slope = (margin(token, 1.01) - margin(token, 0.99)) / 0.02
        assert found.values[names[0]][token] == pytest.approx(slope, rel=0.03, abs=2e-3)


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_words_is_an_error(application, tmp_path, text):
    (tmp_path / "new.txt").write_text(text)
    with pytest.raises(InputError, match=r"new\.txt"):
        application.read_inputs(str(tmp_path / "new.txt"))


def test_a_tag_that_training_lacks_is_an_error(tmp_path):
    for name, tag in (("train", "X"), ("dev", "X"), ("test", "NEW")):
        (tmp_path / f"{name}.conllu").write_text(conllu([[("a", "X"), ("b", tag)]]))
    with pytest.raises(InputError, match=r"test\.conllu, line 1 .*'NEW'"):
        Tag(data=str(tmp_path)).examples("train")


@pytest.mark.parametrize(
    ("argument", "given"),
    [("column", "lemma"), ("spelling", "guess"), ("state_dropout", 1.0), ("features", 0), ("most_characters", 1)],
)
def test_bad_options_are_named(argument, given):
    with pytest.raises(InputError) as error:
        Tag(**{argument: given})
    assert error.value.argument == argument


@pytest.mark.skipif(not REAL.is_dir(), reason="RNNJAX_DATA does not name a folder with ud_en_ewt/")
def test_the_real_baseline_is_where_it_is_known_to_be():
    """The most frequent tag is right for well over four fifths of the words, and short of the bar of 0.93."""
    assert 0.83 < Tag(data=str(REAL)).baseline()["accuracy"] < 0.90
