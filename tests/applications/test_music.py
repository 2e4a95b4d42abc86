"""Music: pieces whole and cut, the bars' metrics, baselines, notes as text, and frames that are drawn."""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU
from rnnjax.applications.music import Music, frame_accuracy
from rnnjax.applications.notes import KEYS, LOWEST, note_name, read_notes, written_notes
from rnnjax.errors import InputError
from rnnjax.tasks import PianoRoll

LENGTHS = {"train": (3, 9, 1, 14), "valid": (2, 6), "test": (12, 5, 4)}  # frames; one piece of one frame


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    draw = np.random.default_rng(0)
    chord = lambda: sorted((60 + draw.choice(12, draw.integers(2, 5), replace=False)).tolist())  # noqa: E731
    pieces = {split: [[chord() for _ in range(frames)] for frames in many] for split, many in LENGTHS.items()}
    path = tmp_path_factory.mktemp("music") / "chords.json"
    path.write_text(json.dumps(pieces))
    return str(path)


@pytest.fixture(scope="module")
def trained(file):
    """An application, a model, and parameters that were not trained, with weights from the frame before."""
    music = Music(data=file)
    model = music.model(GRU(5))
    (batch, _), *_ = music.evaluation_batches(music.examples("test"), 2)
    params = jax.jit(model.init)(jax.random.key(0), batch.inputs, batch.lengths)["params"]
    params["last_step"]["kernel"] = 2 * jax.random.normal(jax.random.key(1), (KEYS, KEYS))
    return music, model, params


def test_pieces_are_cut_to_train_and_whole_to_evaluate(file):
    """Every step of every piece is in one row; a row shows all of its frames but the last."""
    music = Music(data=file, window=4)
    assert [music.length(row) for row in music.examples("train")] == [2, 4, 4, 4, 4, 4, 1]
    assert [music.length(piece) for piece in music.examples("test")] == [11, 4, 3]
    whole = Music(data=file, window=0).examples("train")
    assert sum(map(music.length, whole)) == sum(map(music.length, music.examples("train")))
    piece = music.examples("test")[1]
    batch = music.collate([piece], 6)
    np.testing.assert_array_equal(batch.inputs[0, :4], piece.frames[:-1])
    np.testing.assert_array_equal(batch.targets[0, :4], piece.frames[1:])
    assert batch.mask.tolist() == [[1, 1, 1, 1, 0, 0]] and batch.lengths.tolist() == [4]
    assert not batch.inputs[0, 4:].any()


def test_metrics_are_those_of_the_task(trained, file):
    """Nats a frame and the accuracy, on whole pieces, as `PianoRoll` has them, in batches of any size."""
    music, model, params = trained
    task = PianoRoll(os.path.dirname(file), "chords")
    batch = task.evaluation("test")
    _, outputs = jax.jit(model.apply)({"params": params}, batch.inputs, batch.lengths)
    expected = task.metrics(outputs, batch)
    for size in (2, 3):
        found = music.evaluate(model, params, "test", batch_size=size).metrics
        assert found["loss"] == pytest.approx(float(expected["loss"]), rel=1e-5)
        assert found["accuracy"] == pytest.approx(float(expected["accuracy"]), rel=1e-5)


def test_the_network_starts_from_the_frequencies(file):
    """Before training it costs about what the frequencies of the keys cost; in a small corpus only if asked to."""
    music = Music(data=file, informed=True)
    assert set(Music(data=file).model(GRU(4)).odds) == {0.0}
    model = music.model(GRU(4))
    params = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 2, KEYS), np.float32))["params"]
    params["readout"]["kernel"] = jnp.zeros_like(params["readout"]["kernel"])
    found = music.evaluate(model, params, "test").metrics
    assert found["loss"] == pytest.approx(music.baseline("test")["frequencies_loss"], rel=1e-4)


def test_baselines_are_fitted_to_the_training_pieces(tmp_path):
    """Of notes that stay, the last frame says most and the frequencies little; of noise, both say as much."""
    draw = np.random.default_rng(0)
    held = [[[60 + int(note)] for note in np.repeat(draw.integers(0, 8, 5), 20)] for _ in range(40)]
    noise = [[[60 + int(note)] for note in draw.integers(0, 8, 100)] for _ in range(40)]
    for name, pieces in (("held", held), ("noise", noise)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"train": pieces[:30], "valid": pieces[30:35], "test": pieces[35:]}))
        found = Music(data=str(path)).baseline("test")
        if name == "held":
            assert found["loss"] < 0.4 * found["frequencies_loss"] and found["accuracy"] > 0.8
        else:
            assert found["loss"] == pytest.approx(found["frequencies_loss"], rel=0.02) and found["accuracy"] == 0


