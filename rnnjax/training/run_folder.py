"""The folder of a run: configuration, environment, records, events, summary, checkpoints."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import jax

import rnnjax
from rnnjax.errors import InputError
from rnnjax.serialization import from_json, to_json
from rnnjax.training.lock import NAME as LOCK
from rnnjax.training.lock import Lock


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
    def events(self) -> pathlib.Path:
        """The file with one line of JSON an event: an explosion, a gradient that was not finite, a step back."""
        return self.path / "events.jsonl"

    @property
    def damaged(self) -> pathlib.Path:
        """The folder with checkpoints that could not be read when the run was taken up again."""
        return self.path / "damaged"

    @property
    def prepared(self) -> pathlib.Path:
        """The file with what an application fitted to its training data, such as a vocabulary."""
        return self.path / "prepared.json"

    @property
    def checkpoints(self) -> pathlib.Path:
        """The folder with the checkpoints."""
        return self.path / "checkpoints"

    def create(self, config: Any, *, overwrite: bool = False, lock: Lock | None = None) -> None:
        """Makes the folder and writes config.json and environment.json.

        Args:
          config: what config.json will hold.
          overwrite: delete an earlier run in the folder.
          lock: of this folder, to be held from when it exists.

        Raises:
          InputError: the folder holds something already, and `overwrite` is off or it is no run's folder; it cannot be
            written; or the configuration cannot.
        """
        written = to_json(config)  # before anything is deleted
        try:
            if self._occupied():
                if not overwrite:
                    raise InputError("out", str(self.path), "a new or empty folder (or --resume, or --overwrite)")
                if not (self.config.is_file() and self.environment.is_file()):
                    expected = "a run's folder (without config.json and environment.json it is not overwritten)"
                    raise InputError("out", str(self.path), expected)
                self._empty()
            self.path.mkdir(parents=True, exist_ok=True)
            if lock is not None:
                lock.acquire()
                if self._occupied():  # by a process that was quicker
                    raise InputError("out", str(self.path), "a new or empty folder (or --resume, or --overwrite)")
            write_json(self.config, written)  # from here on it is a run's folder, which can be taken up again
            write_environment(self)
        except OSError as error:
            raise InputError("out", str(self.path), f"a folder that can be written ({error.strerror})") from None

    def _occupied(self) -> bool:
        """Whether there is anything but a lock, and what a process left that was killed before it wrote config.json."""
        if not self.path.exists():
            return False
        return not self.path.is_dir() or not {path.name for path in self.path.iterdir()} <= {LOCK, "config.json.part"}

    def _empty(self) -> None:
        """Deletes the run: config.json last, without which what is left could not be deleted by a second attempt."""
        contents = [path for path in self.path.iterdir() if path.name != LOCK]
        for path in sorted(contents, key=lambda path: path in (self.config, self.environment)):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def read_config(self) -> Any:
        """The configuration of the run.

        Raises:
          InputError: no run's folder, or a config.json that was not written by this library.
        """
        try:
            text = self.config.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError("config.json", str(self.config), f"JSON in UTF-8 ({error})") from None
        except OSError:
            raise InputError("run folder", str(self.path), "a folder with a config.json") from None
        try:
            held = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise InputError("config.json", str(self.config), f"JSON ({error})") from None
        return from_json(held, "config.json")

    def append(self, record: dict[str, Any]) -> None:
        """Adds one line to metrics.jsonl; numbers that are not finite become null."""
        _append(self.metrics, record)

    def append_event(self, event: dict[str, Any]) -> None:
        """Adds one line to events.jsonl; numbers that are not finite become null."""
        _append(self.events, event)

    def records(self) -> Iterator[dict[str, Any]]:
        """The records in metrics.jsonl; a last line that was cut off by a crash is left out."""
        return _lines(self.metrics)

    def forget_after(self, step: int, *, events: bool = True) -> None:
        """Drops the records, and the events, of later updates than `step`: what a resumed run writes again."""
        for path in (self.metrics, self.events) if events else (self.metrics,):
            if path.exists() or path == self.metrics:
                kept = [line for line in _lines(path) if line.get("step", 0) <= step]
                replacement = path.with_suffix(".part")
                replacement.write_text("".join(json.dumps(line) + "\n" for line in kept))
                replacement.replace(path)


def _append(path: pathlib.Path, value: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(plain(value)) + "\n")


def _lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text(errors="replace").splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                return
            if not isinstance(value, dict):
                return
            yield value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


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


def write_environment(folder: RunFolder) -> None:
    """Writes environment.json."""
    write_json(folder.environment, environment())


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
        "processor": processor(),
        "x64": jax.config.read("jax_enable_x64"),
        "command": [pathlib.Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def processor() -> str:
    """The name of the processor: how it adds up decides the last digits of what runs on it."""
    listed = pathlib.Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)$", listed.read_text(), re.MULTILINE) if listed.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()
