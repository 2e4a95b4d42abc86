"""An application on made-up data: which of two letters occurs more often in a word of a file."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import ClassVar

import flax.linen as nn
import numpy as np
import optax

from rnnjax.applications import Application, Laptop
from rnnjax.errors import check
from rnnjax.models import RecurrentReadout
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import masked_mean


def write_words(path: pathlib.Path, count: int = 60, seed: int = 0) -> pathlib.Path:
    """A file with a word of a and b in each line, 1 to 12 letters long."""
    random = np.random.default_rng(seed)
    words = ["".join(random.choice(["a", "b"], size=random.integers(1, 13))) for _ in range(count)]
    path.write_text("\n".join(words) + "\n")
    return path


@functools.lru_cache
def _words(data: str) -> tuple[str, ...]:
    return tuple(pathlib.Path(data).read_text().split())


@dataclasses.dataclass(frozen=True)
class Majority(Application):
    """Which letter occurs more often?

    Args:
      noise: how much of nothing is added.
    """

    name: ClassVar[str] = "majority"
    metric: ClassVar[str] = "accuracy"
    mode: ClassVar = "max"
    laptop: ClassVar[Laptop] = Laptop("elman", 4, steps=6, batch_size=8, evaluate_every=2, optimizer={"clip": "norm"})

    _: dataclasses.KW_ONLY
    noise: float = 0.0

    def fit_data(self):
        return {"letters": sorted(set("".join(self._split("train"))))}

    def _split(self, split):
        words = _words(self.data)
        return {"train": words[:40], "validation": words[40:50], "test": words[50:]}[split]

    def _example(self, word):
        codes = np.array([self.fitted()["letters"].index(letter) for letter in word])
        return codes, int(2 * codes.sum() > len(codes))

    def examples(self, split):
        return [self._example(word) for word in self._split(split)]

    def length(self, example):
        return len(example[0])

    def collate(self, examples, time):
        inputs = np.zeros((len(examples), time, 2), np.float32)
        for row, (codes, _) in enumerate(examples):
            inputs[row, np.arange(len(codes)), codes] = 1
        lengths = np.array([len(codes) for codes, _ in examples], np.int32)
        targets = np.array([label for _, label in examples], np.int32)
        return Batch(inputs, targets, np.ones(len(examples), np.float32), lengths)

    def model(self, cell) -> nn.Module:
        return RecurrentReadout(cell, 2)

    def loss(self, outputs, batch):
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, batch.targets)
        return masked_mean(losses, batch.mask)

    def answers(self, outputs, batch):
        return [int(label) for label in np.argmax(outputs, -1)]

    def score(self, answers, examples):
        return {
            "accuracy": float(np.mean([answer == label for answer, (_, label) in zip(answers, examples, strict=True)]))
        }

    def baseline(self, split="test"):
        return {"accuracy": 0.5}

    def read_inputs(self, path):
        check(pathlib.Path(path).is_file(), "--input", path, "a file")
        return [self._example(word) for word in pathlib.Path(path).read_text().split()]
