"""Spoken words: examples, both targets, what a model says, and errors that name the file."""

import functools
import os
import pathlib

import jax
import numpy as np
import pytest
from made_up_sounds import RATE, tone, wav_bytes, write_sounds

from rnnjax import GRU, LSTM
from rnnjax.applications import Speech
from rnnjax.errors import InputError
from rnnjax.training import Config, Optimizer, train

REAL = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / "fsdd"
OPTIONS = {"bands": 13, "readout_dropout": 0.0, "noise": 0.0}


@pytest.fixture(scope="module")
def wavs(tmp_path_factory):
    return write_sounds(tmp_path_factory.mktemp("sounds") / "wavs")


def test_features_are_standardised_by_training(wavs):
    """Mean 0 and deviation 1 a band over the frames of training; the others are scaled the same."""
    speech = Speech(data=wavs, **OPTIONS)
    frames = np.concatenate([example.features for example in speech.examples("train")])
    np.testing.assert_allclose(frames.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(frames.std(0), 1, atol=1e-3)
    assert [len(speech.examples(split)) for split in ("train", "validation", "test")] == [12, 15, 15]
    assert speech.fitted()["labels"] == ["0", "1", "2"] and speech.fitted()["letters"] == sorted(set("zeroonetwo"))


def test_a_batch_holds_words_or_letters(wavs):
    word, letters = (Speech(data=wavs, target=target, **OPTIONS) for target in ("word", "letters"))
    examples = word.examples("test")[::5]
    batch = word.collate(examples, 16)
    assert batch.inputs.shape == (3, 16, 13) and batch.targets.tolist() == [0, 1, 2] and batch.mask.tolist() == [1] * 3
    for row, example in enumerate(examples):
        assert batch.lengths[row] == len(example.features) and not batch.inputs[row, len(example.features) :].any()
    spelled = letters.collate(letters.examples("test")[::5], 16).targets
    alphabet = ["", *letters.fitted()["letters"]]
    assert ["".join(alphabet[letter] for letter in row) for row in spelled] == ["zero", "one", "two"]


def test_the_letters_of_certain_outputs_are_read(wavs):
    """Outputs that spell a word through blanks are that word, for both decoders; the loss is small for it alone."""
    speech = Speech(data=wavs, target="letters", **OPTIONS)
    batch = speech.collate(speech.examples("test")[:2], 12)
    letters = speech.fitted()["letters"]
    path = [0, letters.index("t") + 1, letters.index("w") + 1, letters.index("w") + 1, 0, letters.index("o") + 1]
    outputs = np.full((2, 12, 1 + len(letters)), -9.0, np.float32)
    outputs[:, np.arange(12), path + [0] * 6] = 9
    batch = batch._replace(lengths=np.array([12, 5], np.int32))
    for beam in (1, 4):
        speech = Speech(data=wavs, target="letters", beam=beam, **OPTIONS)
        assert speech.answers(outputs, batch) == ["two", "tw"]
    assert Speech(data=wavs, target="letters", lexicon=True, **OPTIONS).answers(outputs, batch) == ["two", "two"]
    twos = speech.collate(speech.examples("test")[10:12], 12)._replace(lengths=np.array([12, 12], np.int32))
    cost = jax.jit(speech.loss)  # the likely path is one of several that spell the word
    assert cost(outputs, twos) < 1e-4 < cost(outputs, batch)
    examples = speech.examples("test")[10:12]
    scores = speech.score(["two", "tw"], examples)
    assert scores == {"accuracy": 0.5, "cer": pytest.approx(1 / 6), "wer": 0.5}


@pytest.fixture(scope="module")
def trained(wavs):
    """A model of a few updates: the application, the model and its parameters."""
    speech = Speech(data=wavs, **OPTIONS)
    config = Config(speech, GRU(8), Optimizer("adam", 0.03), steps=12, batch_size=12, evaluate_every=12)
    run = train(config, quiet=True)
    return speech, speech.model(GRU(8)), jax.tree.map(lambda leaf: leaf[0], run.state.params)


def test_tones_are_learned(trained):
    """A few updates tell three tones apart, and so does the plain baseline; the report shows what is mistaken."""
    speech, model, params = trained
    found = speech.evaluate(model, params, "test")
    assert found.metrics["accuracy"] >= 0.8 and set(found.answers) <= {"0", "1", "2"}
    assert speech.baseline()["accuracy"] >= 0.8
    assert speech.figures(model, params)[0].figures[0][1].axes


def test_files_are_recognised_by_name(trained, tmp_path):
    """Those of the test split as in its evaluation; one of another rate is refused."""
    speech, model, params = trained
    for label in range(3):
        (tmp_path / f"what{label}.wav").write_bytes(wav_bytes(tone(label, 0)))
    examples = speech.read_inputs(str(tmp_path))
    assert not speech.collate(examples, 8).mask.any()
    found = speech.predict(model, params, examples)
    evaluated = speech.evaluate(model, params, "test").answers
    names = [example.name for example in speech.examples("test")]
    expected = [evaluated[names.index(f"{label}_anna_0.wav")] for label in range(3)]
    assert found == [{"file": f"what{label}.wav", "answer": answer} for label, answer in enumerate(expected)]
    (tmp_path / "other.wav").write_bytes(wav_bytes(tone(1, 7), rate=2 * RATE))
    with pytest.raises(InputError, match=r"^other\.wav: .*16000 Hz.*8000 Hz"):
        speech.read_inputs(str(tmp_path))


def test_a_sound_too_short_to_spell_is_named(tmp_path):
    folder = write_sounds(tmp_path / "wavs")
    pathlib.Path(folder, "0_anna_10.wav").write_bytes(wav_bytes(tone(0, 10, seconds=0.01)))
    assert len(Speech(data=folder, **OPTIONS).examples("train")) == 12
    with pytest.raises(InputError, match=r"^0_anna_10\.wav: .*at least 4 for '0'"):
        Speech(data=folder, target="letters", **OPTIONS).examples("train")


@pytest.mark.parametrize(
    "options",
    [
        {"target": "sentence"},
        {"features": "pitch"},
        {"pooling": "median"},
        {"labels": "colour"},
        {"tfds": "spoken_digit"},
        {"bands": 0},
        {"readout_dropout": 1.0},
        {"noise": -1.0},
        {"beam": 0},
        {"shift": -1},
    ],
)
def test_bad_options_are_named(options):
    with pytest.raises(InputError, match=f"^{next(iter(options))}: "):
        Speech(**options)


@functools.lru_cache
def _real():
    if not REAL.is_dir():
        pytest.skip("RNNJAX_DATA does not name a folder with fsdd")
    return Speech(data=str(REAL))


@pytest.mark.slow
@pytest.mark.exhaustive
def test_spoken_digits_are_learned():
    """The laptop preset reaches 0.97 on the 250 recordings of the official test."""
    speech, preset = _real(), Speech.laptop
    config = Config(
        speech,
        LSTM(preset.hidden),
        Optimizer(**preset.optimizer),
        steps=preset.steps,
        batch_size=preset.batch_size,
        evaluate_every=preset.evaluate_every,
    )
    run = train(config, quiet=True)
    params = jax.tree.map(lambda leaf: leaf[0], run.state.params)
    assert speech.evaluate(speech.model(config.cell), params, "test").metrics["accuracy"] >= 0.97
