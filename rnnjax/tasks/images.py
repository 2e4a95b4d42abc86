"""Images as sequences: which class is it, read pixel by pixel or row by row?"""

from __future__ import annotations

import abc
import functools
import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from rnnjax.errors import check
from rnnjax.tasks.folds import Fold, check_fold, fold_rows
from rnnjax.tasks.losses import cross_entropy, masked_mean, misclassified
from rnnjax.tasks.synthetic import integers, random_words
from rnnjax.tasks.task import SPLITS, Array, Batch, Task, check_draw, check_evaluation


class ImageTask(Task):
    """A fixed set of square grey images of ten classes. A subclass reads them (`read`) and makes sequences (`shown`).

    Class attributes:
      side: pixels along each side.
      enough: the accuracy that counts as solved.
    """

    metric: ClassVar[str] = "accuracy"
    mode: ClassVar[Literal["min", "max"]] = "max"
    side: ClassVar[int] = 0
    enough: ClassVar[float] = 1.0

    order: str
    permuted: bool
    fold: Fold | None

    def __post_init__(self):
        name = type(self).__name__
        self._check_choice("order", ("pixel", "row"))
        check(isinstance(self.permuted, bool), f"{name}.permuted", self.permuted, "a bool")
        check(not (self.permuted and self.order == "row"), f"{name}.permuted", True, 'False with order="row"')
        check_fold(self.fold, f"{name}.fold")

    @abc.abstractmethod
    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """The images `[images, ...]` of a split, and their labels `[images]`, int32."""

    @abc.abstractmethod
    def shown(self, images: Array) -> Array:
        """Images as they were read, as sequences `[images, time, in_features]`, float32."""

    def images(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """What `read` gives of a split; with a fold, training and validation are those of the fold."""
        return self.read(split) if self.fold is None or split == "test" else _of_fold(self, split)

    @property
    def in_features(self) -> int:
        return 1 if self.order == "pixel" else self.side

    @property
    def outputs(self) -> int:
        return 10

    @property
    def time(self) -> int:
        return self.side * self.side // self.in_features

    @property
    def baseline(self) -> float:
        return math.log(10)

    def sample(self, key: Array, batch_size: int, split: str = "train") -> Batch:
        check_draw(batch_size, split)
        images, labels = self.images(split)
        rows = integers(random_words(jax.random.fold_in(key, SPLITS.index(split)), batch_size), 0, len(labels))
        return self._batch(jnp.asarray(images)[rows], jnp.asarray(labels)[rows])

    def evaluation(self, split: str = "validation", size: int = 1000) -> Batch:
        """All images of a split, once each, in a fixed order, whatever `size` is.

        Raises:
          InputError: a split other than "validation" and "test", or a size below 1.
        """
        check_evaluation(split, size)
        return self._batch(*map(jnp.asarray, self.images(split)))

    def _batch(self, images: Array, labels: Array) -> Batch:
        ones = jnp.ones(len(labels), jnp.float32)
        return Batch(self.shown(images), labels, ones, jnp.full(len(labels), self.time, jnp.int32))

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss" and the "accuracy"."""
        loss = self.loss(outputs, batch)
        return {"loss": loss, "accuracy": masked_mean(1 - misclassified(outputs, batch.targets), batch.mask)}

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """Whether the accuracy is enough."""
        return jnp.asarray(metrics["accuracy"]) >= self.enough


@functools.lru_cache(maxsize=8)
def _of_fold(task: ImageTask, split: str) -> tuple[np.ndarray, np.ndarray]:
    parts = [task.read(name) for name in ("train", "validation")]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    assert task.fold is not None
    train, validation = fold_rows(labels, task.fold, f"{type(task).__name__}.fold")
    rows = train if split == "train" else validation
    return images[rows], labels[rows]
