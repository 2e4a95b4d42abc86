"""Spoken words: which one is it, and how is it spelled?"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from rnnjax import metrics
from rnnjax.applications.application import Laptop
from rnnjax.applications.linear_baseline import logistic_regression
from rnnjax.applications.network import Networked
from rnnjax.cell import Cell
from rnnjax.data.audio import LABELS, Recording, recordings, split
from rnnjax.data.digit_names import spelled
from rnnjax.data.spectral import MFCC, LogMel, cosines, of_sounds
from rnnjax.errors import check, check_choice
from rnnjax.models.ctc import BLANK, beam_labelling, ctc_loss, greedy_labelling, least_steps, likeliest_labelling
from rnnjax.models.feature_reader import FeatureReader
from rnnjax.models.layers import POOLINGS
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import cross_entropy, masked_mean

Array = jax.Array
PyTree = Any

SPLITS = ("train", "validation", "test")
_CEPSTRA = 13


class Sound(NamedTuple):
    """An example.

    Attributes:
      name: of the file.
      features: `[frames, features]` float32, standardised.
      label: what is said, or "".
      target: the number of the label, or -1.
      letters: `[letters]` int32, from 1; 0 is the blank.
    """

    name: str
    features: np.ndarray
    label: str
    target: int
    letters: np.ndarray


@dataclasses.dataclass(frozen=True)
class Speech(Networked):
    """Which word is it? Recordings of single words, as sequences of log-mel or cepstral frames, read both ways.

    `data` is a folder, a `.tar.gz` or a `.zip` of wav files, all of one sampling rate. Labels are taken from names of
    the form `label_speaker_index.wav`, as in the Free Spoken Digit Dataset, or from the folders that files lie in;
    splits from folders train and test, or else as `rnnjax.data.audio.split` says: of the Free Spoken Digit Dataset
    recordings 0 to 4 of each speaker and digit are the test, which is its official one, and 5 to 9 the validation.

    With `target="word"` a sound has one of the labels of training; loss: cross-entropy in nats. With
    `target="letters"` it is spelled, by connectionist temporal classification over the letters of the labels (digits by
    their English names, other labels as they are, in lower case); loss: nats a recording. Metrics: the "accuracy" of
    whole words, with "macro_f1", or with "cer" and "wer".

    Features are standardised by the mean and deviation of each in training. Baseline: a logistic regression on the mean
    and the deviation over time of 13 cepstral coefficients.

    Args:
      target: "word" or "letters".
      features: "log_mel" or "mfcc" (13 coefficients with first and second differences).
      bands: of the mel scale.
      bidirectional: whether a second cell reads backwards; of a Transformer, whether a frame sees later ones.
      pooling: over the states, for `target="word"`: "last", "mean" or "max".
      readout_dropout: probability of a zero in what the readout reads, in training.
      noise: standard deviation of noise added to the standardised features, in training.
      shift: the most frames by which a sound is moved forwards or backwards, in training.
      beam: prefixes kept in decoding letters; 1 takes the likeliest path.
      lexicon: whether letters have to spell one of the labels of training: the likeliest of these is the answer.
      labels: "name", "folder" or "auto".
      rate: the sampling rate that all files must have, in Hz; 0 is that of the first.

    Raises:
      InputError: a field out of range; where data are read, a file that is no wav file or of another rate, by name.

    Source: Graves et al. 2006, doi:10.1145/1143844.1143891, for the letters; data: Jackson et al. 2018,
    doi:10.5281/zenodo.1342401.
    """

    name: ClassVar[str] = "speech"
    source: ClassVar[str] = "Graves et al. 2006, doi:10.1145/1143844.1143891; data doi:10.5281/zenodo.1342401"
    metric: ClassVar[str] = "accuracy"
    mode: ClassVar[Literal["min", "max"]] = "max"
    laptop: ClassVar[Laptop] = Laptop(
        cell="lstm",
        hidden=64,
        steps=1600,
        batch_size=32,
        evaluate_every=200,
        optimizer={"learning_rate": 3e-3, "schedule": "cosine", "clip": "norm"},
    )

    _: dataclasses.KW_ONLY
    target: str = "word"
    features: str = "log_mel"
    bands: int = 40
    bidirectional: bool = True
    pooling: str = "mean"
    readout_dropout: float = 0.2
    noise: float = 0.1
    shift: int = 0
    beam: int = 8
    lexicon: bool = False
    labels: str = "auto"
    rate: int = 0

    def __post_init__(self):
        super().__post_init__()
        check_choice("target", self.target, ("word", "letters"))
        check_choice("features", self.features, ("log_mel", "mfcc"))
        check_choice("pooling", self.pooling, POOLINGS)
        check_choice("labels", self.labels, LABELS)
        check(not self.tfds, "tfds", self.tfds, "nothing: speech is read from wav files, through data")
        least = {"bands": _CEPSTRA if self.features == "mfcc" else 1, "shift": 0, "beam": 1, "rate": 0}
        for field, lowest in least.items():
            given = getattr(self, field)
            check(isinstance(given, int) and given >= lowest, field, given, f"an int of at least {lowest}")
        check(0 <= self.readout_dropout < 1, "readout_dropout", self.readout_dropout, "a probability from 0 to below 1")
        check(self.noise >= 0, "noise", self.noise, "a number >= 0")

    def transform(self, rate: int) -> LogMel | MFCC:
        """What makes features of sound at a sampling rate."""
        mel = LogMel(rate, bands=self.bands)
        return MFCC(mel, coefficients=_CEPSTRA, orders=2) if self.features == "mfcc" else mel

    def fit_data(self) -> dict[str, Any]:
        sounds, features = _read(self)
        frames = np.concatenate(features["train"])
        labels = sorted({sound.label for sound in sounds["train"]})
        letters = sorted(set("".join(map(spelled, labels))))
        return {
            "rate": sounds["train"][0].rate,
            "labels": labels,
            "letters": letters,
            "mean": frames.mean(0).astype(float).tolist(),
            "deviation": np.maximum(frames.std(0), 1e-3).astype(float).tolist(),
        }

    def examples(self, split: str) -> Sequence[Sound]:
        check_choice("split", split, SPLITS)
        return _examples(self, split)

    @property
    def _words(self) -> list[str]:
        """How the labels of training are spelled."""
        return list(map(spelled, self.fitted()["labels"]))

    def length(self, example: Sound) -> int:
        return len(example.features)

    def collate(self, examples: list[Sound], time: int) -> Batch:
        inputs = np.zeros((len(examples), time, examples[0].features.shape[-1]), np.float32)
        most = max(map(len, self._words))
        letters = np.zeros((len(examples), most), np.int32)
        for row, example in enumerate(examples):
            inputs[row, : len(example.features)] = example.features
            letters[row, : len(example.letters)] = example.letters
        target = np.array([example.target for example in examples], np.int32)
        mask = (target >= 0).astype(np.float32)
        lengths = np.array([len(example.features) for example in examples], np.int32)
        targets = np.maximum(target, 0) if self.target == "word" else letters
        arrays: tuple[Any, ...] = (inputs, targets, mask, lengths)
        return Batch(*arrays)

    def model(self, cell: Cell) -> nn.Module:
        fitted, word = self.fitted(), self.target == "word"
        return FeatureReader(
            self.sequence_network(cell),
            len(fitted["labels"]) if word else 1 + len(fitted["letters"]),
            pooling=self.pooling if word else "",
            bidirectional=self.bidirectional,
            dropout=self.readout_dropout,
            noise=self.noise,
            shift=self.shift,
        )

    def loss(self, outputs: Array, batch: Batch) -> Array:
        if self.target == "word":
            return masked_mean(cross_entropy(outputs, batch.targets), batch.mask)
        return masked_mean(ctc_loss(outputs, batch.lengths, batch.targets), batch.mask)

    def answers(self, outputs: Array, batch: Batch) -> list[str]:
        fitted = self.fitted()
        if self.target == "word":
            return [fitted["labels"][place] for place in np.argmax(outputs, -1)]
        if self.lexicon:
            rows = [_numbers(word, fitted["letters"]) for word in self._words]
            known = np.stack([np.pad(row, (0, max(map(len, rows)) - len(row))) for row in rows])
            return [self._words[place] for place in np.asarray(_likeliest(outputs, batch.lengths, known))]
        found = np.asarray(_decoder(self.beam)(outputs, batch.lengths))
        return ["".join(fitted["letters"][place - 1] for place in row if place != BLANK) for row in found]

    def score(self, answers: list[str], examples: Sequence[Sound]) -> dict[str, float]:
        if self.target == "word":
            said = [example.label for example in examples]
            return {"accuracy": metrics.accuracy(answers, said), "macro_f1": metrics.f1(answers, said)}
        said = [spelled(example.label) for example in examples]
        return {
            "accuracy": float(np.mean([given == wanted for given, wanted in zip(answers, said, strict=True)])),
            "cer": metrics.character_error_rate(answers, said),
            "wer": metrics.word_error_rate(answers, said),
        }

    def baseline(self, split: str = "test") -> dict[str, float]:
        learned, asked = self.examples("train"), self.examples(split)
        targets = np.array([example.label for example in learned])
        found = map(str, logistic_regression(self._summaries(learned), targets, self._summaries(asked)))
        return self.score([label if self.target == "word" else spelled(label) for label in found], asked)

    def _summaries(self, examples: Sequence[Sound]) -> np.ndarray:
        """Mean and deviation over time of the cepstral coefficients, `[examples, 26]`."""
        mean, deviation = (np.array(self.fitted()[name]) for name in ("mean", "deviation"))
        rows = []
        for example in examples:
            frames = example.features * deviation + mean
            if self.features == "log_mel":
                frames = frames @ cosines(self.bands, min(_CEPSTRA, self.bands))
            rows.append(np.concatenate([frames[:, :_CEPSTRA].mean(0), frames[:, :_CEPSTRA].std(0)]))
        return np.stack(rows)

    def read_inputs(self, path: str) -> list[Sound]:
        """The wav files of a folder or an archive, or one wav file; of the sampling rate of training."""
        sounds = recordings(path, labels="", rate=self.fitted()["rate"], argument="--input")
        features = of_sounds(self.transform(self.fitted()["rate"]), [sound.samples for sound in sounds])
        return [_encoded(self, *pair) for pair in zip(sounds, features, strict=True)]

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[Sound]) -> list[dict[str, Any]]:
        pairs = zip(examples, super().predict(model, params, examples), strict=True)
        return [{"file": example.name, **answer} for example, answer in pairs]

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        from rnnjax.applications.speech_figures import confusion_section, letters_section

        section = confusion_section if self.target == "word" else letters_section
        return (section(self, model, params),)


@functools.lru_cache(maxsize=4)
def _decoder(beam: int) -> Any:
    if beam == 1:
        return jax.jit(lambda outputs, lengths: greedy_labelling(outputs, lengths).labels)
    return jax.jit(lambda outputs, lengths: beam_labelling(outputs, lengths, beam).labels)


_likeliest = jax.jit(likeliest_labelling)


def _read(application: Speech) -> tuple[dict[str, list[Recording]], dict[str, list[np.ndarray]]]:
    return _features(application.data, application.labels, application.rate, application.features, application.bands)


@functools.lru_cache(maxsize=2)
def _features(
    data: str, labels: str, rate: int, features: str, bands: int
) -> tuple[dict[str, list[Recording]], dict[str, list[np.ndarray]]]:
    sounds = split(recordings(data, labels=labels, rate=rate or None))
    transform = Speech(features=features, bands=bands).transform(sounds["train"][0].rate)
    every = of_sounds(transform, [sound.samples for part in SPLITS for sound in sounds[part]])
    found, start = {}, 0
    for part in SPLITS:
        found[part] = every[start : start + len(sounds[part])]
        start += len(sounds[part])
    return sounds, found


@functools.lru_cache(maxsize=12)
def _examples(application: Speech, part: str) -> list[Sound]:
    sounds, features = _read(application)
    return [_encoded(application, *pair) for pair in zip(sounds[part], features[part], strict=True)]


def _encoded(application: Speech, sound: Recording, features: np.ndarray) -> Sound:
    fitted = application.fitted()
    scaled = (features - np.array(fitted["mean"])) / np.array(fitted["deviation"])
    if not sound.label:
        return Sound(sound.name, scaled.astype(np.float32), "", -1, np.zeros(0, np.int32))
    expected = f"one of {', '.join(fitted['labels'][:12])}"
    check(sound.label in fitted["labels"], sound.name, f"the label {sound.label!r}", expected)
    letters = _numbers(spelled(sound.label), fitted["letters"])
    if application.target == "letters":
        needed = least_steps(letters)
        check(len(scaled) >= needed, sound.name, f"{len(scaled)} frames", f"at least {needed} for {sound.label!r}")
    return Sound(sound.name, scaled.astype(np.float32), sound.label, fitted["labels"].index(sound.label), letters)


def _numbers(word: str, letters: list[str]) -> np.ndarray:
    return np.array([1 + letters.index(letter) for letter in word], np.int32)
