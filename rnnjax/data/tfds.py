"""Data sets of TensorFlow Datasets, read without TensorFlow."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

from rnnjax.errors import InputError


def read(name: str, data_dir: str = "", split: str = "train") -> Sequence[Any]:
    """A split of a data set that was prepared as array_record files: examples by number, as NumPy values.

    Nothing is downloaded. A Grain pipeline takes what is returned as it is.

    Args:
      name: as in the catalogue, with a configuration and a version where wanted: "imdb_reviews/plain_text:1.0.0".
      data_dir: the folder in which data sets lie; "" is TFDS's own.
      split: a split, or a part of one as TFDS writes it: "train[:90%]".

    Raises:
      InputError: the package missing, an unknown name, a data set that is not there or not in this format, or an
        unknown split; with what there is.
    """
    held = splits(name, data_dir)
    if split in held:
        return held[split]
    try:
        return _load(name, data_dir, split)
    except ValueError:
        known = ", ".join(f"{part} ({len(source)})" for part, source in held.items())
        raise InputError("split", split, f"a split of {name}, one of {known}, or a part of one") from None


def splits(name: str, data_dir: str = "") -> dict[str, Any]:
    """All splits of a data set by name, each as `read` gives it.

    Raises:
      InputError: as `read`.
    """
    try:
        return dict(_load(name, data_dir, None))
    except ImportError as error:
        expected = f"a data set that tensorflow-datasets can read here (missing: {error.name or error})"
        raise InputError("tfds", name, expected) from None
    except (ValueError, NotImplementedError, OSError, AttributeError, KeyError) as error:
        raise InputError("tfds", name, _reason(name, data_dir, error)) from None


def label_names(source: Any, feature: str = "label") -> tuple[str, ...]:
    """The names of the classes of a feature, in the order of their numbers.

    Raises:
      InputError: no such feature, or one that is no class.
    """
    features = source.dataset_info.features
    names = getattr(features[feature], "names", None) if feature in features else None
    if names is None:
        raise InputError("label", feature, f"a class among the features {', '.join(sorted(features))}")
    return tuple(names)


def _load(name: str, data_dir: str, split: str | None) -> Any:
    import logging

    absl = logging.getLogger("absl")  # it warns of what is an error here
    before = absl.level
    absl.setLevel(logging.ERROR)
    try:
        import tensorflow_datasets

        return tensorflow_datasets.data_source(name, data_dir=data_dir or None, split=split, download=False)
    finally:
        absl.setLevel(before)


def _reason(name: str, data_dir: str, error: Exception) -> str:
    """What was expected instead of a data set that could not be read."""
    place = pathlib.Path(data_dir or "~/tensorflow_datasets").expanduser()
    there = []
    if place.is_dir():
        there = sorted(child.name for child in place.iterdir() if child.is_dir() and not child.name.startswith("."))
    listed = f"it holds {', '.join(there)}" if there else "no data set is there"
    if name.partition("/")[0].partition(":")[0] in there and not isinstance(error, NotImplementedError):
        return f"a data set that TFDS can read from {place} ({str(error).partition(chr(10))[0]})"
    return f"a data set prepared with file_format='array_record' in data_dir {place} ({listed})"
