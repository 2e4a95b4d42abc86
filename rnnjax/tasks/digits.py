"""Handwritten digits, read pixel by pixel or row by row: real data that comes with scikit-learn."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np

from rnnjax.tasks.folds import Fold
from rnnjax.tasks.images import ImageTask
from rnnjax.tasks.task import Array

_SIDE = 8
_HELD_OUT = 300
_SPLIT_SEED = 0
_PERMUTATION_SEED = 0


@dataclasses.dataclass(frozen=True)
class Digits(ImageTask):
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
      fold: `(2, 5)` is the third of five folds of cross-validation over what is training and validation otherwise:
        validation is the fold, training the others. The test stays as it is.

    Raises:
      InputError: an unknown order, `permuted` that is not a bool or with `order="row"`, or a fold that there is not.
      ImportError: on first use of the data, if scikit-learn is not installed.

    Source: Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits (UCI Machine Learning Repository), the
    part bundled with scikit-learn; pixel by pixel and permuted after Le, Jaitly & Hinton 2015, arXiv:1504.00941.
    """

    name: ClassVar[str] = "digits"
    source: ClassVar[str] = (
        "Alpaydin & Kaynak 1998, UCI Optical Recognition of Handwritten Digits, bundled with scikit-learn; "
        "as sequences after Le, Jaitly & Hinton 2015, arXiv:1504.00941"
    )
    side: ClassVar[int] = _SIDE
    enough: ClassVar[float] = 0.9

    order: str = "pixel"
    permuted: bool = False
    fold: Fold | None = None

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        return _read(self, split)

    def shown(self, images: Array) -> Array:
        return images


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
    return np.asarray(pixels, np.float32) / 16, np.asarray(labels, np.int32)
