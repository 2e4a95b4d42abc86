"""Checkpoints of the whole state with Orbax: written in the background, newest and best kept, damage found."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from rnnjax.errors import InputError, StorageError
from rnnjax.serialization import from_json, to_json
from rnnjax.training.difference import difference
from rnnjax.training.orbax_errors import forget_readers, reason_of
from rnnjax.training.plain_state import checksum, described, packed, unpacked, with_keys, without_keys

PyTree = Any

FORMAT = 3
"""Of what is saved: another number is refused."""

_TEMPORARY = ".orbax-checkpoint-tmp"  # in the name of a folder that is being written, or deleted

logging.getLogger("absl").setLevel(logging.CRITICAL)  # what goes wrong is raised too: it need not fill the screen


class CheckpointWarning(UserWarning):
    """A checkpoint is damaged, and another is used."""


class DamagedError(InputError):
    """A checkpoint that cannot be read, or not all of it.

    Args:
      place: its folder.
      reason: what is wrong with it.
    """

    def __init__(self, place: pathlib.Path, reason: str):
        super().__init__("checkpoint", str(place), f"a whole checkpoint of this run's state ({reason})")
        self.reason = reason


class Checkpoints:
    """The checkpoints of a run, by update number.

    A checkpoint is complete or absent, also after a kill: Orbax writes to a temporary folder and renames it. Reading
    writes nothing.

    Args:
      path: the folder.
      keep: how many of the newest to keep.
      mode: whether the metric given to `save` is better when small ("min") or large ("max"); the best is kept as well.
      about: the configuration of the run, which is saved with each checkpoint; one with another is refused.
    """

    def __init__(self, path: str | os.PathLike, *, keep: int = 3, mode: str = "min", about: Any = None):
        self.path = pathlib.Path(path)
        self._keep, self._about = keep, about
        self._sign = 1.0 if mode == "max" else -1.0
        self._opened: ocp.Checkpointer | None = None
        self._thread = ThreadPoolExecutor(1)  # writes while training goes on
        self._begun: Future | None = None

    def save(self, step: int, state: PyTree, value: float) -> None:
        """Starts writing a checkpoint, with the metric by which the best is chosen; NaN is the worst.

        Raises:
          StorageError: it cannot be written, or the one before could not.
        """
        state = jax.device_get(without_keys(state))
        row, description = packed(state), described(state)  # an array costs Orbax a millisecond, however small
        value = -1e30 * self._sign if value != value else value
        beside = {"value": value, "checksum": checksum(row, description), "format": FORMAT, "state": description}
        if self._about is not None:
            beside["about"] = to_json(self._about)
        self._wait()
        self._begun = self._thread.submit(self._write, step, row, beside)

    def _write(self, step: int, row: np.ndarray, beside: dict[str, Any]) -> None:
        """Writes a checkpoint and deletes those that are no longer kept.

        Without Orbax's manager of checkpoints, whose own looking around costs as much as writing a small state.
        """
        if self._opened is None:
            self.path.mkdir(parents=True, exist_ok=True)
            self._opened = _checkpointer()
        self._opened.save(self._place(step), args=ocp.args.ArraySave(row), custom_metadata=beside)
        kept = {*self.steps()[-self._keep :], *self._by_value()[:1]}
        for old in set(self.steps()) - kept:
            doomed = self.path / f"{old}{_TEMPORARY}-deleted"  # at once, so that no kill leaves half of a checkpoint
            shutil.rmtree(self._place(old).rename(doomed))

    def steps(self) -> list[int]:
        """The update numbers for which there is a checkpoint, in order."""
        if not self.path.is_dir():
            return []
        return sorted(int(path.name) for path in self.path.iterdir() if path.is_dir() and path.name.isdecimal())

    def latest(self) -> int | None:
        """The newest checkpoint's update number, or `None`."""
        self._wait()
        return max(self.steps(), default=None)

    def best(self) -> int | None:
        """The best checkpoint's update number, or `None`.

        Raises:
          InputError: there are checkpoints, and of none can be read how good it is.
        """
        return next(iter(self._by_value()), None)

    def restore(self, step: int, like: PyTree) -> PyTree:
        """The state of a checkpoint.

        Args:
          step: an update number for which there is a checkpoint.
          like: a state of the same structure, shapes and dtypes, or abstract.

        Raises:
          DamagedError: there is none, or it is damaged.
          InputError: it is of another run or another version, or it holds another state.
        """
        beside = self._beside(step)
        self._check_origin(step, beside)
        template = jax.eval_shape(without_keys, like)
        reason = None
        try:
            with _checkpointer() as reader:
                how = ocp.args.ArrayRestore(restore_args=ocp.RestoreArgs(restore_type=np.ndarray))
                row = np.asarray(reader.restore(self._place(step), args=how))
            if beside.get("checksum") != checksum(row, beside["state"]):
                reason = "its checksum is another"
        except Exception as error:  # Orbax raises many kinds for a damaged checkpoint
            reason = reason_of(error)
        if reason is not None:
            forget_readers()
            raise self._damaged(step, reason)
        self._check_state(step, beside["state"], described(template))
        return with_keys(unpacked(row, template), like)

    def whole(self, like: PyTree, which: str = "latest") -> tuple[int, PyTree, dict[int, str]] | None:
        """The newest or best checkpoint that is whole: its number, its state, and why others were passed over.

        Args:
          like: a state of the same structure, or abstract.
          which: "latest" or "best".

        Returns:
          `None` where there is no checkpoint at all.

        Raises:
          InputError: all are damaged, or one is of another run.
        """
        steps = self._by_value() if which == "best" else self.steps()[::-1]
        damaged: dict[int, str] = {}
        for step in steps:
            try:
                return step, self.restore(step, like), damaged
            except DamagedError as error:
                damaged[step] = error.reason
        if damaged:
            raise self._all_damaged(damaged)
        return None

    def tidy(self, step: int, aside: pathlib.Path) -> None:
        """Makes the folder one that goes on from a checkpoint.

        Deletes what a kill left half written or half deleted, and puts later checkpoints, which are damaged, aside.

        Args:
          step: of the checkpoint.
          aside: the folder that takes them.
        """
        if not self.path.is_dir():
            return
        for left in self.path.glob(f"*{_TEMPORARY}*"):
            shutil.rmtree(left)
        for other in self.steps():
            place, target = self._place(other), aside / str(other)
            if other > step:
                aside.mkdir(exist_ok=True)
                shutil.rmtree(target, ignore_errors=True)
                place.rename(target)
            elif other < step and not self._readable(other):
                shutil.rmtree(place)

    def close(self) -> None:
        """Waits until everything is written.

        Raises:
          StorageError: something could not be written.
        """
        try:
            self._wait()
        finally:
            self._thread.shutdown()
            writer, self._opened = self._opened, None
            if writer is not None:
                with self._writing():
                    writer.close()

    def _wait(self) -> None:
        """Until what was saved last is written.

        Raises:
          StorageError: it cannot be.
        """
        begun, self._begun = self._begun, None
        if begun is not None:
            with self._writing():
                begun.result()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        reason = None
        try:
            yield
        except Exception as error:  # of many kinds, from the threads of Orbax
            reason = reason_of(error)
        if reason is not None:
            raise StorageError(self.path, reason)

    def _place(self, step: int) -> pathlib.Path:
        return self.path / str(step)

    def _beside(self, step: int) -> dict[str, Any]:
        """What was saved beside the state."""
        try:
            beside = json.loads((self._place(step) / "_CHECKPOINT_METADATA").read_text())["custom_metadata"]
            if isinstance(beside, dict) and isinstance(beside.get("value"), int | float):
                return beside
            reason = "its metric is no number"
        except (OSError, ValueError, LookupError, TypeError) as error:
            reason = reason_of(error)
        raise self._damaged(step, reason)

    def _readable(self, step: int) -> bool:
        try:
            return bool(self._beside(step)) and (self._place(step) / "checkpoint").is_dir()
        except DamagedError:
            return False

    def _by_value(self) -> list[int]:
        """The update numbers, the best first, of equals the newest; those of which it cannot be read are left out."""
        found, damaged = {}, {}
        for step in self.steps():
            try:
                found[step] = self._sign * self._beside(step)["value"]
            except DamagedError as error:
                damaged[step] = error.reason
        if damaged and not found:
            raise self._all_damaged(damaged)
        return sorted(found, key=lambda step: (found[step], step), reverse=True)

    def _check_origin(self, step: int, beside: dict[str, Any]) -> None:
        name, found = str(self._place(step)), beside.get("format", FORMAT)
        if found != FORMAT:
            raise InputError("checkpoint", name, f"one of format {FORMAT}; it is of format {found}, of another version")
        if self._about is None or "about" not in beside:
            return
        differs = difference(from_json(beside["about"], f"checkpoint {name}"), self._about)
        if differs:
            raise InputError("checkpoint", name, f"one of the same configuration ({differs})")

    def _check_state(self, step: int, found: dict[str, list], wanted: dict[str, list]) -> None:
        for name in [*wanted, *found]:
            has, expected = (_in_words(each.get(name)) for each in (found, wanted))
            if has != expected:
                raise InputError("checkpoint", str(self._place(step)), f"one with {expected} at {name}; it has {has}")

    def _damaged(self, step: int, reason: str) -> DamagedError:
        return DamagedError(self._place(step), reason)

    def _all_damaged(self, reasons: dict[int, str]) -> InputError:
        listed = "; ".join(f"{step}: {reason}" for step, reason in reasons.items())
        return InputError("checkpoints", str(self.path), f"one that is whole ({listed})")


def _in_words(leaf: list | None) -> str:
    return "nothing" if leaf is None else f"shape {tuple(leaf[0])} of {leaf[1]}"


def _checkpointer() -> ocp.Checkpointer:
    return ocp.Checkpointer(ocp.ArrayCheckpointHandler(), multiprocessing_options=_by_itself())


def _by_itself() -> ocp.options.MultiprocessingOptions:
    """Of several processes the one that writes a run, or reads it, does not wait for the others."""
    if jax.process_count() == 1:
        return ocp.options.MultiprocessingOptions()
    own = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process_{own}"
    )
