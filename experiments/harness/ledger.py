"""Finished jobs on file, so that an experiment that was cut off goes on where it was."""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import re
from typing import Any

import numpy as np


class Ledger:
    """A folder with one JSON file a finished job.

    Outcomes are plain values and numpy arrays, nested; arrays come back to the last bit, tuples as lists.

    Args:
      folder: made when the first job is written.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def read(self, job: tuple) -> dict[str, Any] | None:
        """The entry of a job, with "outcome" and "seconds", or `None`."""
        try:
            return json.loads(self._path(job).read_text(), object_hook=_decode)
        except FileNotFoundError:
            return None

    def write(self, job: tuple, outcome: Any, seconds: float) -> None:
        """Adds the entry of a job, or none of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(job)
        part = path.with_suffix(".part")
        part.write_text(
            json.dumps({"job": repr(job), "seconds": round(seconds, 2), "outcome": outcome}, default=_encode)
        )
        part.replace(path)

    def seconds(self) -> float:
        """Seconds of a core that the jobs took together."""
        return sum(json.loads(path.read_text())["seconds"] for path in self.folder.glob("*.json"))

    def _path(self, job: tuple) -> pathlib.Path:
        named = re.sub(r" at 0x[0-9a-f]+", "", repr(job))  # functions are known by name, wherever they lie in memory
        return self.folder / f"{hashlib.sha256(named.encode()).hexdigest()[:24]}.json"


def _encode(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype == object:
        raise TypeError(f"an outcome is made of plain values and arrays, not {type(value).__name__}")
    if array.ndim == 0:
        return array.item()
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"array": data, "dtype": array.dtype.str, "shape": array.shape}


def _decode(value: dict[str, Any]) -> Any:
    if value.keys() == {"array", "dtype", "shape"}:
        raw = np.frombuffer(base64.b64decode(value["array"]), value["dtype"])
        return raw.reshape(value["shape"]).copy()
    return value
