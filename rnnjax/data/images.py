"""Images with their labels: idx and npz files, and data sets of TensorFlow Datasets."""

from __future__ import annotations

import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data import tfds
from rnnjax.data.files import Entry, entries
from rnnjax.data.splits import three_ways
from rnnjax.errors import InputError, check

SPLITS = ("train", "validation", "test")

_HELD_OUT = 20  # one training image in twenty is for validation, where the files have none
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_PARTS = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "t10k": "test",
    "": "",
}
_IDX = re.compile(r"(?:(?P<part>[a-z0-9]+)[-_.])?(?P<kind>images|labels)(?:[-_.]idx\d)?(?:[-_.](?:ubyte|idx\d?))?")
_ARRAYS = re.compile(r"(?P<kind>x|y|images|labels)(?:_(?P<part>[a-z0-9]+))?")
_KINDS = {"x": "images", "y": "labels"}


class Images(NamedTuple):
    """Images of one size.

    Attributes:
      pixels: `[images, height, width, channels]`, bytes or floats.
      labels: `[images]`, ints or strings; empty where they are not known.
    """

    pixels: np.ndarray
    labels: np.ndarray


def read(path: str | os.PathLike, argument: str = "data") -> dict[str, Images]:
    """The images of each split.

    Either idx files, called `PART-images-idx3-ubyte` and `PART-labels-idx1-ubyte` with the parts train and t10k (or
    test), and perhaps validation, each as it is or with the ending `.gz`; or one `.npz` file with arrays `x_PART` and
    `y_PART` (or `images_PART`, `labels_PART`). Without a part for validation the last twentieth of training is held
    out. Where files or arrays name no part, a tenth each is drawn for validation and test, by a fixed seed.

    Args:
      path: a folder or an archive with the idx files or with the npz file, or the npz file.
      argument: what an error calls it.

    Raises:
      InputError: no such files, one that is damaged or holds something else, images of different sizes, a value that is
        no number, or labels that do not occur in training; by name.
    """
    return _splits(_parts(path, argument), argument, str(path))


def read_unlabelled(path: str | os.PathLike, argument: str = "--input") -> np.ndarray:
    """The images of an idx file or of an npz file with one array of images: `[images, height, width, channels]`.

    Raises:
      InputError: no such file, or one that holds something else.
    """
    found = entries(path, argument)
    check(len(found) == 1, argument, str(path), "one idx file, or one npz file")
    if found[0].name.lower().endswith(".npz"):
        arrays = _arrays(found[0])
        known = [name for name in arrays if (match := _ARRAYS.fullmatch(name)) and _kind(match) == "images"]
        check(len(known) == 1, found[0].name, f"the arrays {', '.join(arrays)}", "one array called images or x")
        return _pixels(arrays[known[0]], found[0].name)
    return _pixels(read_idx(found[0]), found[0].name)


def from_tfds(name: str, data_dir: str = "") -> dict[str, Images]:
    """The images of a data set of TensorFlow Datasets with features "image" and "label", labels by their names.

    Raises:
      InputError: a data set that is not there, without these features, or with images of different sizes.
    """
    parts = {}
    for part, source in tfds.splits(name, data_dir).items():
        if part not in _PARTS:
            continue
        names = tfds.label_names(source)
        rows = [source[place] for place in range(len(source))]
        check(bool(rows) and "image" in rows[0], "tfds", name, 'a data set with the feature "image"')
        shapes = {np.shape(row["image"]) for row in rows}
        check(len(shapes) == 1, "tfds", f"{name}: {len(shapes)} sizes of images", "images of one size")
        pixels = np.stack([np.asarray(row["image"]) for row in rows])
        parts[_PARTS[part]] = Images(_pixels(pixels, name), np.array([names[int(row["label"])] for row in rows]))
    return _splits(parts, "tfds", name)


def read_idx(entry: Entry) -> np.ndarray:
    """The array of an idx file: two zero bytes, the type, the number of axes, their lengths, and the values.

    Raises:
      InputError: a file that is not one, or not as long as its header says.
    """
    raw = entry.read()
    axes = raw[3] if len(raw) > 4 else 0
    header = 4 + 4 * axes
    valid = axes > 0 and raw[:2] == b"\0\0" and raw[2] in _TYPES and len(raw) >= header
    check(valid, entry.name, f"{len(raw)} bytes", "an idx file: two zero bytes, a type, a number of axes, ...")
    kind, shape = np.dtype(_TYPES[raw[2]]), struct.unpack(f">{axes}I", raw[4:header])
    wanted = header + math.prod(shape) * kind.itemsize
    check(len(raw) == wanted, entry.name, f"{len(raw)} bytes", f"{wanted}, as its header says: {shape} of {kind}")
    return np.frombuffer(raw, kind, offset=header).reshape(shape).astype(kind.newbyteorder("="))


