"""Handwritten digits, read pixel by pixel or row by row: real data that comes with scikit-learn."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from rnnjax.errors import check
from rnnjax.tasks.losses import cross_entropy, masked_mean, misclassified
from rnnjax.tasks.synthetic import integers, random_words
from rnnjax.tasks.task import SPLITS, Array, Batch, Task, check_draw, check_evaluation

_SIDE = 8
_HELD_OUT = 300
_SPLIT_SEED = 0
_PERMUTATION_SEED = 0


@dataclasses.dataclass(frozen=True)
class Digits(Task):
    """Which digit is it? 1797 grey images of 8 by 8 pixels, ten classes, as sequences.

    | order | steps | features |
    |---|---|---|
    | `pixel` | 64, left to right and top to bottom | 1 |
    | `row` | 8, top to bottom | 8 |

    Grey values are scaled from 0..16 to [0, 1]. The split is fixed and stratified by class: 1197 images for
    training, 300 for validation, 300 for the test. `sample` draws with replacement from a
    split; `evaluation` gives a split whole.

    Loss: cross-entropy in nats.

    Baseline, "memoryless" meaning a predictor that ignores the inputs: ln 10. The classes are almost but not exactly
    balanced; to know their frequencies saves less than 0.001 nats. (The last row of an image does tell something about
    the digit, so that this is not the loss of a predictor that sees the last input; in pixel order it tells little.)

    Solved: accuracy >= 0.9, a choice of this library.

    Args:
      order: `pixel` or `row`.
      permuted: for `pixel`: show the pixels in one fixed random order, the same for all images.

    Raises:
      InputError: an unknown order, `permuted` that is not a bool, or `permuted` with `order="row"`.
      ImportError: on first use of the data, if scikit-learn is not installed.

    Source: Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits (UCI Machine Learning Repository), the
    part bundled with scikit-learn; pixel by pixel and permuted after Le, Jaitly & Hinton 2015, arXiv:1504.00941.
    """

    name: ClassVar[str] = "digits"
    source: ClassVar[str] = (
        "Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits, bundled with scikit-learn; "
        "as sequences after Le, Jaitly & Hinton 2015, arXiv:1504.00941"
    )
    metric: ClassVar[str] = "accuracy"
    mode: ClassVar[Literal["min", "max"]] = "max"

    order: str = "pixel"
    permuted: bool = False

    def __post_init__(self):
        self._check_choice("order", ("pixel", "row"))
        check(isinstance(self.permuted, bool), "Digits.permuted", self.permuted, "a bool")
        check(not (self.permuted and self.order == "row"), "Digits.permuted", True, 'False with order="row"')

    @property
    def in_features(self) -> int:
        return 1 if self.order == "pixel" else _SIDE

    @property
    def outputs(self) -> int:
        return 10

    @property
    def time(self) -> int:
        return _SIDE * _SIDE // self.in_features

    @property
    def baseline(self) -> float:
        return math.log(10)

    def sample(self, key: Array, batch_size: int, split: str = "train") -> Batch:
        check_draw(batch_size, split)
        images, labels = _read(self, split)
        rows = integers(random_words(jax.random.fold_in(key, SPLITS.index(split)), batch_size), 0, len(labels))
        return self._batch(jnp.asarray(images)[rows], jnp.asarray(labels)[rows])

    def evaluation(self, split: str = "validation", size: int = 1000) -> Batch:
        """All 300 images of a split, once each, in a fixed order, whatever `size` is.

        Raises:
          InputError: a split other than "validation" and "test", or a size below 1.
        """
        check_evaluation(split, size)
        return self._batch(*map(jnp.asarray, _read(self, split)))

    def _batch(self, images: Array, labels: Array) -> Batch:
        ones = jnp.ones(len(labels), jnp.float32)
        return Batch(images, labels, ones, jnp.full(len(labels), self.time, jnp.int32))

    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        return cross_entropy(outputs, batch.targets)

    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """The "loss" and the "accuracy"."""
        loss = self.loss(outputs, batch)
        return {"loss": loss, "accuracy": masked_mean(1 - misclassified(outputs, batch.targets), batch.mask)}

    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """Accuracy of at least 0.9."""
        return jnp.asarray(metrics["accuracy"]) >= 0.9


@functools.lru_cache(maxsize=16)
def _read(task: Digits, split: str) -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = (part[split_rows()[split]] for part in _load())
    if task.permuted:
        pixels = pixels[:, np.random.RandomState(_PERMUTATION_SEED).permutation(_SIDE * _SIDE)]
    return pixels.reshape(-1, task.time, task.in_features), labels


@functools.cache
def split_rows() -> dict[str, np.ndarray]:
    """The rows of scikit-learn's table in each split: disjoint, stratified, and together all 1797."""
    labels = _load()[1]
    from sklearn.model_selection import train_test_split

    split = functools.partial(train_test_split, test_size=_HELD_OUT, random_state=_SPLIT_SEED)
    rest, test = split(np.arange(len(labels)), stratify=labels)
    train, validation = split(rest, stratify=labels[rest])
    return {"train": np.asarray(train), "validation": np.asarray(validation), "test": np.asarray(test)}


@functools.cache
def _load() -> tuple[np.ndarray, np.ndarray]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("the task 'digits' needs scikit-learn: pip install scikit-learn") from error
    pixels, labels = load_digits(return_X_y=True)
    return (pixels / 16).astype(np.float32), labels.astype(np.int32)
