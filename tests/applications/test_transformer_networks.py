"""A Transformer in the place of recurrent layers, in every application that has the choice."""

from __future__ import annotations

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest
from made_up_mnist import images_and_labels, write_idx
from made_up_sounds import write_sounds

from rnnjax import GRU, LSTM, ConvGRU2D, Dropout, InputError, Stack
from rnnjax.applications import get
from rnnjax.applications.network import NO_GATES
from rnnjax.models.captioner import describe
from rnnjax.models.sequence_layer import Blocks
from rnnjax.training import Config, Optimizer, load_trained, train

LONG = [pytest.mark.exhaustive, pytest.mark.slow]
BIDIRECTIONAL = {"sentiment", "names", "tag", "speech", "letters"}  # by default
SMALL = dict(network="transformer", blocks=1, heads=2)
WORDS = "the film was a fine story of two friends".split()


def sentences(count, seed):
    rng = np.random.default_rng(seed)
    return [list(map(str, rng.choice(WORDS, rng.integers(2, 8)))) for _ in range(count)]


def write_reviews(path):
    lines = [f"{'good' if 'fine' in words else 'bad'}\t{' '.join(words)}\n" for words in sentences(60, 0)]
    path.write_text("".join(lines))


def write_conllu(path):
    blocks = ["\n".join(f"{i}\t{w}\t_\t{w[0]}\tX" + "\t_" * 5 for i, w in enumerate(s, 1)) for s in sentences(40, 1)]
    path.write_text("\n\n".join(blocks) + "\n")


def write_music(path):
    rng = np.random.default_rng(2)
    pieces = [[[60 + int(n)] for n in rng.integers(0, 9, length)] for length in (9, 12, 5, 4, 7, 11)]
    path.write_text(json.dumps({"train": pieces[:3], "valid": pieces[3:4], "test": pieces[4:]}))


def write_series(path):
    values = 10 + np.sin(np.arange(90) / 2)
    path.write_text("\n".join(["t,y", *(f"{i},{value!r}" for i, value in enumerate(values.tolist()))]) + "\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`made(name)`: an application with a Transformer, on made-up data."""
    folder = tmp_path_factory.mktemp("data")
    write_reviews(folder / "reviews.tsv")
    write_conllu(folder / "bank.conllu")
    write_music(folder / "notes.json")
    write_series(folder / "series.csv")
    (folder / "text.txt").write_text("\n".join(map(" ".join, sentences(300, 3))) + "\n")
    (folder / "mnist").mkdir()
    sounds, images = write_sounds(folder / "wavs"), write_idx(folder / "mnist")
    sound = dict(data=sounds, bands=13, noise=0.0)
    options = {
        "sentiment": dict(data=str(folder / "reviews.tsv"), embedding=4, min_count=1),
        "names": dict(data=str(folder / "reviews.tsv"), embedding=4, pooling="last"),
        "tag": dict(data=str(folder / "bank.conllu"), features=4, spelling="none"),
        "lm": dict(data=str(folder / "text.txt"), window=6, embedding=4),
        "words": dict(data=str(folder / "text.txt"), level="word", window=6, embedding=4, samples=4),
        "speech": sound,
        "letters": sound | dict(target="letters", beam=2),
        "music": dict(data=str(folder / "notes.json"), window=4),
        "pixels": dict(data=images),
        "caption": dict(data=images, embedding=4, channels=2),
        "video": dict(data=images, canvas=16, frames=4, films=8, patch=8),
        "forecast": dict(data=str(folder / "series.csv"), column="y", horizon=2, lag=6, width=4, season=6),
    }
    names = {"words": "lm", "letters": "speech"}
    return functools.cache(lambda name: get(names.get(name, name), **options[name], **SMALL))


@pytest.fixture(scope="module")
def started(made):
    """`started(name)`: the application, its model, and parameters drawn at random."""

    @functools.cache
    def start(name):
        application = made(name)
        model = application.model(GRU(4))
        shapes = jax.eval_shape(model.init, jax.random.key(0), *application.template())["params"]
        rng = np.random.default_rng(0)
        return application, model, jax.tree.map(lambda leaf: 0.5 * rng.standard_normal(leaf.shape, np.float32), shapes)

    return start


def asked_for(name, folder):
    """The file that a prediction reads."""
    path = folder / "asked"
    if name in ("speech", "letters"):
        return write_sounds(path, labels=2, recordings=1)
    if name in ("pixels", "caption"):
        np.savez(folder / "asked.npz", images=images_and_labels("t10k")[0][:2])
        return str(folder / "asked.npz")
    text = {"music": "[[[60], [62], [64], [], [60], [61]], [[60]]]"}.get(name, "the film\na fine story\n")
    if name == "forecast":
        path = folder / "asked.csv"
        write_series(path)
    else:
        path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    "name",
    [
        "lm",
        *(
            pytest.param(name, marks=LONG)
            for name in (
                "sentiment",
                "names",
                "tag",
                "words",
                "speech",
                "letters",
                "music",
                "pixels",
                "caption",
                "forecast",
            )
        ),
    ],
)
def test_three_updates_and_a_prediction(name, made, tmp_path):
    """Trained, saved, and read back without the training data, it says something finite about a file."""
    application = made(name)
    config = Config(application, GRU(4), Optimizer(), steps=3, batch_size=4, evaluate_every=3)
    run = train(config, (0,), tmp_path / "run", quiet=True)
    assert run.summary[0]["steps"] == 3 and np.isfinite(run.summary[0]["best"]) and not run.summary[0]["nonfinite"]
    trained = load_trained(tmp_path / "run")
    alone = dataclasses.replace(trained.application, data="") if name != "forecast" else trained.application
    rows = alone.predict(trained.model, trained.params, alone.read_inputs(asked_for(name, tmp_path)))
    assert len(rows) >= 2 and "NaN" not in json.dumps(rows, default=float)
    assert "cell" not in {key for path, _ in jax.tree.leaves_with_path(trained.params) for key in map(str, path)}


