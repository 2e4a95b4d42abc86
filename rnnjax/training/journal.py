"""What a run leaves behind while it trains: its folder, records, events and checkpoints."""

from __future__ import annotations

import contextlib
import os
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from rnnjax.applications import Application
from rnnjax.errors import InputError, StorageError
from rnnjax.training.checkpoints import Checkpoints
from rnnjax.training.config import Config
from rnnjax.training.difference import difference
from rnnjax.training.hosts import from_first
from rnnjax.training.lock import Lock
from rnnjax.training.run_folder import RunFolder, write_environment, write_json
from rnnjax.training.saved_runs import read_run, warn_of
from rnnjax.training.state import TrainState


class Journal:
    """The records of a run, and its folder if it has one. A context manager, in which the folder is locked.

    Args:
      out: the folder, or `None` to keep records in memory alone.
      config: the run.
      seeds: one run each.
      keep: how many of the newest checkpoints to keep.
      tensorboard: also write TensorBoard event files.

    Attributes:
      folder: the run's folder, or `None`.
      records: so far, those of an earlier process included.

    Raises:
      InputError: from entering the context, another process trains in the folder; tensorboardX is missing.
    """

    def __init__(
        self,
        out: str | os.PathLike | None,
        config: Config,
        seeds: Sequence[int],
        *,
        keep: int = 3,
        tensorboard: bool = False,
    ):
        self.folder = None if out is None else RunFolder(out)
        self.records: list[dict[str, Any]] = []
        self._config, self._seeds, self._keep = config, tuple(seeds), keep
        self._make_writer = _summary_writer() if tensorboard else None
        self._writer: Any = None
        self._checkpoints: Checkpoints | None = None
        self._lock = None if self.folder is None else Lock(self.folder.path)
        self._latest: dict[int, float] = {}

    def __enter__(self) -> Journal:
        if self.folder is not None and self._lock is not None and self.folder.path.is_dir():
            self._lock.acquire()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        try:
            with contextlib.nullcontext() if error is None else contextlib.suppress(Exception):
                self.settle()
            if self._writer is not None:
                with contextlib.suppress(OSError):
                    self._writer.close()
        finally:
            if self._lock is not None:
                self._lock.release()

    def begin(self, like: TrainState, *, resume: bool, overwrite: bool) -> tuple[int, TrainState | None]:
        """Creates the folder, or finds where to go on: `(update, state)`, the state `None` at the start.

        Args:
          like: the state, or an abstract one.
          resume: go on from the newest checkpoint.
          overwrite: delete an earlier run.

        Raises:
          InputError: a folder that holds another run, or cannot be written; no checkpoint that is whole.
        """
        if self.folder is None:
            return 0, None
        step, state = self._resumed(like) if resume else self._created(overwrite)
        with self._writing():
            if isinstance(self._config.task, Application):
                write_json(self.folder.prepared, self._config.task.record())
            if self._make_writer is not None:
                self._writer = self._make_writer(str(self.folder.path / "tensorboard"))
        self.records = list(self.folder.records())
        self._latest = {record["seed"]: self._metric(record) for record in self.records}
        return step, state

    def begin_together(self, like: TrainState, *, resume: bool, overwrite: bool) -> tuple[int, TrainState | None]:
        """`begin` in several processes, of which the first alone has a folder: the others get what it found there."""

        def begin() -> tuple[dict[str, Any], TrainState | None]:
            step, state = self.begin(like, resume=resume, overwrite=overwrite)
            return {"step": step, "records": self.records}, state

        found, state = from_first(begin, like)
        self.records = found["records"]
        self._latest = {record["seed"]: self._metric(record) for record in self.records}
        return found["step"], state

    def _created(self, overwrite: bool) -> tuple[int, None]:
        assert self.folder is not None
        self.folder.create(self._about, overwrite=overwrite, lock=self._lock)
        self._checkpoints = self._open()
        return 0, None

    def _resumed(self, like: TrainState) -> tuple[int, TrainState | None]:
        assert self.folder is not None
        config, seeds = read_run(self.folder)
        if differs := difference({"config": config, "seeds": seeds}, self._about):
            raise InputError("out", str(self.folder.path), f"a run of the same configuration ({differs})")
        if not os.access(self.folder.path, os.W_OK):
            raise InputError("out", str(self.folder.path), "a folder that can be written")
        checkpoints = self._open()
        step, state, damaged = checkpoints.whole(like) or (0, None, {})
        warn_of(damaged, step)
        with self._writing():
            checkpoints.tidy(step, self.folder.damaged)
            if not self.folder.environment.exists():
                write_environment(self.folder)
            self.folder.forget_after(step)
        self._checkpoints = checkpoints
        return step, state

    def _open(self) -> Checkpoints:
        assert self.folder is not None
        mode = self._config.task.mode
        return Checkpoints(self.folder.checkpoints, keep=self._keep, mode=mode, about=self._about)

    @property
    def _about(self) -> dict[str, Any]:
        return {"config": self._config, "seeds": self._seeds}

    def note(self, records: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]] = ()) -> None:
        """Adds the records and events of a chunk."""
        self.records += records
        self._latest |= {record["seed"]: self._metric(record) for record in records}
        if self.folder is None:
            return
        with self._writing():
            for record in records:
                self.folder.append(record)
                if self._writer is not None:
                    _log(self._writer, record)
            for event in events:
                self.folder.append_event(event)

    def go_back(self, step: int, events: Sequence[dict[str, Any]]) -> None:
        """Drops the records of later updates than `step`, which are computed again, and adds to the events."""
        self.records = [record for record in self.records if record["step"] <= step]
        self._latest = {record["seed"]: self._metric(record) for record in self.records}
        if self.folder is None:
            return
        with self._writing():
            for event in events:
                self.folder.append_event(event)
            self.folder.forget_after(step, events=False)

    @property
    def value(self) -> float:
        """The mean over seeds of their newest values of the task's metric; a run that has stopped keeps its last."""
        known = [self._latest[seed] for seed in self._seeds if seed in self._latest]
        return statistics.fmean(known) if known else float("nan")

    def save(self, step: int, state: TrainState) -> None:
        """Starts writing a checkpoint."""
        if self._checkpoints is not None:
            with self._writing():
                self._checkpoints.save(step, state, self.value)

    def settle(self) -> None:
        """Waits until all checkpoints are written; none can be saved afterwards."""
        checkpoints, self._checkpoints = self._checkpoints, None
        if checkpoints is not None:
            with self._writing():
                checkpoints.close()

    def finish(self, summary: list[dict[str, Any]]) -> None:
        """Waits until everything is written, and writes the summary."""
        if self.folder is None:
            return
        self.settle()
        with self._writing():
            write_json(self.folder.path / "summary.json", {"seeds": summary})

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns what the system says when it cannot write into one error that names the folder."""
        assert self.folder is not None
        try:
            yield
        except (InputError, StorageError):
            raise
        except OSError as error:
            raise StorageError(self.folder.path, error.strerror or str(error)) from None

    def _metric(self, record: dict[str, Any]) -> float:
        value = record["validation"][self._config.task.metric]
        return float("nan") if value is None else value


def _summary_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise InputError("tensorboard", True, "the package tensorboardX (pip install 'rnnjax[tensorboard]')") from None
    return SummaryWriter


def _log(writer: Any, record: dict[str, Any]) -> None:
    for name in ("loss", "grad_norm", "grad_norm_max", "update_norm", "clip_rate"):
        writer.add_scalar(f"train/{name}/seed_{record['seed']}", record[name], record["step"])
    for name, value in record["validation"].items():
        writer.add_scalar(f"validation/{name}/seed_{record['seed']}", value, record["step"])
