"""The folder of an ablation: one folder a run, the grid that they are of, and tables of all of them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rnnjax.ablation.grid import Planned, check_grid
from rnnjax.errors import InputError, check
from rnnjax.serialization import from_json, to_json
from rnnjax.training import Config, TrainState
from rnnjax.training.checkpoints import Checkpoints
from rnnjax.training.lock import NAME as LOCK
from rnnjax.training.lock import Lock
from rnnjax.training.run_folder import RunFolder, write_json


class Store:
    """The results of an ablation: `grid.json`, `runs/NAME/` with a training run's files each, and tables.

    A run is known by its configuration and seed. So a grid that was stopped goes on with what is missing, and one with
    more seeds or values computes the new runs only.

    Args:
      path: the folder.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path).absolute()

    @property
    def grid(self) -> pathlib.Path:
        """The file with all runs that were ever planned here."""
        return self.path / "grid.json"

    def folder(self, run: Planned) -> pathlib.Path:
        """The folder of a run."""
        return self.path / "runs" / run.name

    def group_folder(self, name: str) -> pathlib.Path:
        """The folder of runs that are being trained together."""
        return self.path / "groups" / name

    def is_one(self) -> bool:
        """Whether the folder is that of an ablation."""
        return self.grid.is_file()

    @contextlib.contextmanager
    def opened(self, planned: Sequence[Planned]) -> Iterator[None]:
        """Makes the folder, or takes up the one that is there, and adds runs to its grid. Locked within the context.

        Raises:
          InputError: a folder that holds something else, that another process works in, or that cannot be written; runs
            of other tasks than those that are there.
        """
        lock = Lock(self.path)
        try:
            self._take(lock, planned)
        except OSError as error:
            lock.release()
            raise InputError("out", str(self.path), f"a folder that can be written ({error.strerror})") from None
        except InputError:
            lock.release()
            raise
        try:
            yield
        finally:
            lock.release()

    def _take(self, lock: Lock, planned: Sequence[Planned]) -> None:
        occupied = self.path.exists() and (not self.path.is_dir() or {p.name for p in self.path.iterdir()} - {LOCK})
        check(self.is_one() or not occupied, "out", str(self.path), "a new or empty folder, or that of an ablation")
        self.path.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        known = {run.name: run for run in self.planned()} if self.is_one() else {}
        every = [*(known | {run.name: run for run in planned}).values()]
        check_grid(every)
        places: dict[Config, int] = {}
        rows = []
        for run in every:
            place = places.setdefault(run.config, len(places))
            rows.append({"run": run.name, "configuration": place, "seed": run.seed, "settings": dict(run.settings)})
        write_json(self.grid, {"configurations": [to_json(config) for config in places], "runs": rows})

    def planned(self) -> list[Planned]:
        """All runs that were ever planned here, in the order in which they came.

        Raises:
          InputError: no ablation's folder.
        """
        try:
            saved = json.loads(self.grid.read_text())
            configs = [from_json(config, "grid.json") for config in saved["configurations"]]
            runs = [Planned(row["settings"], configs[row["configuration"]], row["seed"]) for row in saved["runs"]]
        except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("ablation folder", str(self.path), "a folder with a whole grid.json") from None
        check(all(isinstance(config, Config) for config in configs), "grid.json", str(self.grid), "configurations")
        return runs

    def finished(self, run: Planned) -> dict[str, Any] | None:
        """What a run came to and cost, or `None` where it is missing or was cut off."""
        try:
            found = json.loads((self.folder(run) / "summary.json").read_text())["seeds"][0]
            spent = json.loads((self.folder(run) / "spent.json").read_text())
            return {"updates": found.pop("steps"), **found, **spent}
        except (OSError, ValueError, KeyError, IndexError):
            return None

    def write(
        self, run: Planned, records: Sequence[Mapping[str, Any]], summary: Mapping[str, Any], state: TrainState, spent
    ) -> None:
        """Writes a run that was trained together with others, with its final state: all of it or nothing."""
        part = self.folder(run).with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        folder = RunFolder(part)
        folder.create({"config": run.config, "seeds": (run.seed,)})
        for record in records:
            folder.append(dict(record))
        write_json(part / "summary.json", {"seeds": [summary]})
        write_json(part / "spent.json", spent)
        checkpoints = Checkpoints(folder.checkpoints, mode=run.config.task.mode)
        value = records[-1]["validation"][run.config.task.metric]
        checkpoints.save(records[-1]["step"], state, float("nan") if value is None else value)
        checkpoints.close()
        shutil.rmtree(self.folder(run), ignore_errors=True)
        part.rename(self.folder(run))

    def note_time(self, run: Planned, spent: dict[str, Any]) -> None:
        """Adds what a run has cost: with this file a run counts as finished."""
        write_json(self.folder(run) / "spent.json", spent)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups whose training was interrupted: the names of their runs, by the group's name."""
        found = {}
        for file in sorted(self.path.glob("groups/*/members.json")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                found[file.parent.name] = tuple(json.loads(file.read_text())["runs"])
        return found

    def rows(self, planned: Iterable[Planned]) -> list[dict[str, Any]]:
        """A row for each finished run: its settings, seed, results, cost and whole configuration."""
        planned = list(planned)
        factors = list(dict.fromkeys(name for run in planned for name in run.settings))
        rows = []
        for run in planned:
            found = self.finished(run)
            if found is not None:
                last = list(RunFolder(self.folder(run)).records())[-1:]
                metrics = {f"last_{name}": value for record in last for name, value in record["validation"].items()}
                settings = {name: run.settings.get(name) for name in factors}
                own = {"run": run.name, **settings, **found, "seed": run.seed, **metrics}
                rows.append(own | dict(_flat(to_json(run.config), "config")))
        return rows

    def curves(self, planned: Iterable[Planned]) -> list[dict[str, Any]]:
        """A row for each evaluation of each finished run."""
        rows = []
        for run in planned:
            if self.finished(run) is not None:
                for record in RunFolder(self.folder(run)).records():
                    metrics = {f"validation_{name}": value for name, value in record.pop("validation").items()}
                    rows.append({"run": run.name, **dict(run.settings), **record, **metrics, "seed": run.seed})
        return rows


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The numbers and texts of a configuration as JSON, by the path of their field."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flat(item.rpartition(":")[2] if name == "type" else item, f"{path}.{name}")
    else:
        yield path, json.dumps(value) if isinstance(value, list) else value
