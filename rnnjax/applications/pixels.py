"""Images as sequences: which class is it, read row by row or pixel by pixel?"""

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
from rnnjax.applications.application import SPLITS, Laptop
from rnnjax.applications.linear_baseline import logistic_regression
from rnnjax.applications.network import Networked
from rnnjax.applications.pictures import Picture, Pictures
from rnnjax.cell import Cell
from rnnjax.errors import check, check_choice
from rnnjax.models.feature_reader import FeatureReader
from rnnjax.models.layers import POOLINGS
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import cross_entropy, masked_mean

Array = jax.Array
PyTree = Any

_PERMUTATION_SEED = 92916  # that of `rnnjax.tasks.MNIST`


@dataclasses.dataclass(frozen=True)
class Pixels(Networked):
    """Which class is an image of? Each is a sequence of rows, or of pixels.

    | order | steps | features |
    |---|---|---|
    | `row` | height, top to bottom | width * channels |
    | `pixel` | height * width, left to right and top to bottom | channels |
    | `permuted` | the same in one fixed random order, that of `rnnjax.tasks.MNIST` | channels |

    `data` is a folder with idx files, those of MNIST for example, or an npz file, as `rnnjax.data.images.read` says;
    `tfds` a data set with images and labels, such as mnist. With neither, the images are the 1797 digits of 8 by 8
    pixels that come with scikit-learn. Values are divided by 255, or by their largest magnitude in training if they are
    no bytes.

    Loss: cross-entropy in nats. Metrics: "accuracy" and "macro_f1". Baseline: a logistic regression on the pixels.

    Args:
      order: "row", "pixel" or "permuted".
      bidirectional: whether a second cell reads from the end; of a Transformer, whether a step sees later ones.
      pooling: over the states: "last", "mean" or "max".
      readout_dropout: probability of a zero in what the readout reads, in training.

    Raises:
      InputError: an unknown order or pooling; where data are read, files that are not what they should be, by name.

    Source: Le, Jaitly & Hinton 2015, arXiv:1504.00941; MNIST: LeCun et al. 1998, doi:10.1109/5.726791.
    """

    name: ClassVar[str] = "pixels"
    source: ClassVar[str] = "Le, Jaitly & Hinton 2015, arXiv:1504.00941"
    metric: ClassVar[str] = "accuracy"
    mode: ClassVar[Literal["min", "max"]] = "max"
    laptop: ClassVar[Laptop] = Laptop(
        cell="lstm",
        hidden=128,
        steps=1800,
        batch_size=64,
        evaluate_every=300,
        optimizer={"learning_rate": 2e-3, "schedule": "cosine", "clip": "norm"},
    )

    _: dataclasses.KW_ONLY
    order: str = "row"
    bidirectional: bool = False
    pooling: str = "last"
    readout_dropout: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        check_choice("order", self.order, ("row", "pixel", "permuted"))
        check_choice("pooling", self.pooling, POOLINGS)
        check(0 <= self.readout_dropout < 1, "readout_dropout", self.readout_dropout, "a probability from 0 to below 1")

    def fit_data(self) -> dict[str, Any]:
        return pictures.fit(self.data, self.tfds, self.data_dir)

    def examples(self, split: str) -> Pictures:
        check_choice("split", split, SPLITS)
        return _examples(self, split)

    def length(self, example: Picture) -> int:
        height, width, _ = example.pixels.shape
        return height if self.order == "row" else height * width

    def collate(self, examples: list[Picture], time: int) -> Batch:
        images = pictures.scaled(np.stack([example.pixels for example in examples]), self.fitted()["scale"])
        if self.order == "permuted":
            images = images.reshape(len(images), -1, images.shape[-1])
            images = images[:, np.random.RandomState(_PERMUTATION_SEED).permutation(images.shape[1])]
        targets = np.array([example.target for example in examples], np.int32)
        arrays: tuple[Any, ...] = (
            images.reshape(len(images), time, -1),
            np.maximum(targets, 0),
            (targets >= 0).astype(np.float32),
            np.full(len(images), time, np.int32),
        )
        return Batch(*arrays)

    def model(self, cell: Cell) -> nn.Module:
        return FeatureReader(
            self.sequence_network(cell),
            len(self.fitted()["labels"]),
            pooling=self.pooling,
            bidirectional=self.bidirectional,
            dropout=self.readout_dropout,
        )

    def loss(self, outputs: Array, batch: Batch) -> Array:
        return masked_mean(cross_entropy(outputs, batch.targets), batch.mask)

    def answers(self, outputs: Array, batch: Batch) -> list[str]:
        labels = self.fitted()["labels"]
        return [labels[place] for place in np.argmax(outputs, -1)]

    def score(self, answers: list[str], examples: Sequence[Picture]) -> dict[str, float]:
        labels = self.fitted()["labels"]
        shown = [labels[example.target] for example in examples]
        return {"accuracy": metrics.accuracy(answers, shown), "macro_f1": metrics.f1(answers, shown)}

    def baseline(self, split: str = "test") -> dict[str, float]:
        learned, asked = self.examples("train"), self.examples(split)
        found = logistic_regression(_flat(learned), learned.targets, _flat(asked), strength=0.01, iterations=60)
        return self.score([self.fitted()["labels"][label] for label in found], asked)

    def read_inputs(self, path: str) -> Pictures:
        """The images of an idx file, or of an npz file with one array of images."""
        return pictures.unlabelled(path, self.fitted()["shape"])

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[Picture]) -> list[dict[str, Any]]:
        found = super().predict(model, params, examples)
        return [{"image": place, **answer} for place, answer in enumerate(found)]

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        from rnnjax.analysis.figures_images import captions_figure
        from rnnjax.analysis.figures_models import confusion_figure

        labels, examples = self.fitted()["labels"], self.examples("test")
        answers = self.evaluate(model, params, "test").answers
        shown = [labels[target] for target in examples.targets]
        matrix = confusion_figure(metrics.confusion_matrix(answers, shown, classes=labels), labels)
        wrong = [place for place, pair in enumerate(zip(answers, shown, strict=True)) if pair[0] != pair[1]][:12]
        figures = [("How often each class was taken for each, in the test split.", matrix)]
        if wrong:
            texts = [[names[place] for place in wrong] for names in (answers, shown)]
            mistakes = captions_figure(examples.pixels[wrong], *texts)
            figures.append(("The first images of the test split that are mistaken, and what they are.", mistakes))
        return (Section("Which classes are mistaken", "", tuple(figures)),)


def _flat(examples: Pictures) -> np.ndarray:
    return np.asarray(examples.pixels, np.float32).reshape(len(examples), -1)


@functools.lru_cache(maxsize=12)
def _examples(application: Pixels, split: str) -> Pictures:
    found = pictures.read(application.data, application.tfds, application.data_dir)[split]
    return pictures.pictures(found, application.fitted()["labels"])