@pytest.mark.parametrize(
    "name", ["tag", "letters", *(pytest.param(name, marks=LONG) for name in ("sentiment", "music"))]
)
def test_padding_has_no_effect(name, started):
    """The first row of a batch says the same in a longer one."""
    application, model, params = started(name)
    examples = sorted(application.examples("test"), key=application.length)[:2]
    time = application.length(examples[-1])
    run = jax.jit(lambda batch: model.apply({"params": params}, batch.inputs, batch.lengths)[1])
    one, other = (np.asarray(run(application.collate(examples, length)))[0] for length in (time, time + 3))
    count = application.length(examples[0]) if one.ndim == 2 else None
    np.testing.assert_allclose(one[:count], other[:count], rtol=1e-4, atol=1e-5)
    assert np.abs(one[:count]).max() > 1e-3


def test_the_future_of_a_text_changes_nothing(started):
    """The losses before a change stay; those after it do not, over the ends of several windows."""
    application, model, params = started("lm")
    codes = np.asarray(application.examples("test"))[:40]
    changed = codes.copy()
    changed[20] = (changed[20] + 1) % len(application.fitted()["tokens"])
    one, other = (application.losses(model, params, given) for given in (codes, changed))
    np.testing.assert_allclose(one[:19], other[:19], atol=1e-5)
    assert np.abs(one - other)[19] > 1e-3 and np.abs(one - other)[20:23].max() > 1e-4
    np.testing.assert_allclose(one[26:], other[26:], atol=1e-5)  # nor does what lies more than a window back


def test_the_future_of_a_piece_changes_nothing(started):
    application, model, params = started("music")
    piece = application.examples("test")[1].frames[None].astype(np.float32)
    changed = piece.copy()
    changed[:, 7, :] = 1
    run = jax.jit(lambda frames: model.apply({"params": params}, frames)[1])
    one, other = np.asarray(run(piece)), np.asarray(run(changed))
    np.testing.assert_allclose(one[:, :7], other[:, :7], atol=1e-5)
    assert np.abs(one - other)[:, 7:].min(-1).max() > 1e-3


def test_the_future_of_a_series_changes_nothing(started, tmp_path):
    """A forecast is the same whether the file goes on behind its origin or not, whatever stands there."""
    application, model, params = started("forecast")
    place = 3
    window = application.examples("test")[place]
    lines = open(application.data).read().splitlines()
    cut = [*lines[: 1 + window.origin], *(f"{i},1e6" for i in range(window.origin, len(lines) - 1))]
    (tmp_path / "cut.csv").write_text("\n".join(cut) + "\n")
    record = tmp_path / "prepared.json"
    record.write_text(json.dumps(application.record()))
    other = dataclasses.replace(application, data=str(tmp_path / "cut.csv"), prepared=str(tmp_path), calibrate=False)
    plain = dataclasses.replace(application, calibrate=False)
    one, two = (each.evaluate(model, params, "test").answers[place] for each in (plain, other))
    np.testing.assert_allclose(one, two, rtol=1e-6)


def test_chunks_of_a_text_do_not_matter(started, monkeypatch):
    """Windows lie where they do, wherever chunks end; the last chunk is a short one."""
    application, model, params = started("lm")
    codes = np.asarray(application.examples("test"))[:50]
    whole = application.losses(model, params, codes)
    _, logits = jax.jit(model.apply)({"params": params}, {"tokens": codes[None, :-1]})
    wanted = -np.asarray(jax.nn.log_softmax(logits[0]))[np.arange(len(codes) - 1), codes[1:]]
    np.testing.assert_allclose(whole, wanted, atol=2e-5)
    monkeypatch.setattr("rnnjax.applications.language_model._LOGITS", 7 * len(application.fitted()["tokens"]))
    np.testing.assert_allclose(application.losses(model, params, codes), whole, atol=2e-5)


def test_writing_is_reading_on(started):
    """Greedily written with keys and values kept, each token is the likeliest after the window before it."""
    application, model, params = started("lm")
    written = application.generate(model, params, "the film", 12, jax.random.key(0), temperature=0)
    codes = application.encode(written)
    _, logits = jax.jit(model.apply)({"params": params}, {"tokens": codes[None]})
    best = np.asarray(logits)[0].argmax(-1)
    assert application.decode(best[7:-1]) == written[8:] and len(written) == 20