def test_accuracy_counts_hits_misses_and_false_alarms():
    said, truth = np.zeros((2, 2, 5), bool)
    said[0, :3], truth[0, 1:4], truth[1, 0] = True, True, True  # two hits, two misses, a false alarm
    assert frame_accuracy(said, truth) == 2 / 5
    assert frame_accuracy(truth, truth) == 1 and frame_accuracy(np.zeros((2, 5)), np.zeros((2, 5))) == 1


def test_notes_survive_as_text():
    frames = np.random.default_rng(0).random((20, KEYS)) < 0.03
    np.testing.assert_array_equal(read_notes(written_notes(frames)), frames)
    assert note_name(60) == "C4" and note_name(LOWEST) == "A0" and note_name(LOWEST + KEYS - 1) == "C8"
    np.testing.assert_array_equal(read_notes("C4 Eb4|-|61"), read_notes("60 D#4\n-\nC#4"))
    for text in ("H4", "C9", "20"):
        with pytest.raises(InputError, match=f"frame 2: got '{text}'"):
            read_notes(f"C4\n{text}")


def test_frames_are_drawn_one_after_the_other(trained):
    """Without chance, the next frame is what the model says of all frames before it; top_k bounds the notes."""
    music, model, params = trained
    prompt = "C4 E4|D4 G4 B4"
    found = music.generate(model, params, prompt, 4, jax.random.key(0), temperature=0)
    frames = read_notes(prompt)
    apply = jax.jit(lambda inputs: model.apply({"params": params}, inputs)[1])
    for _ in range(4):
        logits = apply(np.pad(frames, ((0, 6 - len(frames)), (0, 0)))[None].astype(np.float32))
        frames = np.concatenate([frames, np.asarray(logits[0, len(frames) - 1 : len(frames)] > 0, np.uint8)])
    assert found == written_notes(frames[2:]) and found.strip("- \n")
    one, same, other = (music.generate(model, params, "", 5, jax.random.key(seed), top_k=2) for seed in (1, 1, 2))
    assert one == same != other and read_notes(one).sum(1).max() <= 2
    with pytest.raises(InputError, match="top_p"):
        music.generate(model, params, "", 5, jax.random.key(0), top_p=0.5)


def test_predictions_name_the_likely_notes(trained, tmp_path):
    music, model, params = trained
    path = tmp_path / "mine.json"
    path.write_text(json.dumps([[[60, 64], [67]], [[], [62], [60]]]))
    first, second = music.predict(model, params, music.read_inputs(str(path)))
    _, logits = model.apply({"params": params}, read_notes("-|D4|C4")[None].astype(np.float32))
    chances = 1 / (1 + np.exp(-np.asarray(logits[0, -1])))
    assert next(iter(second["next"])) == note_name(LOWEST + int(chances.argmax()))
    assert max(second["next"].values()) == pytest.approx(chances.max(), abs=1e-4) and len(first["next"]) == 8
    path.write_text(json.dumps([[[60]], [[60], [5]]]))
    with pytest.raises(InputError, match=r"mine\.json, piece 2, frame 2"):
        music.read_inputs(str(path))


def test_files_and_folders(file, tmp_path):
    folder = os.path.dirname(file)
    assert len(Music(data=folder).examples("test")) == len(Music(data=folder, corpus="chords").examples("test")) == 3
    for options in (dict(data=""), dict(data=str(tmp_path)), dict(data=folder, corpus="other")):
        with pytest.raises(InputError, match=r"^(data|corpus): "):
            Music(**options).examples("test")
    (tmp_path / "broken.json").write_text('{"train": [[[60]]]}')
    with pytest.raises(InputError, match=r"^data: .*broken"):
        Music(data=str(tmp_path)).examples("test")
    with pytest.raises(InputError, match=r"Music\.window"):
        Music(window=-1)


@pytest.mark.skipif("RNNJAX_DATA" not in os.environ, reason="RNNJAX_DATA names no folder of data sets")
def test_the_real_chorales():
    path = os.path.join(os.environ["RNNJAX_DATA"], "polyphonic", "JSB_Chorales.mat")
    if not os.path.isfile(path):
        pytest.skip(f"no {path}")
    music = Music(data=path)
    found = music.baseline("test")
    assert [len(music.examples(split)) for split in ("train", "validation", "test")] == [229, 76, 77]
    assert found["frequencies_loss"] == pytest.approx(PianoRoll(os.path.dirname(path)).baseline, rel=0.03)
    assert found["loss"] < found["frequencies_loss"]
