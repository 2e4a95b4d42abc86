"""The files of MNIST, as they are distributed: read, checked and split."""

from __future__ import annotations

import functools
import gzip
import math
import pathlib
import struct
import zipfile
import zlib

import numpy as np

from rnnjax.errors import InputError, check

SIDE = 28
"""Pixels along a side of an image."""

_HELD_OUT = 20  # one training image in twenty: 3000 of 60000
_PARTS = ("train", "t10k")
_MAGIC = {1: 2049, 3: 2051}  # by the number of axes

Split = tuple[np.ndarray, np.ndarray]


@functools.lru_cache(maxsize=2)
def read(folder: str) -> dict[str, Split]:
    """Each split's images `[images, 784]` uint8 and labels `[images]` int32.

    Args:
      folder: with the files that `rnnjax.tasks.MNIST` names.

    Raises:
      InputError: a file is missing, or is not what its name says.
    """
    check(folder != "", "MNIST.data", folder, "a folder with the files of MNIST, which are not part of the library")
    path = pathlib.Path(folder)
    packed = path / "mnist.npz"
    train, test = _read_npz(packed) if packed.is_file() else (_read_idx(path, part) for part in _PARTS)
    kept = len(train[1]) - max(len(train[1]) // _HELD_OUT, 1)
    check(kept > 0, "MNIST.data", folder, "at least two training images")
    return {
        "train": (train[0][:kept], train[1][:kept]),
        "validation": (train[0][kept:], train[1][kept:]),
        "test": test,
    }


def _read_idx(folder: pathlib.Path, part: str) -> Split:
    images = _bytes(folder / f"{part}-images-idx3-ubyte", axes=3)
    labels = _bytes(folder / f"{part}-labels-idx1-ubyte", axes=1)
    return _checked(images, labels, str(folder / f"{part}-images-idx3-ubyte"))


def _bytes(path: pathlib.Path, axes: int) -> np.ndarray:
    """The array in an idx file: a magic number and the lengths of the axes, of 32 bits each, high byte first; bytes."""
    for name, opened in ((path, open), (path.with_name(path.name + ".gz"), gzip.open)):
        if not name.is_file():
            continue
        try:
            with opened(name, "rb") as file:
                text = file.read()
        except (OSError, EOFError, zlib.error) as error:
            raise InputError("MNIST.data", str(name), f"a file that can be read ({error})") from None
        header = 4 * (1 + axes)
        found, *shape = struct.unpack(f">{1 + axes}I", text[:header]) if len(text) >= header else (0, 0)
        valid = found == _MAGIC[axes] and len(text) == header + math.prod(shape)
        check(valid, "MNIST.data", str(name), f"an idx file of bytes with {axes} axes, as long as its header says")
        return np.frombuffer(text, np.uint8, offset=header).reshape(shape)
    expected = f"a folder with {path.name} or {path.name}.gz, or with mnist.npz"
    raise InputError("MNIST.data", str(path.parent), expected)


def _read_npz(path: pathlib.Path) -> tuple[Split, ...]:
    try:
        with np.load(path) as arrays:
            return tuple(_checked(arrays[f"x_{part}"], arrays[f"y_{part}"], str(path)) for part in ("train", "test"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        expected = f"an npz file with x_train, y_train, x_test and y_test ({error})"
        raise InputError("MNIST.data", str(path), expected) from None


def _checked(images: np.ndarray, labels: np.ndarray, name: str) -> Split:
    shapes = f"images {images.shape} and labels {labels.shape} in {name}"
    valid = images.shape == (*labels.shape, SIDE, SIDE) and labels.ndim == 1 and labels.size > 0
    check(valid, "MNIST.data", shapes, "images [n, 28, 28], and as many labels")
    valid = images.dtype == np.uint8 and labels.min() >= 0 and labels.max() <= 9
    check(valid, "MNIST.data", f"{images.dtype} and labels up to {labels.max()} in {name}", "bytes, and labels 0 to 9")
    return images.reshape(-1, SIDE * SIDE), labels.astype(np.int32)