def test_captions_are_written_one_letter_after_the_other(started):
    """Each letter is the likeliest of all at once after the image and the letters before it, up to the end."""
    application, model, params = started("caption")
    length, end = application.longest, application.letters.eos
    examples = application.examples("test")[:3]
    inputs = application.collate(examples, length).inputs
    write = jax.jit(lambda images: describe(model, params, images, end=end, length=length))
    ids = np.asarray(write(inputs["image"]))
    shown = inputs | {"words": np.pad(ids, [(0, 0), (1, 0)])[:, :-1]}
    best = np.asarray(jax.jit(lambda inputs: model.apply({"params": params}, inputs)[1])(shown)).argmax(-1)
    for row, expected in zip(ids.tolist(), best.tolist(), strict=True):
        read = row.index(end) + 1 if end in row else length
        assert row[:read] == expected[:read]


@pytest.mark.exhaustive
@pytest.mark.slow
def test_films_go_on_with_keys_and_values_kept(tmp_path):
    """Three updates, saved and read back; the report shows films that go on for half of their frames."""
    video = get("video", canvas=16, frames=6, films=8, patch=8, **SMALL)
    run = train(Config(video, ConvGRU2D(4), Optimizer(), steps=3, batch_size=4, evaluate_every=3), (0,), tmp_path / "r")
    assert np.isfinite(run.summary[0]["best"])
    trained = load_trained(tmp_path / "r")
    (section,) = trained.application.figures(trained.model, trained.params)
    assert len(section.tables[0][1]) == 3 and "nan" not in str(section.tables)


def test_notes_are_drawn_one_after_the_other(started):
    """Without chance, the next frame is what the model says of all frames before it, over the ends of windows."""
    from rnnjax.applications.notes import read_notes, written_notes

    application, model, params = started("music")
    found = application.generate(model, params, "C4 E4|D4 G4 B4", 6, jax.random.key(0), temperature=0, top_k=40)
    frames = np.concatenate([read_notes("C4 E4|D4 G4 B4"), read_notes(found)]).astype(np.float32)
    logits = np.asarray(jax.jit(lambda frames: model.apply({"params": params}, frames)[1])(frames[None]))[0]
    kept = logits >= np.sort(logits, -1)[:, -40, None]
    assert found == written_notes(((logits > 0) & kept)[1:-1]) and found.strip("- \n")


@pytest.mark.parametrize("name", ["lm", *(pytest.param(name, marks=LONG) for name in ("sentiment", "tag"))])
def test_a_report_leaves_gates_out_and_says_so(name, started, monkeypatch):
    monkeypatch.setattr("rnnjax.applications.language_model.PASSAGE", {"char": 48})
    *_, section = started(name)[0].figures(*started(name)[1:])
    assert section.text.endswith(NO_GATES) and section.figures
    titles = {axes.get_title() for _, figure in section.figures for axes in figure.axes}
    assert titles and not any("gate" in title for title in titles)


def test_each_application_has_the_choice(made):
    """Blocks of the width of the cell's outputs, in both directions where a cell reads in both."""
    for name in ("sentiment", "names", "tag", "lm", "speech", "music", "pixels", "caption", "video", "forecast"):
        model = made(name).model(LSTM(6))
        assert model.cell == Blocks(6, 1, 2, 0.1, model.cell.span), name
        assert (model.cell.span is not None) == (name in ("lm", "music", "caption", "video"))
        if name != "tag" and hasattr(model, "bidirectional"):
            assert model.bidirectional is (name in BIDIRECTIONAL)


@pytest.mark.parametrize("cell", [Dropout(GRU(4), input=0.1), Stack((GRU(4), GRU(4))), GRU(4, preset="keras"), GRU(5)])
def test_what_a_transformer_does_not_have_is_an_error(made, cell):
    """Dropout and layers of cells, initialisers, widths that heads do not divide; recurrent layers take them all."""
    with pytest.raises(InputError, match="^heads: " if cell == GRU(5) else "^cell: .*transformer"):
        made("pixels").model(cell)
    dataclasses.replace(made("pixels"), network="recurrent", blocks=2, heads=4).model(cell)


@pytest.mark.parametrize(
    ("name", "argument", "how"),
    [
        ("pixels", "network", {"network": "perceptron"}),
        ("pixels", "blocks", {"blocks": 0}),
        ("pixels", "heads", {"heads": 0}),
        ("pixels", "block_dropout", {"block_dropout": 1.0}),
        ("pixels", "blocks", {"network": "recurrent"}),
        ("lm", "hidden_dropout", {"hidden_dropout": 0.1}),
        ("music", "Music.window", {"window": 0}),
    ],
)
def test_options_that_do_not_fit_are_named(made, name, argument, how):
    with pytest.raises(InputError) as error:
        dataclasses.replace(made(name), **how)
    assert error.value.argument == argument
