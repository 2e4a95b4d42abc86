"""The images that several applications learn from: the user's own, those of TFDS, or the bundled digits."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data import images
from rnnjax.data.images import Images
from rnnjax.errors import check
from rnnjax.tasks.digits import Digits

SPLITS = images.SPLITS


class Picture(NamedTuple):
    """An example.

    Attributes:
      pixels: `[height, width, channels]`, as in the file.
      target: the number of its label, or -1.
    """

    pixels: np.ndarray
    target: int


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures(Sequence):
    """A split: `Picture`s, held as arrays.

    Attributes:
      pixels: `[images, height, width, channels]`, as in the file.
      targets: `[images]` int32, the numbers of their labels, or -1.
    """

    pixels: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Pictures(self.pixels[place], self.targets[place])
        return Picture(self.pixels[place], int(self.targets[place]))


def fit(data: str, tfds: str, data_dir: str) -> dict[str, Any]:
    """What is fitted to training images: the names of the labels, the size, and the scale of the values."""
    train = read(data, tfds, data_dir)["train"]
    scale = 255.0 if train.pixels.dtype == np.uint8 else float(np.abs(train.pixels).max()) or 1.0
    labels = [str(label) for label in np.unique(train.labels)]
    return {"labels": labels, "shape": list(train.pixels.shape[1:]), "scale": scale}


@functools.lru_cache(maxsize=2)
def read(data: str, tfds: str, data_dir: str) -> dict[str, Images]:
    """The images of each split: those of TFDS, of the files in `data`, or the 1797 digits that come with scikit-learn.

    Raises:
      InputError: both `data` and `tfds`, or images that cannot be read.
    """
    check(not (data and tfds), "tfds", tfds, "data or tfds, and not both")
    if tfds:
        return images.from_tfds(tfds, data_dir)
    if data:
        return images.read(data)
    found = {}
    for split in SPLITS:
        pixels, labels = Digits(order="row").read(split)
        found[split] = Images(np.asarray(pixels, np.float32)[..., None], np.asarray(labels))
    return found


def pictures(found: Images, labels: Sequence[str], argument: str = "data") -> Pictures:
    """Images with the numbers of their labels.

    Raises:
      InputError: a label that is not among those given.
    """
    numbers = {name: number for number, name in enumerate(labels)}
    there, inverse = np.unique(found.labels, return_inverse=True)
    for label in there:
        check(str(label) in numbers, argument, f"the label {label}", f"one of {', '.join(list(labels)[:12])}")
    return Pictures(found.pixels, np.array([numbers[str(label)] for label in there], np.int32)[inverse])


def unlabelled(path: str, shape: Sequence[int]) -> Pictures:
    """The images of a file, of the size of those in training, without labels.

    Raises:
      InputError: images of another size, or a file that cannot be read.
    """
    pixels = images.read_unlabelled(path)
    check(
        list(pixels.shape[1:]) == list(shape), "--input", f"shape {pixels.shape[1:]}", f"{tuple(shape)}, as in training"
    )
    return Pictures(pixels, np.full(len(pixels), -1, np.int32))


def scaled(pixels: np.ndarray, scale: float) -> np.ndarray:
    """Values over the scale, float32."""
    return np.asarray(pixels, np.float32) / np.float32(scale)
