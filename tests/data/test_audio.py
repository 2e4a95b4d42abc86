"""Wav files: every coding says the same, splits are what their description says, and errors name the file."""

import io
import os
import pathlib
import tarfile

import numpy as np
import pytest
from made_up_sounds import RATE, tone, wav_bytes, write_sounds
from scipy.io import wavfile

from rnnjax.data.audio import read_wav, recordings, split
from rnnjax.data.files import Entry
from rnnjax.errors import InputError

REAL = pathlib.Path(os.environ.get("RNNJAX_DATA", "")) / "fsdd"


def entry(raw, name="sound.wav"):
    return Entry(name, lambda: raw)


def test_all_codings_say_the_same():
    """8, 16, 24 and 32 bits, floats of both widths, two channels: one sound, as exactly as each can say it."""
    sound = np.linspace(-0.9, 0.9, 77)
    wide = np.round(sound * 2**31).astype("<i4")
    codings = {
        "8": (wav_bytes(np.round(sound * 128 + 128).astype(np.uint8), width=1), 1 / 256),
        "16": (wav_bytes(np.round(sound * 2**15).astype("<i2")), 1 / 2**16),
        "24": (wav_bytes(b"".join(value.tobytes()[1:] for value in wide), width=3), 1 / 2**22),
        "32": (wav_bytes(wide, width=4), 1e-7),
    }
    channels = np.round(np.stack([sound + 0.05, sound - 0.05], 1) * 2**15).astype("<i2")
    codings["two"] = wav_bytes(channels, channels=2), 1 / 2**15
    for kind in (np.float32, np.float64):
        file = io.BytesIO()
        wavfile.write(file, RATE, sound.astype(kind))
        codings[kind.__name__] = file.getvalue(), 1e-7
    for name, (raw, tolerance) in codings.items():
        samples, rate = read_wav(entry(raw))
        assert rate == RATE and samples.dtype == np.float32, name
        np.testing.assert_allclose(samples, sound, atol=1.01 * tolerance, err_msg=name)


BROKEN = {
    "empty": b"",
    "text": b"hello",
    "no samples": wav_bytes(b""),
    "cut short": wav_bytes(tone(0, 0))[:-101],
    "cut in the header": wav_bytes(tone(0, 0))[:30],
    "not a number": None,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_no_sound_is_named(kind):
    raw = BROKEN[kind]
    if raw is None:
        file = io.BytesIO()
        wavfile.write(file, RATE, np.array([0.0, np.nan], np.float32))
        raw = file.getvalue()
    with pytest.raises(InputError, match=r"^odd\.wav: got ") as error:
        read_wav(entry(raw, "odd.wav"))
    assert "\n" not in str(error.value)


def test_official_split(tmp_path):
    """Recordings 0 to 4 are the test, 5 to 9 the validation, the others for training; labels are in the names."""
    sounds = recordings(write_sounds(tmp_path / "wavs"))
    parts = split(sounds)
    for name, wanted in (("test", range(5)), ("validation", range(5, 10)), ("train", range(10, 14))):
        indices = [int(sound.name.split("_")[-1][:-4]) for sound in parts[name]]
        assert sorted(indices) == sorted([*wanted] * 3)
    assert all(sound.label == sound.name[0] for sound in sounds)
    assert [len(sound.samples) for sound in sounds[:1]] == [len(tone(0, 0))]


def test_an_archive_and_a_folder_with_one_are_the_folder(tmp_path):
    wavs = write_sounds(tmp_path / "wavs")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "wavs.tar.gz", "w:gz") as archive:
        archive.add(wavs, "set/recordings")
        archive.addfile(tarfile.TarInfo("set/README.md"))
    for path in (tmp_path / "packed", tmp_path / "packed" / "wavs.tar.gz"):
        for a, b in zip(recordings(path), recordings(wavs), strict=True):
            assert a.label == b.label and a.name.endswith(b.name)
            np.testing.assert_array_equal(a.samples, b.samples)


def write(path, label=0, index=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav_bytes(tone(label, index), **options))


def test_labels_and_splits_from_folders(tmp_path):
    """Folders train and test are the splits, the folders below them the labels; a tenth is held out of training."""
    for part, count in (("train", 20), ("test", 2)):
        for label in ("yes", "no"):
            for index in range(count):
                write(tmp_path / part / label / f"a_b_{index}.wav")
    parts = split(recordings(tmp_path))
    assert {name: len(part) for name, part in parts.items()} == {"train": 36, "validation": 4, "test": 4}
    assert {sound.label for sound in parts["train"]} == {"yes", "no"}
    assert all(sound.name.startswith("test/") for sound in parts["test"])
    assert not {sound.name for sound in parts["validation"]} & {sound.name for sound in parts["train"]}


def test_a_split_at_random_is_fixed(tmp_path):
    """Labels from folders and names that say nothing: a tenth each for validation and test, the same each time."""
    for label in ("yes", "no"):
        for index in range(20):
            write(tmp_path / label / f"{index:02}.wav")
    parts, again = (split(recordings(tmp_path)) for _ in range(2))
    assert {name: len(part) for name, part in parts.items()} == {"train": 32, "validation": 4, "test": 4}
    for name, part in parts.items():
        assert [sound.name for sound in part] == [sound.name for sound in again[name]]


def test_another_rate_is_one_clear_error(tmp_path):
    """It names the file and both rates."""
    write(tmp_path / "0_a_0.wav")
    write(tmp_path / "0_a_1.wav", rate=16000)
    with pytest.raises(InputError, match=r"^0_a_1\.wav: got 'sound at 16000 Hz', expected 8000 Hz, the rate of 0_a_0"):
        recordings(tmp_path)
    with pytest.raises(InputError, match=r"^0_a_0\.wav: got 'sound at 8000 Hz', expected 16000 Hz"):
        recordings(tmp_path, rate=16000)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^data: "):
        recordings(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing to hear")
    with pytest.raises(InputError, match=r"^data: .*wav"):
        recordings(tmp_path)
    write(tmp_path / "noise.wav")
    with pytest.raises(InputError, match=r"^noise\.wav: .*label_speaker_index"):
        recordings(tmp_path)
    assert [sound.label for sound in recordings(tmp_path, labels="")] == [""]
    with pytest.raises(InputError, match=r"^labels: "):
        recordings(tmp_path, labels="colour")


def test_a_label_that_training_lacks_is_named(tmp_path):
    for path in ("train/yes", "train/no", "test/maybe"):
        for index in range(10):
            write(tmp_path / path / f"{index}.wav")
    with pytest.raises(InputError, match=r"^test/maybe/0\.wav: .*maybe.*no, yes"):
        split(recordings(tmp_path))


def test_the_real_recordings():
    """2500 recordings of 8 kHz, 250 of them for the test, ten labels, in the official split."""
    if not REAL.is_dir():
        pytest.skip("RNNJAX_DATA does not name a folder with fsdd")
    parts = split(recordings(REAL))
    assert {name: len(part) for name, part in parts.items()} == {"train": 2000, "validation": 250, "test": 250}
    assert {sound.label for sound in parts["test"]} == set("0123456789")
    assert {sound.rate for part in parts.values() for sound in part} == {8000}
