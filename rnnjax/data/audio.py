"""Recordings of sound in wav files, with their labels and splits."""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
import re
import warnings
from collections.abc import Sequence

import numpy as np

from rnnjax.data.files import Entry, entries
from rnnjax.data.splits import three_ways
from rnnjax.errors import InputError, check, check_choice

SPLITS = ("train", "validation", "test")
LABELS = ("auto", "name", "folder")

_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_NAME = re.compile(r"(?P<label>[^_]+)_(?P<speaker>.+)_(?P<index>\d+)")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
_TEST_BELOW, _VALIDATION_BELOW = 5, 10  # recordings of a speaker and label, by their index


@dataclasses.dataclass(frozen=True, eq=False)
class Recording:
    """A sound.

    Attributes:
      name: of its file.
      samples: `[samples]` float32; full scale is -1 to 1.
      rate: samples a second.
      label: what it is, or "".
    """

    name: str
    samples: np.ndarray
    rate: int
    label: str = ""


def read_wav(entry: Entry) -> tuple[np.ndarray, int]:
    """The sound of a wav file, channels averaged: `[samples]` float32, full scale -1 to 1, and its sampling rate.

    Integers of 8 (unsigned), 16, 24 and 32 bits, floats of 32 and 64 bits.

    Raises:
      InputError: a file that is no wav file, is cut short or empty, has another coding, or a sample that is no number.
    """
    from scipy.io import wavfile

    expected = "a wav file of integers of 8 to 32 bits or of floats"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=wavfile.WavFileWarning)  # chunks that it does not know
            warnings.filterwarnings("error", "Reached EOF", category=wavfile.WavFileWarning)
            rate, samples = wavfile.read(io.BytesIO(entry.read()))
    except InputError:
        raise
    except Exception as error:  # a damaged header leads to errors of many kinds
        raise InputError(entry.name, "a file", f"{expected} ({_first_line(error)})") from None
    check(samples.size > 0 and rate > 0, entry.name, f"{samples.size} samples at {rate} Hz", "a sound")
    if samples.dtype.kind == "u":
        samples = (samples.astype(np.float64) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float64) / (1 << (8 * samples.dtype.itemsize - 1))
    check(bool(np.isfinite(samples).all()), entry.name, "a sample that is no finite number", "finite samples")
    if samples.ndim > 1:
        samples = samples.mean(-1)
    return samples.astype(np.float32), int(rate)


def recordings(
    path: str | os.PathLike, *, labels: str = "auto", rate: int | None = None, argument: str = "data"
) -> list[Recording]:
    """The wav files of a folder, a `.tar.gz` or a `.zip`, sorted by name; or the one wav file.

    A folder that holds no wav file but one archive stands for that archive. Files of other kinds are left out.

    Args:
      path: where they lie.
      labels: where a label is to be found: "name" is `label_speaker_index.wav`; "folder" the folder that the file
        lies in; "auto" is "folder" where the files lie in two or more folders (those of splits, such as train, do not
        count), else "name"; "" gives none.
      rate: the sampling rate that all have to have, in Hz; `None` is that of the first.
      argument: what an error calls the path.

    Raises:
      InputError: no wav file, one that cannot be read, one of another rate, or a name without a label.
    """
    if labels:
        check_choice("labels", labels, LABELS)
    found = _wav_entries(path, argument)
    if labels == "auto":
        folders = {entry.parts[-2].lower() for entry in found if len(entry.parts) > 1}
        labels = "folder" if len(folders - set(_FOLDERS)) > 1 else "name"
    sounds, first = [], found[0].name
    for entry in found:
        samples, given = read_wav(entry)
        wanted = f"{rate} Hz" if sounds == [] else f"{rate} Hz, the rate of {first}"
        check(rate in (None, given), entry.name, f"sound at {given} Hz", wanted)
        rate = given
        sounds.append(Recording(entry.name, samples, given, _label(entry, labels) if labels else ""))
    return sounds


def split(sounds: Sequence[Recording], argument: str = "data") -> dict[str, list[Recording]]:
    """The recordings of each split.

    Where they lie in folders called train, test and perhaps validation (valid, val, dev), these are the splits, and a
    tenth of training is held out where there is no validation. Where names are `label_speaker_index.wav`, those with an
    index of 0 to 4 are the test, 5 to 9 the validation and the others for training: the official test of the Free
    Spoken Digit Dataset, whose 5 to 49 are for training. Otherwise a tenth each is drawn for validation and test, by a
    fixed seed.

    Raises:
      InputError: a split without recordings, or a label that does not occur in training.
    """
    folders = {sound.name: _split_folder(sound.name) for sound in sounds}
    if {"train", "test"} <= set(folders.values()):
        parts = {name: [sound for sound in sounds if folders[sound.name] == name] for name in SPLITS}
        if not parts["validation"]:
            kept = three_ways(len(parts["train"]), test=0.0)
            held = parts["train"]
            parts |= {name: [held[i] for i in kept[name]] for name in ("train", "validation")}
    else:
        parts = _by_index(sounds)
        if not all(parts.values()):
            parts = {name: [sounds[i] for i in rows] for name, rows in three_ways(len(sounds)).items()}
    counts = ", ".join(f"{len(parts[name])} for {name}" for name in SPLITS)
    check(all(parts.values()), argument, counts, "recordings in each split")
    known = {sound.label for sound in parts["train"]}
    for name in SPLITS[1:]:
        for sound in parts[name]:
            expected = f"one of the labels in training: {', '.join(sorted(known)[:12])}"
            check(sound.label in known, sound.name, f"the label {sound.label!r}", expected)
    return parts


def _by_index(sounds: Sequence[Recording]) -> dict[str, list[Recording]]:
    """The splits by the index in `label_speaker_index.wav`; empty where names do not say the label."""
    parts: dict[str, list[Recording]] = {name: [] for name in SPLITS}
    for sound in sounds:
        found = _NAME.fullmatch(_stem(sound.name))
        if found is None or found["label"] != sound.label:
            return {name: [] for name in SPLITS}
        index = int(found["index"])
        parts["test" if index < _TEST_BELOW else "validation" if index < _VALIDATION_BELOW else "train"].append(sound)
    return parts


def _wav_entries(path: str | os.PathLike, argument: str) -> list[Entry]:
    there = entries(path, argument)
    found = [entry for entry in there if entry.name.lower().endswith(".wav")]
    archives = [entry for entry in there if entry.name.lower().endswith(_ARCHIVES)]
    if not found and len(archives) == 1 and pathlib.Path(path).is_dir():
        return _wav_entries(pathlib.Path(path) / archives[0].name, argument)
    check(bool(found), argument, str(path), "a wav file, or a folder or an archive with some")
    return found


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _label(entry: Entry, labels: str) -> str:
    if labels == "name":
        found = _NAME.fullmatch(_stem(entry.name))
        if found is None:
            raise InputError(entry.name, "a name without a label", "label_speaker_index.wav")
        return found["label"]
    folder = entry.parts[-2] if len(entry.parts) > 1 else ""
    valid = folder != "" and folder.lower() not in _FOLDERS
    expected = "label_speaker_index.wav, or files in one folder a label"
    check(valid, entry.name, "a file without a label", expected)
    return folder


def _split_folder(name: str) -> str:
    for part in name.lower().split("/")[:-1]:
        if part in _FOLDERS:
            return _FOLDERS[part]
    return ""


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
