"""Pieces of music: cut to train on, whole to evaluate, from files of both formats."""

import json
import os

import jax
import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import PianoRoll

LENGTHS = {"train": (3, 9, 1, 14), "valid": (2, 6), "test": (12, 5, 4)}  # frames; one piece of one frame


def made_up():
    """Pieces of chords of two to four notes between C and B, by split: lists of lists of MIDI numbers."""
    rng = np.random.RandomState(0)
    chord = lambda: sorted((60 + rng.choice(12, rng.randint(2, 5), replace=False)).tolist())  # noqa: E731
    return {split: [[chord() for _ in range(frames)] for frames in many] for split, many in LENGTHS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same pieces in both formats."""
    from scipy.io import savemat

    path, pieces = tmp_path_factory.mktemp("music"), made_up()
    (path / "chords.json").write_text(json.dumps(pieces))
    cells = {}
    for split, name in (("train", "traindata"), ("valid", "validdata"), ("test", "testdata")):
        cells[name] = np.empty((1, len(pieces[split])), object)
        for place, piece in enumerate(pieces[split]):
            cells[name][0, place] = roll(piece)
    savemat(path / "cells.mat", cells)
    return str(path)


def roll(piece):
    frames = np.zeros((len(piece), 88), np.uint8)
    for frame, notes in zip(frames, piece, strict=True):
        frame[np.asarray(notes) - 21] = 1
    return frames


@pytest.mark.parametrize("corpus", ["chords", "cells"])
def test_an_evaluation_gives_the_pieces_whole(folder, corpus):
    for length in (0, 4):
        batch = PianoRoll(folder, corpus, length).evaluation("test")
        assert batch.lengths.tolist() == [11, 4, 3] and batch.inputs.shape == (3, 11, 88)
        for row, piece in enumerate(made_up()["test"]):
            steps = len(piece) - 1
            np.testing.assert_array_equal(batch.inputs[row, :steps], roll(piece)[:-1])
            np.testing.assert_array_equal(batch.targets[row, :steps], roll(piece)[1:])
            assert not np.asarray(batch.inputs[row, steps:]).any() and not np.asarray(batch.mask[row, steps:]).any()
            assert np.asarray(batch.mask[row, :steps]).all()


def test_training_rows_are_cut_from_the_pieces(folder):
    """Every step of every piece is in one row, no row is longer than asked for, and each is drawn as often."""
    task = PianoRoll(folder, "chords", 4)
    batch = jax.tree.map(np.asarray, task.sample(jax.random.key(0), 3000))
    assert task.time == 4 and batch.inputs.shape == (3000, 4, 88) and task.variable_length
    rows, counts = np.unique(batch.inputs.reshape(3000, -1), axis=0, return_counts=True)
    pieces = [roll(piece) for piece in made_up()["train"]]
    expected = [piece[:-1][start : start + 4] for piece in pieces for start in range(0, len(piece) - 1, 4)]
    assert len(rows) == len(expected) == 1 + 2 + 4
    padded = sorted(np.pad(part, ((0, 4 - len(part)), (0, 0))).ravel().tolist() for part in expected)
    assert sorted(row.tolist() for row in rows) == padded
    assert np.abs(counts / 3000 - 1 / 7).max() < 5 * np.sqrt(6 / 49 / 3000)


def test_whole_pieces_to_train_on(folder):
    task = PianoRoll(folder, "chords")
    batch = task.sample(jax.random.key(0), 200)
    assert task.time == 13 and set(batch.lengths.tolist()) == {2, 8, 13}
    longer = task.sample(jax.random.key(0), 200, "test")
    assert longer.inputs.shape[1] == 13 and max(longer.lengths.tolist()) == 11


def test_a_sample_is_a_function_of_its_key_and_its_split(folder):
    task = PianoRoll(folder, "chords", 4)
    few, many = task.sample(jax.random.key(1), 4), jax.jit(lambda key: task.sample(key, 40))(jax.random.key(1))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[:4]), few, many)
    assert not np.array_equal(few.inputs, task.sample(jax.random.key(1), 4, "test").inputs)
    with jax.enable_x64(True):
        wide = task.sample(jax.random.key(1), 4)
    assert jax.tree.map(lambda a: a.dtype, wide) == jax.tree.map(lambda a: a.dtype, few)


def test_the_loss_is_a_sum_over_notes_and_a_mean_over_frames(folder):
    task = PianoRoll(folder, "chords")
    batch = task.evaluation("test")
    outputs = np.random.RandomState(1).randn(*batch.inputs.shape).astype(np.float32)
    said = 1 / (1 + np.exp(-outputs.astype(float)))
    each = -np.log(np.where(np.asarray(batch.targets) == 1, said, 1 - said)).sum(-1)
    mask = np.asarray(batch.mask)
    mean = (each * mask).sum() / mask.sum()
    assert float(task.loss(outputs, batch)) == pytest.approx(mean, rel=1e-5)


def test_the_baseline_is_that_of_the_frequencies(folder):
    """The constant with the least loss over all targets of the training rows, whatever they are cut to."""
    targets = np.concatenate([roll(piece)[1:] for piece in made_up()["train"]])
    share = targets.mean(0)
    for length in (0, 4):
        task = PianoRoll(folder, "chords", length)
        least = np.where(targets == 1, -np.log(np.maximum(share, 1e-30)), -np.log(1 - share)).sum(1).mean()
        assert task.baseline == pytest.approx(least, rel=1e-9)
        batch = task.sample(jax.random.key(0), 4000)
        logits = np.log(share + 1e-9) - np.log(1 - share + 1e-9)
        metrics = task.metrics(np.broadcast_to(logits, batch.inputs.shape).astype(np.float32), batch)
        assert float(metrics["loss"]) == pytest.approx(task.baseline, rel=0.02) and not task.solved(metrics)


def test_accuracy_counts_hits_misses_and_false_alarms(folder):
    task = PianoRoll(folder, "chords")
    batch = task.evaluation("test")
    sure = 60 * (2 * np.asarray(batch.targets) - 1)
    assert task.metrics(sure, batch)["accuracy"] == pytest.approx(1) and task.solved(task.metrics(sure, batch))
    half = np.where(np.cumsum(np.asarray(batch.targets), -1) > 1, -60.0, sure)  # the lowest note of each chord alone
    counted = np.asarray(batch.mask) > 0
    notes = np.asarray(batch.targets)[counted].sum()
    assert float(task.metrics(half, batch)["accuracy"]) == pytest.approx(counted.sum() / notes, rel=1e-5)
    assert not task.solved(task.metrics(np.nan * sure, batch))


def test_errors_name_the_argument(folder, tmp_path):
    (tmp_path / "broken.json").write_text('{"train": [[[60]]]}')
    (tmp_path / "low.json").write_text(json.dumps({split: [[[60], [5]]] for split in LENGTHS}))
    (tmp_path / "broken.mat").write_text("not a matrix, and long enough to be looked at" * 10)
    for corpus in ("broken", "low"):
        with pytest.raises(InputError) as error:
            PianoRoll(str(tmp_path), corpus)
        assert error.value.argument == "PianoRoll.corpus" and corpus in str(error.value)
    (tmp_path / "broken.mat").unlink()
    with pytest.raises(InputError, match=r"PianoRoll\.corpus.*broken"):
        PianoRoll(str(tmp_path), "broken")
    for given in ("", str(tmp_path / "nowhere"), folder):
        with pytest.raises(InputError) as error:
            PianoRoll(given, "Nottingham")
        assert error.value.argument == "PianoRoll.data" and "Nottingham.mat" in str(error.value)
    with pytest.raises(InputError, match=r"PianoRoll\.length"):
        PianoRoll(folder, "chords", -1)
    with pytest.raises(InputError, match="split"):
        PianoRoll(folder, "chords").evaluation("train")


@pytest.mark.skipif("RNNJAX_DATA" not in os.environ, reason="RNNJAX_DATA names no folder of data sets")
@pytest.mark.parametrize(("corpus", "pieces"), [("JSB_Chorales", (76, 77)), ("Nottingham", (173, 170))])
def test_the_real_files(corpus, pieces):
    place = os.path.join(os.environ["RNNJAX_DATA"], "polyphonic")
    if not os.path.isfile(os.path.join(place, f"{corpus}.mat")):
        pytest.skip(f"no {corpus}.mat in {place}")
    task = PianoRoll(place, corpus, 100)
    found = [len(task.evaluation(split).lengths) for split in ("validation", "test")]
    assert tuple(found) == pieces and 8 < task.baseline < 20
