"""Polyphonic music: say which notes sound next."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from rnnjax.errors import InputError, check
from rnnjax.tasks.losses import binary_cross_entropy, masked_mean
from rnnjax.tasks.synthetic import integers, random_words
from rnnjax.tasks.task import SPLITS, Array, Batch, Task, check_draw, check_evaluation

_NOTES, _LOWEST = 88, 21  # the keys of a piano, and the MIDI number of the lowest
_MATLAB = dict(zip(SPLITS, ("traindata", "validdata", "testdata"), strict=True))
_JSON = dict(zip(SPLITS, ("train", "valid", "test"), strict=True))


class Part(NamedTuple):
    """Pieces of a split, end to end.

    Attributes:
      frames: `[frames, 88]` uint8, 1 where a note sounds.
      lengths: `[pieces]`, frames of each piece.
    """

    frames: np.ndarray
    lengths: np.ndarray


@dataclasses.dataclass(frozen=True)
class PianoRoll(Task):
    """Which notes sound next? Pieces of music as piano rolls: 88 notes, each on or off in each frame.

    A step shows a frame, and its target is the frame after it: the notes are 88 independent bits. To train, pieces are
    cut into rows of at most `length` steps that follow each other, drawn with even odds; each starts without a past.
    `evaluation` gives the pieces of a split whole, padded to the longest of that split, whatever `length` is.

    Loss: binary cross-entropy, the sum over notes, in nats a frame; the mean is over frames and not over pieces, as in
    the tables of the literature. The first frame of a piece is not predicted.

    Baseline, "memoryless" meaning a predictor that knows how often each note sounds in the training pieces and ignores
    the inputs: the sum of the entropies of the notes.

    Solved: loss below half the baseline. There is no criterion in the literature; this one is the library's.

    Args:
      data: the folder in which the corpus lies.
      corpus: a file `corpus.mat` with the cell arrays traindata, validdata and testdata of matrices `[frames, 88]`, the
        lowest note first; or `corpus.json` with lists train, valid and test of pieces, each a list of frames, each a
        list of MIDI numbers from 21 to 108.
      length: the most steps of a training row; 0 means whole pieces.

    Raises:
      InputError: no such file in the folder, one that holds something else, or a negative length.

    Source: Boulanger-Lewandowski, Bengio & Vincent 2012, arXiv:1206.6392; the files `.mat` are those of Bai, Kolter &
    Koltun 2018, arXiv:1803.01271.
    """

    name: ClassVar[str] = "piano_roll"
    source: ClassVar[str] = "Boulanger-Lewandowski, Bengio & Vincent 2012, arXiv:1206.6392"
    many_to_one: ClassVar[bool] = False

    data: str
    corpus: str = "JSB_Chorales"
    length: int = 0

    def __post_init__(self):
        self._check_int("length", 0)
        for field in ("data", "corpus"):
            check(isinstance(getattr(self, field), str), f"PianoRoll.{field}", getattr(self, field), "a string")
        read_corpus(self.data, self.corpus)

    @property
    def in_features(self) -> int:
        return _NOTES

    @property
    def outputs(self) -> int:
        return _NOTES

    @property
    def time(self) -> int:
        """The steps of the longest training row; a row of an evaluation may be longer."""
        return int(_rows(self, "train")[1].max())

    @property
    def variable_length(self) -> bool:
        return True

    @property
    def baseline(self) -> float:
        starts, steps = _rows(self, "train")
        frames = read_corpus(self.data, self.corpus)["train"].frames
        targets = np.concatenate(
            [np.arange(start + 1, start + 1 + count) for start, count in zip(starts, steps, strict=True)]
        )
        share = frames[targets].mean(0, dtype=float)
        odds = np.stack([share, 1 - share])
        return float(-np.sum(odds * np.log(np.where(odds > 0, odds, 1.0))))

    def sample(self, key: Array, batch_size: int, split: str = "train") -> Batch:
        check_draw(batch_size, split)
        starts, steps = map(jnp.asarray, _rows(self, split))
        drawn = integers(random_words(jax.random.fold_in(key, SPLITS.index(split)), batch_size), 0, len(starts))
        time = self.time
        return self._batch(split, starts[drawn], jnp.minimum(steps[drawn], time), time)

    def evaluation(self, split: str = "validation", size: int = 1000) -> Batch:
        """All pieces of a split, whole and once each, whatever `size` and `length` are.

        Raises:
          InputError: a split other than "validation" and "test", or a size below 1.
        """
        check_evaluation(split, size)
        starts, steps = _rows(dataclasses.replace(self, length=0), split)
        return self._batch(split, jnp.asarray(starts), jnp.asarray(steps), int(steps.max()))

    def _batch(self, split: str, starts: Array, steps: Array, time: int) -> Batch:
        """Rows that begin at these frames and have so many steps, padded to `time`."""
        frames = read_corpus(self.data, self.corpus)[split].frames
        held = jax.lax.optimization_barrier(jnp.asarray(frames))  # or the compiler computes with the corpus for minutes
        places = jnp.minimum(starts[:, None] + jnp.arange(time + 1), len(frames) - 1)
        valid = jnp.arange(time) < steps[:, None]
        roll = held[places].astype(jnp.float32)
        shown = valid[..., None]
        return Batch(roll[:, :-1] * shown, roll[:, 1:] * shown, valid.astype(jnp.float32), steps.astype(jnp.int32))

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return _NOTES * binary_cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss", and the "accuracy": hits / (hits + misses + false alarms) over all frames, a note being said to
        sound where its output is positive."""
        loss = self.loss(outputs, batch)
        said, sounds = outputs > 0, batch.targets > 0
        hits = jnp.mean(said & sounds, -1, dtype=jnp.float32)
        either = jnp.mean(said | sounds | jnp.isnan(outputs), -1, dtype=jnp.float32)
        accuracy = masked_mean(hits, batch.mask) / jnp.maximum(masked_mean(either, batch.mask), 1e-9)
        return {"loss": loss, "accuracy": accuracy}

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """Loss below half the baseline."""
        return jnp.asarray(metrics["loss"]) < self.baseline / 2


