"""Parameters in files of the safetensors format: arrays and text, nothing that runs when it is read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy

from rnnjax.cell import Cell
from rnnjax.convert.arrays import flattened, nested
from rnnjax.errors import InputError, check
from rnnjax.serialization import from_json, to_json

_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "C64": "complex64", "BOOL": "bool",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
}  # fmt: skip


class Saved(NamedTuple):
    """What a file holds: `params`, nested dicts of NumPy arrays, and the `cell`, or `None`."""

    params: dict[str, Any]
    cell: Cell | None


def save_safetensors(path: str | os.PathLike, params: Mapping[str, Any], cell: Cell | None = None) -> None:
    """Writes parameters to a file, under their names joined by dots: "layer_0.kernel".

    Args:
      path: the file.
      params: nested dicts of arrays. Parameters of a pair of cells: `{"forward": ..., "backward": ...}`.
      cell: is written into the file's metadata as JSON.

    Raises:
      InputError: parameters that are no nested dicts of arrays, or a cell that JSON cannot hold.
    """
    _check_tree(params)
    arrays = {name: np.ascontiguousarray(leaf) for name, leaf in flattened(params, "params").items()}
    metadata = {"format": "rnnjax"}
    if cell is not None:
        check(isinstance(cell, Cell), "cell", cell, "a cell, or None")
        metadata["cell"] = json.dumps(to_json(cell), allow_nan=False)
    safetensors.numpy.save_file(arrays, path, metadata)


def load_safetensors(path: str | os.PathLike) -> Saved:
    """Reads the file that `save_safetensors` wrote, or any other file of that format.

    The cell's class is looked up among those of rnnjax and of modules that are imported already, so that a file cannot
    have a module imported: import that of your own cells first.

    Raises:
      InputError: something else than such a file, or a cell of a module that is not imported.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
        with open(path, "rb") as file:
            entries = safetensors.deserialize(file.read())
    except safetensors.SafetensorError as error:
        raise InputError("path", str(path), f"a safetensors file ({error})") from None
    arrays = {name: _decoded(entry) for name, entry in entries}
    cell = None
    if "cell" in metadata:
        described = json.loads(metadata["cell"])
        _check_imported(described)
        cell = from_json(described, "cell")
        check(isinstance(cell, Cell), "cell", cell, "a cell in the file's metadata")
    return Saved(nested(arrays), cell)


def _decoded(entry: Mapping[str, Any]) -> np.ndarray:
    check(entry["dtype"] in _DTYPES, "dtype", entry["dtype"], "one of " + ", ".join(_DTYPES))
    return np.frombuffer(entry["data"], jnp.dtype(_DTYPES[entry["dtype"]])).reshape(entry["shape"]).copy()


def _check_tree(params: Any, path: str = "params") -> None:
    """Only what comes back as it was is written."""
    check(isinstance(params, Mapping) and len(params) > 0, path, params, "a dict of arrays that is not empty")
    for name, value in params.items():
        check(isinstance(name, str) and "." not in name, f"{path} key", name, "a name without a dot")
        if isinstance(value, Mapping | list | tuple):
            _check_tree(value, f"{path}[{name!r}]")
        else:
            check(hasattr(value, "shape"), f"{path}[{name!r}]", type(value).__name__, "an array")


def _check_imported(described: Any) -> None:
    if isinstance(described, dict):
        module = str(described.get("type", "rnnjax")).partition(":")[0]
        known = module.split(".")[0] == "rnnjax" or module in sys.modules
        check(known, "cell", described.get("type"), "a class of rnnjax, or of a module that is imported already")
        described = list(described.values())
    if isinstance(described, list):
        for value in described:
            _check_imported(value)
