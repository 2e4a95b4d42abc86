"""Translation from files to figures, on a made-up language whose words stand for numbers."""

from __future__ import annotations

import dataclasses
import functools
import json

import jax
import numpy as np
import optax
import pytest

from rnnjax import GRU, InputError, metrics
from rnnjax.applications.application import judged
from rnnjax.applications.parallel_text import BOS, EOS
from rnnjax.applications.translate import Translate

ONES = "one two three four five six seven eight".split()
OTHERS = "eins zwei drei vier fünf sechs sieben acht".split()


def written(folder, count):
    """Sentences of two to five numbers; the translation has them in reverse order."""
    rng = np.random.default_rng(0)
    for split, size in (("train", count), ("val", 12), ("test", 12)):
        rows = [rng.integers(0, 8, rng.integers(2, 6)) for _ in range(size)]
        sides = ([[ONES[n] for n in row] for row in rows], [[OTHERS[n] for n in row[::-1]] for row in rows])
        for language, side in zip(("en", "de"), sides, strict=True):
            text = "".join(" ".join(words).capitalize() + " .\n" for words in side)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return written(tmp_path_factory.mktemp("pairs"), 160)


def made(folder, **options):
    return Translate(
        data=folder, **{"vocabulary": 300, "embedding": 8, "beam": 2, "longest": 14, "vector_dropout": 0.0, **options}
    )


@functools.lru_cache
def start(application, cell):
    """A model and its first parameters."""
    model = application.model(cell)
    batch = application.collate(list(application.examples("train")[:2]), 24)
    return model, jax.jit(model.init)(jax.random.key(0), batch.inputs, batch.lengths)["params"]


@pytest.mark.parametrize("tokens", ["bpe", "words"])
def test_a_batch_holds_its_examples(folder, tokens):
    """Sources, prefixes and targets are the sentences' words; what counts is the target and the word that ends it."""
    application = made(folder, tokens=tokens)
    examples = list(application.examples("validation")[:5])
    time = max(map(application.length, examples)) + 3
    batch = application.collate(examples, time)
    source, prefix, own = batch.inputs
    assert source.shape == prefix.shape == batch.targets.shape == batch.mask.shape == (5, time) and not own.any()
    for row, example in enumerate(examples):
        count = len(example.target)
        np.testing.assert_array_equal(source[row, : batch.lengths[row]], example.source)
        np.testing.assert_array_equal(prefix[row, : count + 1], [BOS, *example.target])
        np.testing.assert_array_equal(batch.targets[row, : count + 1], [*example.target, EOS])
        assert 1 not in source[row] and 1 not in batch.targets[row]  # every word was seen in training
        assert batch.mask[row].sum() == count + 1 == batch.mask[row, : count + 1].sum()
        assert not source[row, batch.lengths[row] :].any()
        text = application.answers(np.eye(300)[batch.targets[row : row + 1]], batch)[0]
        assert text.lower().replace(" .", ".") == example.reference.lower().replace(" .", ".")


def test_what_was_fitted_is_enough(folder, tmp_path):
    """From a run's folder alone the same words have the same numbers, and the model has the same parameters."""
    application = made(folder)
    record = json.loads(json.dumps(application.record()))
    (tmp_path / "prepared.json").write_text(json.dumps(record))
    (tmp_path / "lines.txt").write_text("Two one .\n", encoding="utf-8")
    alone = made("", prepared=str(tmp_path))
    assert alone.model(GRU(4)) == application.model(GRU(4))
    (example,) = alone.read_inputs(str(tmp_path / "lines.txt"))
    one = next(e for e in application.examples("train") if e.sentence.startswith("Two"))
    assert example.sentence == "Two one ." and example.source[0] == one.source[0]
    inputs, lengths = alone.template()
    shapes = jax.eval_shape(alone.model(GRU(4)).init, jax.random.key(0), inputs, lengths)["params"]
    wanted = start(application, GRU(4))[1]
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == jax.tree.map(lambda leaf: leaf.shape, wanted)


def test_smoothing_is_a_mixture(folder):
    """The loss is the cross-entropy with a target that is partly spread over all words, over what counts."""
    application = made(folder, smoothing=0.2)
    batch = application.collate(list(application.examples("validation")[:3]), 24)
    outputs = np.random.default_rng(0).standard_normal((3, 24, 300)).astype(np.float32)
    logs = np.asarray(jax.nn.log_softmax(outputs), float)
    target = 0.8 * np.eye(300)[batch.targets] + 0.2 / 300
    expected = (-(target * logs).sum(-1) * batch.mask).sum() / batch.mask.sum()
    np.testing.assert_allclose(application.loss(outputs, batch), expected, rtol=1e-5)


