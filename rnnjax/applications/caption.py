"""One to many: the name of what an image shows, a letter at a time."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import numpy as np

from rnnjax import metrics
from rnnjax.applications import pictures
from rnnjax.applications.application import SPLITS, Evaluation, Laptop, judged
from rnnjax.applications.linear_baseline import logistic_regression
from rnnjax.applications.network import Networked
from rnnjax.applications.pictures import Picture, Pictures
from rnnjax.cell import Cell
from rnnjax.data.digit_names import spelled
from rnnjax.data.vocabulary import Vocabulary
from rnnjax.errors import check, check_choice
from rnnjax.models.captioner import Captioner, describe
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import cross_entropy, masked_mean

Array = jax.Array
PyTree = Any

_SPECIALS = ("<pad>", "<unk>", "<eos>")


@dataclasses.dataclass(frozen=True)
class Caption(Networked):
    """The written name of what an image shows: "seven" for a seven, letter by letter.

    Images come from `data` or `tfds` as for `rnnjax.applications.pixels.Pixels`, or are the digits that come with
    scikit-learn. The name of a digit is the English one, that of any other label the label itself in lower case. A
    small convolution turns the image into a vector, which is the cell's first input; its next ones are the letters
    written so far: those of the caption in training, its own afterwards.

    Loss: cross-entropy in nats a letter, the end included, on the letters of the caption. Metrics: "exact", the share
    of captions that are right as a whole, and "cer", the character error rate, both of what the model writes by itself.
    Baseline: a logistic regression on the pixels, and the name of what it says.

    Args:
      embedding: width of the vectors of the image and of letters.
      channels: of the first convolution; the second has twice as many.
      beam: beginnings that decoding keeps; 1 is greedy.
      penalty: exponent of the length penalty of the beam.

    Raises:
      InputError: a field out of range; where data are read, files that are not what they should be, by name.

    Source: Vinyals et al. 2015, arXiv:1411.4555.
    """

    name: ClassVar[str] = "caption"
    source: ClassVar[str] = "Vinyals et al. 2015, arXiv:1411.4555"
    metric: ClassVar[str] = "exact"
    mode: ClassVar[Literal["min", "max"]] = "max"
    laptop: ClassVar[Laptop] = Laptop(
        cell="gru",
        hidden=64,
        steps=1800,
        batch_size=64,
        evaluate_every=300,
        optimizer={"learning_rate": 2e-3, "schedule": "cosine", "clip": "norm"},
    )

    _: dataclasses.KW_ONLY
    embedding: int = 64
    channels: int = 16
    beam: int = 1
    penalty: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        for field in ("embedding", "channels", "beam"):
            given = getattr(self, field)
            check(given > 0, field, given, "a positive int")
        check(self.penalty >= 0, "penalty", self.penalty, "a number >= 0")

    def fit_data(self) -> dict[str, Any]:
        fitted = pictures.fit(self.data, self.tfds, self.data_dir)
        letters = Vocabulary.of("".join(map(spelled, fitted["labels"])), specials=_SPECIALS)
        return fitted | {"vocabulary": letters.to_json()}

    @property
    def letters(self) -> Vocabulary:
        """The letters, with their numbers."""
        return _letters(self)

    def caption(self, target: int) -> str:
        """The caption of a label, by its number."""
        return spelled(self.fitted()["labels"][target])

    def examples(self, split: str) -> Pictures:
        check_choice("split", split, SPLITS)
        return _examples(self, split)

    @property
    def longest(self) -> int:
        """Letters of the longest caption, and the end."""
        return 1 + max(len(spelled(label)) for label in self.fitted()["labels"])

    def length(self, example: Picture) -> int:
        del example
        return self.longest  # one shape: captions are short, and in use nobody knows how long one will be

    def collate(self, examples: list[Picture], time: int) -> Batch:
        letters = self.letters
        targets = np.zeros((len(examples), time), np.int32)
        lengths = np.full(len(examples), time, np.int32)
        for row, example in enumerate(examples):
            if example.target >= 0:
                ids = letters.encode([*self.caption(example.target), "<eos>"])
                targets[row, : len(ids)], lengths[row] = ids, len(ids)
        images = pictures.scaled(np.stack([example.pixels for example in examples]), self.fitted()["scale"])
        words = np.pad(targets, [(0, 0), (1, 0)])[:, :-1]
        mask = (targets != Vocabulary.PAD).astype(np.float32)
        arrays: tuple[Any, ...] = ({"image": images, "words": words}, targets, mask, lengths)
        return Batch(*arrays)

    def model(self, cell: Cell) -> Captioner:
        channels = (self.channels, 2 * self.channels)
        network = self.sequence_network(cell, self.longest)
        return Captioner(network, len(self.letters), features=self.embedding, channels=channels)

    def loss(self, outputs: Array, batch: Batch) -> Array:
        return masked_mean(cross_entropy(outputs, batch.targets), batch.mask)

    def answers(self, outputs: Array, batch: Batch) -> list[str]:
        """The likeliest letter at each step, given those of the caption before it: not what the model writes."""
        return [self._text(row) for row in np.argmax(outputs, -1)]

    def _text(self, ids: np.ndarray) -> str:
        letters = self.letters
        ends = np.flatnonzero(ids == letters.eos)
        words = letters.decode(ids[: ends[0]] if len(ends) else ids)
        return "".join(word for word in words if word not in _SPECIALS)

    def score(self, answers: list[str], examples: Sequence[Picture]) -> dict[str, float]:
        true = [self.caption(example.target) for example in examples]
        exact = float(np.mean([given == wanted for given, wanted in zip(answers, true, strict=True)]))
        return {"exact": exact, "cer": metrics.character_error_rate(answers, true)}

    def evaluate(
        self,
        model: nn.Module,
        params: PyTree,
        split: str = "validation",
        batch_size: int = 64,
        limit: int | None = None,
    ) -> Evaluation:
        """How good the captions are that a model writes by itself, and what those of a split cost it."""
        check_choice("split", split, SPLITS)
        examples = self.examples(split)
        answers: list[str] = []
        total = counted = 0.0
        for batch, real in self.evaluation_batches(examples, batch_size, limit):
            _, loss = judged(self, model)(params, batch)
            weight = float(np.sum(batch.mask))
            total, counted = total + float(loss) * weight, counted + weight
            answers += self._written(model, params, batch, real)
        scores = self.score(answers, [examples[place] for place in range(len(answers))])
        return Evaluation({"loss": total / max(counted, 1), **scores}, answers)

    def _written(self, model: nn.Module, params: PyTree, batch: Batch, real: int) -> list[str]:
        inputs: Any = batch.inputs
        return [self._text(row) for row in np.asarray(_decoder(self, model)(params, inputs["image"]))[:real]]

    def baseline(self, split: str = "test") -> dict[str, float]:
        learned, asked = self.examples("train"), self.examples(split)
        flat = [np.asarray(part.pixels, np.float32).reshape(len(part), -1) for part in (learned, asked)]
        found = logistic_regression(flat[0], learned.targets, flat[1], strength=0.01, iterations=60)
        return self.score([self.caption(target) for target in found], asked)

    def read_inputs(self, path: str) -> Pictures:
        """The images of an idx file, or of an npz file with one array of images."""
        return pictures.unlabelled(path, self.fitted()["shape"])

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[Picture]) -> list[dict[str, Any]]:
        """The caption that the model writes under each image."""
        answers: list[str] = []
        for batch, real in self.evaluation_batches(examples, min(64, max(len(examples), 1))):
            answers += self._written(model, params, batch, real)
        return [{"image": place, "answer": answer} for place, answer in enumerate(answers)]

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        from rnnjax.analysis.figures_images import captions_figure

        examples = self.examples("test")
        answers = self.evaluate(model, params, "test").answers
        true = [self.caption(target) for target in examples.targets]
        wrong = [place for place, pair in enumerate(zip(answers, true, strict=True)) if pair[0] != pair[1]][:6]
        figures = []
        for caption, rows in (
            ("The first images of the test split.", list(range(min(12, len(examples))))),
            ("The first images whose caption is wrong, with what is right.", wrong),
        ):
            if rows:
                texts = [[names[place] for place in rows] for names in (answers, true)]
                figures.append((caption, captions_figure(examples.pixels[rows], *texts)))
        return (Section("Captions", "", tuple(figures)),)


@functools.lru_cache(maxsize=8)
def _decoder(application: Caption, model: Captioner) -> Any:
    end, width = application.letters.eos, application.beam
    assert end is not None  # the vocabulary has one
    options: dict[str, Any] = dict(end=end, length=application.longest, width=width, penalty=application.penalty)
    return jax.jit(lambda params, images: describe(model, params, images, **options))


@functools.lru_cache(maxsize=8)
def _letters(application: Caption) -> Vocabulary:
    return Vocabulary.from_json(application.fitted()["vocabulary"])


@functools.lru_cache(maxsize=12)
def _examples(application: Caption, split: str) -> Pictures:
    found = pictures.read(application.data, application.tfds, application.data_dir)[split]
    return pictures.pictures(found, application.fitted()["labels"])
