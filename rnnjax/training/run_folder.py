"""The folder of a run: config.json, environment.json, metrics.jsonl, summary.json, prepared.json, checkpoints/."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import jax

import rnnjax
from rnnjax.errors import InputError
from rnnjax.serialization import from_json, to_json


class RunFolder:
    """A run's folder. Nothing of an earlier run is ever overwritten unasked.

    Args:
      path: the folder.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path).absolute()

    @property
    def config(self) -> pathlib.Path:
        """The file with the configuration."""
        return self.path / "config.json"

    @property
    def environment(self) -> pathlib.Path:
        """The file with what the run depended on besides its configuration."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> pathlib.Path:
        """The file with one line of JSON a record."""
        return self.path / "metrics.jsonl"

    @property
    def prepared(self) -> pathlib.Path:
        """The file with what an application fitted to its training data, such as a vocabulary."""
        return self.path / "prepared.json"

    @property
    def checkpoints(self) -> pathlib.Path:
        """The folder with the checkpoints."""
        return self.path / "checkpoints"

    def create(self, config: Any, *, overwrite: bool = False) -> None:
        """Makes the folder and writes config.json and environment.json.

        Raises:
          InputError: the folder holds something already, and `overwrite` is off or it is no run's folder; it cannot be
            written; or the configuration cannot.
        """
        written = to_json(config)  # before anything is deleted
        try:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                if not overwrite:
                    raise InputError("out", str(self.path), "a new or empty folder (or --resume, or --overwrite)")
                if not (self.config.is_file() and self.environment.is_file()):
                    expected = "a run's folder (without config.json and environment.json it is not overwritten)"
                    raise InputError("out", str(self.path), expected)
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            write_json(self.environment, environment())
            write_json(self.config, written)
        except OSError as error:
            raise InputError("out", str(self.path), f"a folder that can be written ({error.strerror})") from None

    def read_config(self) -> Any:
        """The configuration of the run.

        Raises:
          InputError: no run's folder, or a config.json that was not written by this library.
        """
        try:
            text = self.config.read_text()
        except OSError:
            raise InputError("run folder", str(self.path), "a folder with a config.json") from None
        try:
            return from_json(json.loads(text), "config.json")
        except json.JSONDecodeError as error:
            raise InputError("config.json", str(self.config), f"JSON ({error})") from None

    def append(self, record: dict[str, Any]) -> None:
        """Adds one line to metrics.jsonl; numbers that are not finite become null."""
        with self.metrics.open("a") as file:
            file.write(json.dumps(plain(record)) + "\n")

    def records(self) -> Iterator[dict[str, Any]]:
        """The records in metrics.jsonl; a last line that was cut off by a crash is left out."""
        if self.metrics.exists():
            for line in self.metrics.read_text().splitlines():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    return

    def forget_after(self, step: int) -> None:
        """Drops the records of later updates than `step`: what a resumed run writes again."""
        kept = [record for record in self.records() if record["step"] <= step]
        replacement = self.metrics.with_suffix(".part")
        replacement.write_text("".join(json.dumps(record) + "\n" for record in kept))
        replacement.replace(self.metrics)


def plain(value: Any) -> Any:
    """The value as strict JSON: a number that is not finite becomes `None`."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    return value


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes JSON so that a reader never sees half a file."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(plain(value), indent=2) + "\n")
    part.replace(path)


def environment() -> dict[str, Any]:
    """What a run depends on besides its configuration: versions, devices, the command."""
    import flax
    import numpy
    import optax

    devices = jax.devices()
    return {
        "rnnjax": rnnjax.__version__,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "jaxlib": importlib.metadata.version("jaxlib"),
        "flax": flax.__version__,
        "optax": optax.__version__,
        "numpy": numpy.__version__,
        "platform": platform.platform(),
        "backend": jax.default_backend(),
        "devices": [device.device_kind for device in devices],
        "cores": os.cpu_count(),
        "x64": jax.config.read("jax_enable_x64"),
        "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
    }