def test_scheduled_sampling_goes_by_the_number_of_the_batch(folder):
    """The share of own words is that of the update; all else of the batch is as it is without."""
    plain, scheduled = (made(folder, sampling=name, sampling_speed=10.0).batches(4, 0) for name in ("none", "linear"))
    for index, share in ((0, 0.0), (1, 0.1), (100, 0.25)):
        np.testing.assert_allclose(scheduled[index].inputs.own, np.full(4, share, np.float32))
        np.testing.assert_array_equal(scheduled[index].inputs.source, plain[index].inputs.source)
    assert made(folder, sampling="linear").model(GRU(4)).scheduled and not made(folder).model(GRU(4)).scheduled


def test_the_baseline_is_a_dictionary(folder, tmp_path):
    """Where words have one translation each and keep their order it makes no fault; elsewhere it does."""
    rng = np.random.default_rng(1)
    rows = [rng.permutation(8)[:5] for _ in range(100)]
    lines = ["\t".join(" ".join(words[n] for n in row) for words in (ONES, OTHERS)) for row in rows]
    (tmp_path / "pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    assert made(str(tmp_path)).baseline() == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}
    assert made(folder).baseline("validation")["bleu"] < 50


def test_evaluation_is_of_the_text(folder):
    """BLEU of the answers, in the order of the examples; and the loss of teacher forcing, row by row."""
    application = made(folder)
    model, params = start(application, GRU(4))
    found = application.evaluate(model, params, "validation", batch_size=8)
    examples = application.examples("validation")
    assert len(found.answers) == len(examples) == 12
    references = [example.reference for example in examples]
    assert found.metrics["bleu"] == metrics.bleu(found.answers, references)
    plain = dataclasses.replace(application, smoothing=0.0)
    batch = application.collate(list(examples), max(map(application.length, examples)))
    np.testing.assert_allclose(found.metrics["loss"], judged(plain, model)(params, batch)[1], rtol=1e-4)


def test_prediction_keeps_the_order(folder):
    """Each sentence has its own translation and score, whatever stands before it."""
    application = made(folder)
    examples = list(application.examples("test")[:8])
    one, other = (application.predict(*start(application, GRU(4)), rows) for rows in (examples, examples[::-1]))
    assert [row["source"] for row in one] == [example.sentence for example in examples]
    assert [row["translation"] for row in one] == [row["translation"] for row in other[::-1]]
    np.testing.assert_allclose([row["score"] for row in one], [row["score"] for row in other[::-1]], rtol=1e-4)


def test_report(folder):
    """Sentences side by side, and a map of attention whose rows are pieces of the answer."""
    application = made(folder)
    sections = application.figures(*start(application, GRU(4)))
    assert [section.title for section in sections] == ["Translations", "Attention"]
    assert 1 <= len(sections[1].figures) <= 3 and len(sections[0].tables[0][1]) >= len(sections[1].figures)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"network": "convolutional"}, "Translate.network"),
        ({"attention": "cosine"}, "Translate.attention"),
        ({"tokens": "syllables"}, "Translate.tokens"),
        ({"vocabulary": 200}, "Translate.vocabulary: got 200, expected an int of at least 300"),
        ({"beam": 0}, "Translate.beam"),
        ({"vector_dropout": 1.0}, "Translate.vector_dropout"),
        ({"sampling": "cubic"}, "Translate.sampling"),
        ({"network": "transformer", "sampling": "linear"}, "^sampling: .*'none' with network 'transformer'"),
        ({"network": "transformer", "attention": "none"}, "^attention: "),
        ({"blocks": 2}, "^blocks: got 2, expected 3 with network 'recurrent'"),
        ({"data": ""}, "data"),
        ({"tfds": "wmt14_translate"}, "either data or tfds"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        Translate(**{"data": "somewhere", **options})


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"feed": True, "attention": "additive"}, {"network": "transformer"}], ids=str)
def test_it_learns_to_translate(tmp_path, options):
    """A few hundred updates on words in reverse order, and sentences that were not trained on are translated."""
    small = {"tokens": "words", "vocabulary": 40, "embedding": 32, "smoothing": 0.0}
    application = made(written(tmp_path, 4000), **small | options)
    model, params = start(application, GRU(32))
    optimizer = optax.adam(5e-3)

    @jax.jit
    def update(params, state, batch):
        loss = lambda params: application.loss(model.apply({"params": params}, batch.inputs, batch.lengths)[1], batch)  # noqa: E731
        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    state, batches = optimizer.init(params), application.batches(32, 0)
    for index in range(400):
        params, state = update(params, state, batches[index])
    assert application.evaluate(model, params, "test").metrics["bleu"] > 70, "the best that is possible is 100"