def _parts(path: str | os.PathLike, argument: str) -> dict[str, Images]:
    found = entries(path, argument)
    packed = [entry for entry in found if entry.name.lower().endswith(".npz")]
    arrays: dict[str, dict[str, tuple[np.ndarray, str]]] = {}
    if packed:
        check(len(packed) == 1, argument, str(path), f"one npz file, and not {len(packed)}")
        for name, array in _arrays(packed[0]).items():
            if match := _ARRAYS.fullmatch(name):
                arrays.setdefault(_PARTS.get(match["part"] or "", ""), {})[_kind(match)] = array, packed[0].name
    else:
        for entry in found:
            if match := _IDX.fullmatch(entry.parts[-1].lower()):
                arrays.setdefault(_PARTS.get(match["part"] or "", ""), {})[match["kind"]] = read_idx(entry), entry.name
    parts = {}
    for part, pair in arrays.items():
        expected = "images and labels in pairs: idx files such as train-images-idx3-ubyte, or arrays x_train, y_train"
        given = f"{' and '.join(pair)} alone for {part or 'all'} in {path}"
        check(pair.keys() == {"images", "labels"}, argument, given, expected)
        parts[part] = _pair(pair["images"], pair["labels"])
    expected = "a folder with idx files such as train-images-idx3-ubyte.gz, or an npz file with x_train and y_train"
    check(bool(parts), argument, str(path), expected)
    return parts


def _pair(images: tuple[np.ndarray, str], labels: tuple[np.ndarray, str]) -> Images:
    pixels = _pixels(*images)
    found, name = labels
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found  # as Keras hands out CIFAR
    check(found.shape == pixels.shape[:1], name, f"labels {found.shape}", f"({len(pixels)},), a label an image")
    check(found.dtype.kind in "iuU", name, f"labels of {found.dtype}", "labels that are ints or strings")
    return Images(pixels, found if found.dtype.kind == "U" else found.astype(np.int64))


def _pixels(array: np.ndarray, name: str) -> np.ndarray:
    expected = "images [n, height, width] or [n, height, width, channels], bytes or floats, not empty"
    valid = array.ndim in (3, 4) and array.size > 0 and array.dtype.kind in "uif"
    check(valid, name, f"{array.dtype} {array.shape}", expected)
    if array.dtype.kind == "f":
        check(bool(np.isfinite(array).all()), name, "a value that is no finite number", "finite values")
    if array.dtype != np.uint8:
        array = array.astype(np.float32)
    return array[..., None] if array.ndim == 3 else array


def _splits(parts: Mapping[str, Images], argument: str, given: str) -> dict[str, Images]:
    """Training, validation and test from what there is."""
    if set(parts) == {""}:
        whole = parts[""]
        found = {name: Images(*(array[rows] for array in whole)) for name, rows in three_ways(len(whole[1])).items()}
    else:
        there = f"{', '.join(sorted(part or 'no part' for part in parts))} in {given}"
        check("train" in parts and "" not in parts, argument, there, "train and test, or no parts at all")
        found = dict(parts)
    if "test" not in found:
        rows = three_ways(len(found["train"].labels), validation=0.0)
        found |= {name: Images(*(array[rows[name]] for array in parts["train"])) for name in ("train", "test")}
    if "validation" not in found:
        kept = len(found["train"].labels) - max(len(found["train"].labels) // _HELD_OUT, 1)
        check(kept > 0, argument, given, "at least two training images")
        train = found["train"]
        found["train"], found["validation"] = Images(*(a[:kept] for a in train)), Images(*(a[kept:] for a in train))
    known = np.unique(found["train"].labels)
    for name in SPLITS:
        images = found[name]
        check(len(images.labels) > 0, argument, f"no image for {name} in {given}", "images in each split")
        sizes = images.pixels.shape[1:], found["train"].pixels.shape[1:]
        check(sizes[0] == sizes[1], argument, f"shape {sizes[0]} for {name}", f"{sizes[1]}, that of training")
        strange = images.labels[~np.isin(images.labels, known)]
        if strange.size:
            raise InputError(argument, f"the label {strange[0]} for {name} in {given}", "labels that training has")
    return {name: found[name] for name in SPLITS}


def _arrays(entry: Entry) -> dict[str, Any]:
    try:
        with np.load(io.BytesIO(entry.read()), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(entry.name, "a file", f"an npz file of arrays of numbers or strings ({reason})") from None


def _kind(match: re.Match[str]) -> str:
    return _KINDS.get(match["kind"], match["kind"])