@functools.lru_cache(maxsize=32)
def _rows(task: PianoRoll, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The first frame and the number of steps of each row of a split."""
    lengths = read_corpus(task.data, task.corpus)[split].lengths
    starts, steps = [], []
    for first, frames in zip(np.cumsum(lengths) - lengths, lengths, strict=True):
        most = task.length or max(frames - 1, 1)
        for start in range(0, frames - 1, most):
            starts.append(first + start)
            steps.append(min(most, frames - 1 - start))
    return np.asarray(starts, np.int32), np.asarray(steps, np.int32)


@functools.lru_cache(maxsize=8)
def read_corpus(folder: str, corpus: str) -> dict[str, Part]:
    """A corpus of piano rolls, by split.

    Raises:
      InputError: no file of the corpus in the folder, or one that holds something else.
    """
    path = pathlib.Path(folder)
    matlab, text = path / f"{corpus}.mat", path / f"{corpus}.json"
    found = folder and (matlab.is_file() or text.is_file())
    check(bool(found), "PianoRoll.data", folder, f"a folder with {corpus}.mat or {corpus}.json")
    try:
        pieces = _read_matlab(matlab) if matlab.is_file() else _read_json(text)
        parts = {split: _end_to_end(pieces[split]) for split in SPLITS}
    except (KeyError, TypeError, ValueError, IndexError, NotImplementedError) as error:
        expected = f"a file of piano rolls: traindata, validdata and testdata, or train, valid and test ({error!r})"
        raise InputError("PianoRoll.corpus", corpus, expected) from None
    return parts


def _read_matlab(path: pathlib.Path) -> dict[str, list[np.ndarray]]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        held = loadmat(path)
    except MatReadError as error:
        raise ValueError(str(error)) from None
    return {split: list(held[name].ravel()) for split, name in _MATLAB.items()}


def _read_json(path: pathlib.Path) -> dict[str, list[np.ndarray]]:
    held = json.loads(path.read_text())
    return {split: [_roll(piece) for piece in held[name]] for split, name in _JSON.items()}


def _roll(piece: Sequence[Sequence[int]]) -> np.ndarray:
    """`[frames, 88]` from the MIDI numbers of each frame."""
    roll = np.zeros((len(piece), _NOTES), np.uint8)
    for frame, notes in zip(roll, piece, strict=True):
        for note in notes:
            if not _LOWEST <= note < _LOWEST + _NOTES:
                raise ValueError(f"MIDI number {note}")
            frame[note - _LOWEST] = 1
    return roll


def _end_to_end(pieces: Sequence[np.ndarray]) -> Part:
    """The pieces of a split; those of a single frame have nothing to predict and are left out."""
    pieces = [np.asarray(piece) for piece in pieces]
    for piece in pieces:
        if piece.ndim != 2 or piece.shape[1] != _NOTES:
            raise ValueError(f"a piece of shape {piece.shape}")
    pieces = [piece for piece in pieces if len(piece) > 1]
    frames = np.concatenate(pieces)
    if not np.isin(frames, (0, 1)).all():
        raise ValueError("values other than 0 and 1")
    return Part(frames.astype(np.uint8), np.array([len(piece) for piece in pieces]))
