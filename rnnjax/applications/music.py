"""Polyphonic music: which notes sound next, learned from piano rolls, and pieces written by a trained model."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.applications.application import SPLITS, Laptop, judged
from rnnjax.applications.network import Networked
from rnnjax.applications.notes import KEYS, LOWEST, note_name, read_notes, written_notes
from rnnjax.applications.piano_rolls import Piece, in_pairs, rows_of
from rnnjax.cell import Cell
from rnnjax.errors import InputError, check, check_choice
from rnnjax.models.bit_predictor import BitPredictor
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import binary_cross_entropy, masked_mean

Array = jax.Array
PyTree = Any


_SMALL = 50_000  # training frames below which a network of the preset's size learns them by heart
_DROPOUT = {True: 0.3, False: 0.2}
_WINDOW = {True: 0, False: 100}
_OPTIMIZER = {"name": "adam", "clip": "norm"}
_LAPTOP = {
    True: Laptop("lstm", 100, 1, 1400, 16, 100, {**_OPTIMIZER, "learning_rate": 3e-3}, patience=3),
    False: Laptop(
        "lstm", 200, 1, 2500, 16, 250, {**_OPTIMIZER, "learning_rate": 5e-3, "schedule": "cosine"}, patience=4
    ),
}


class _Preset:
    """The preset of an application, by the size of its corpus; that of a large one where there is none to look at."""

    def __get__(self, music: Music | None, owner: type[Music]) -> Laptop:
        try:
            return _LAPTOP[music is not None and _is_small(music)]
        except InputError:  # said where the data are read
            return _LAPTOP[False]


@dataclasses.dataclass(frozen=True)
class Music(Networked):
    """Which notes sound in the next frame? 88 independent bits, given all frames before.

    To train, pieces are cut into rows of at most `window` steps that follow each other, each without a past; they are
    evaluated whole. The first frame of a piece is not predicted. "loss": the sum over keys of the cross-entropy, in
    nats a frame, the mean over frames and not over pieces, as in the tables of the literature. "accuracy": hits / (hits
    + misses + false alarms) over all frames, a note being said to sound where its probability exceeds one half (Bay,
    Ehmann & Downie 2009, ISMIR, Evaluation of multiple-F0 estimation and tracking systems).

    Baselines, fitted to the training pieces: "loss" and "accuracy" are those of the last frame repeated: each key
    sounds with one of two probabilities of its own, by whether it sounds in the frame before. "frequencies_loss" is
    that of each key's frequency, whatever came before.

    Args:
      data: a file of piano rolls, or a folder with one: `.mat` with the cell arrays traindata, validdata and testdata
        of matrices `[frames, 88]`, or `.json` with lists train, valid and test of pieces, each a list of frames, each a
        list of MIDI numbers from 21 to 108.
      corpus: the file's name without its ending, where `data` is a folder with several.
      window: the most steps of a training row; 0 means whole pieces, and `None` 0 where there are fewer than 50,000
        training frames, else 100. Of a Transformer also the most steps that it reads at once, 100 unless given.
      output_dropout: of the outputs of the recurrent layer; `None` is 0.3 or 0.2, likewise.
      input_dropout: of what the recurrent layer reads.
      informed: whether the network starts from the frequencies of the keys also where there are fewer training frames:
        it then learns faster, and overfits long before it is as good as one that starts from even odds.

    Raises:
      InputError: a number out of range; from the methods, data that cannot be read.
    """

    name: ClassVar[str] = "music"
    source: ClassVar[str] = "Boulanger-Lewandowski, Bengio & Vincent 2012, arXiv:1206.6392"
    laptop: ClassVar[Any] = _Preset()

    _: dataclasses.KW_ONLY
    corpus: str = ""
    window: int | None = None
    output_dropout: float | None = None
    input_dropout: float = 0.0
    informed: bool = False

    def __post_init__(self):
        super().__post_init__()
        whole = isinstance(self.window, int) and not isinstance(self.window, bool) and self.window >= 0
        check(self.window is None or whole, "Music.window", self.window, "an int >= 0, or None")
        bounded = self.network == "recurrent" or self.window != 0
        check(bounded, "Music.window", self.window, 'a positive int, or None, with network "transformer"')
        given = self.output_dropout
        valid = given is None or (isinstance(given, int | float) and 0 <= given < 1)
        check(valid, "Music.output_dropout", given, "a number in [0, 1), or None")
        given = self.input_dropout
        check(isinstance(given, int | float) and 0 <= given < 1, "Music.input_dropout", given, "a number in [0, 1)")
        check(not self.tfds, "Music.tfds", self.tfds, "nothing: piano rolls are read from `data`")

    def fit_data(self) -> dict[str, Any]:
        """The number of training frames, and how many of them each key sounds in."""
        frames = in_pairs(rows_of(self.data, self.corpus, "train", 0))[1]
        return {"frames": len(frames), "sounding": frames.sum(0).astype(int).tolist()}

    def examples(self, split: str) -> Sequence[Piece]:
        check_choice("split", split, SPLITS)
        return rows_of(self.data, self.corpus, split, self._window if split == "train" else 0)

    @property
    def _window(self) -> int:
        if self.window is not None:
            return self.window
        return _WINDOW[_is_small(self) and self.network == "recurrent"]

    def length(self, example: Piece) -> int:
        return len(example.frames) - 1

    def collate(self, examples: list[Piece], time: int) -> Batch:
        frames = np.zeros((len(examples), time + 1, KEYS), np.float32)
        lengths = np.array([len(example.frames) - 1 for example in examples], np.int32)
        for row, example in zip(frames, examples, strict=True):
            row[: len(example.frames)] = example.frames
        valid = np.arange(time) < lengths[:, None]
        shown = frames[:, :-1] * valid[..., None]  # the last frame of a row is a target alone
        return Batch(shown, frames[:, 1:], valid.astype(np.float32), lengths)  # pyright: ignore[reportArgumentType]

    def model(self, cell: Cell) -> nn.Module:
        dropout = _DROPOUT[_is_small(self)] if self.output_dropout is None else self.output_dropout
        odds = np.zeros(KEYS) if _is_small(self) and not self.informed else _odds(self)
        network = self.sequence_network(cell, self._window)
        return BitPredictor(network, tuple(odds.tolist()), dropout, self.input_dropout)

    def loss(self, outputs: PyTree, batch: Batch) -> Array:
        return masked_mean(KEYS * binary_cross_entropy(outputs, batch.targets), batch.mask)

    def answers(self, outputs: PyTree, batch: Batch) -> list[np.ndarray]:
        """The probabilities of the keys at each step of a row, `[steps, 88]` float32."""
        odds = np.asarray(outputs, np.float32)
        return [1 / (1 + np.exp(-row[:length])) for row, length in zip(odds, np.asarray(batch.lengths), strict=True)]

    def score(self, answers: list[np.ndarray], examples: Sequence[Piece]) -> dict[str, float]:
        said = np.concatenate([answer > 0.5 for answer in answers])
        return {"accuracy": frame_accuracy(said, np.concatenate([example.frames[1:] for example in examples]))}

    def baseline(self, split: str = "test") -> dict[str, float]:
        before, after = in_pairs(rows_of(self.data, self.corpus, "train", 0))
        steady = [(after * before).sum(0), before.sum(0)], [(after * (1 - before)).sum(0), (1 - before).sum(0)]
        sounding, silent = ((hits + 0.5) / (count + 1) for hits, count in steady)
        shown, truth = in_pairs(self.examples(split))
        said = np.where(shown > 0, sounding, silent)
        share = (after.sum(0) + 0.5) / (len(after) + 1)
        return {
            "loss": _nats(said, truth),
            "accuracy": frame_accuracy(said > 0.5, truth),
            "frequencies_loss": _nats(np.broadcast_to(share, truth.shape), truth),
        }

    def read_inputs(self, path: str) -> list[Piece]:
        """Pieces from a `.json` file: a list of pieces, each a list of frames, each a list of MIDI numbers."""
        try:
            pieces = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError("--input", path, f"a file of JSON ({error})") from None
        check(isinstance(pieces, list) and len(pieces) > 0, "--input", path, "a list of pieces that is not empty")
        found = []
        for number, piece in enumerate(pieces, 1):
            where, lists = f"{path}, piece {number}", isinstance(piece, list) and len(piece) > 0
            check(lists and all(isinstance(frame, list) for frame in piece), where, piece, "a list of lists of notes")
            text = "\n".join(" ".join(map(str, frame)) or "-" for frame in piece)
            frames = read_notes(text, where)
            found.append(Piece(np.concatenate([frames, np.zeros_like(frames[:1])])))  # what comes next is not known
        return found

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[Piece]) -> list[dict[str, Any]]:
        """After each piece, the notes that are likely in its next frame, with their probabilities."""
        rows = []
        for batch, real in self.evaluation_batches(examples, min(16, max(len(examples), 1))):
            outputs, _ = judged(self, model)(params, batch)
            for said in self.answers(jax.device_get(outputs), batch)[:real]:
                likely = np.argsort(-said[-1], kind="stable")[:8]
                rows.append({"next": {note_name(LOWEST + int(key)): round(float(said[-1, key]), 4) for key in likely}})
        return rows

    def generate(
        self,
        model: nn.Module,
        params: PyTree,
        prompt: str,
        length: int,
        key: Array,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> str:
        """Frames that follow a prompt, drawn one after the other, a line each, such as "C4 E4 G4".

        Args:
          model: of `self.model`.
          params: its parameters.
          prompt: frames apart by lines or `|`; if there are none, the first is drawn from the frequencies of the keys.
          length: frames to draw.
          key: from `jax.random.key`.
          temperature: logits are divided by it; 0 lets each note sound whose probability exceeds one half.
          top_k: at most so many notes a frame, the likeliest ones.
          top_p: has no meaning for notes that are independent, and is not to be given.
        """
        check(top_p is None or top_p == 1, "top_p", top_p, "nothing: the notes of a frame are independent")
        check(isinstance(length, int) and length > 0, "length", length, "a positive int")
        check(temperature >= 0, "temperature", temperature, "a number >= 0")
        given = top_k is None or (isinstance(top_k, int) and 1 <= top_k <= KEYS)
        check(given, "top_k", top_k, f"an int from 1 to {KEYS}")
        frames = read_notes(prompt)
        start_key, key = jax.random.split(key)
        if not len(frames):
            frames = np.asarray(jax.random.bernoulli(start_key, jax.nn.sigmoid(_odds(self))), np.uint8)[None]
        drawn = _continued(model, length, float(temperature), top_k or KEYS)(params, jnp.asarray(frames, float), key)
        return written_notes(np.asarray(drawn))

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        from rnnjax.analysis.figures_recall import roll_figure

        pieces = [self.examples("test")[0]] if self.data else []
        if not pieces:
            return ()
        (batch, _), *_ = self.evaluation_batches(pieces, 1)
        outputs, _ = judged(self, model)(params, batch)
        said = self.answers(jax.device_get(outputs), batch)[0]
        figure = roll_figure({"what sounds": pieces[0].frames[1:], "probability": said}, lowest=LOWEST)
        text = "The first piece of the test split, frame by frame, and the probabilities given all frames before."
        return (Section("A piece", text, ((text, figure),)),)


def frame_accuracy(said: np.ndarray, truth: np.ndarray) -> float:
    """hits / (hits + misses + false alarms) over all frames, `[frames, keys]` each; 1 where nothing sounds at all."""
    said, truth = np.asarray(said, bool), np.asarray(truth, bool)
    either = int((said | truth).sum())
    return int((said & truth).sum()) / either if either else 1.0


def _nats(said: np.ndarray, truth: np.ndarray) -> float:
    """The mean over frames of the cross-entropy of all keys."""
    return float(-np.where(truth > 0, np.log(said), np.log1p(-said)).sum(1).mean())


def _is_small(music: Music) -> bool:
    return music.fitted()["frames"] < _SMALL


def _odds(music: Music) -> np.ndarray:
    """The log odds of each key in the training frames, finite for keys that never sound."""
    fitted = music.fitted()
    sounding = np.asarray(fitted["sounding"], float)
    return np.log(sounding + 0.5) - np.log(fitted["frames"] - sounding + 0.5)


@functools.lru_cache(maxsize=8)
def _continued(model: Any, length: int, temperature: float, top_k: int) -> Any:
    """`(params, frames [frames, 88], key) -> [length, 88]`, compiled."""

    def draw(logits, key):
        kept = logits >= jax.lax.top_k(logits, top_k)[0][-1]
        sounds = logits > 0 if temperature == 0 else jax.random.bernoulli(key, jax.nn.sigmoid(logits / temperature))
        return (kept & sounds).astype(logits.dtype)

    def run(params, frames, key):
        def apply(frames, carry):
            outcome: Any = model.apply({"params": params}, frames[None], None, carry)
            return outcome[0], outcome[1][0, -1]

        def step(state, key):
            carry, logits = state
            frame = draw(logits, key)
            return apply(frame[None], carry), frame

        return jax.lax.scan(step, apply(frames, model.cell.initial_carry((1,))), jax.random.split(key, length))[1]

    return jax.jit(run)
