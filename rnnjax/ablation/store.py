"""The folder of an ablation: one folder a run, and a table of all of them."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from collections.abc import Iterable
from typing import Any

from rnnjax.ablation.grid import Planned
from rnnjax.errors import InputError, check
from rnnjax.training.run_folder import RunFolder, write_json


class Store:
    """The results of an ablation: `runs/NAME/` with a training run's files each, `table.csv` and `table.parquet`.

    A run is known by its configuration and seed. So a grid that was stopped goes on with what is missing, and one with
    more seeds or values computes the new runs only.

    Args:
      path: the folder.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path).absolute()

    def folder(self, run: Planned) -> pathlib.Path:
        """The folder of a run."""
        return self.path / "runs" / run.name

    def open(self) -> None:
        """Makes the folder, or takes up the one that is there.

        Raises:
          InputError: a folder that holds something else, or that cannot be written.
        """
        try:
            occupied = self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))
            known = (self.path / "runs").is_dir()
            check(known or not occupied, "out", str(self.path), "a new or empty folder, or that of an ablation")
            (self.path / "runs").mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError("out", str(self.path), f"a folder that can be written ({error.strerror})") from None

    def finished(self, run: Planned) -> dict[str, Any] | None:
        """What a run came to, or `None` where it is missing or was cut off."""
        try:
            found = json.loads((self.folder(run) / "summary.json").read_text())
            settled = json.loads((self.folder(run) / "spent.json").read_text())
            return {**found["seeds"][0], **settled}
        except (OSError, ValueError, KeyError, IndexError):
            return None

    def write(self, run: Planned, records: Iterable[dict[str, Any]], summary: dict[str, Any]) -> None:
        """Writes a run that was trained together with others, without checkpoints: all of it or nothing."""
        part = self.folder(run).with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        folder = RunFolder(part)
        folder.create({"config": run.config, "seeds": (run.seed,)})
        for record in records:
            folder.append(record)
        write_json(part / "summary.json", {"seeds": [summary]})
        shutil.rmtree(self.folder(run), ignore_errors=True)
        part.rename(self.folder(run))

    def note_time(self, run: Planned, spent: dict[str, Any]) -> None:
        """Adds what a run has cost: with this file a run counts as finished."""
        write_json(self.folder(run) / "spent.json", spent)

    def rows(self, planned: Iterable[Planned]) -> list[dict[str, Any]]:
        """A row for each finished run: its settings, seed, results and cost."""
        rows = []
        for run in planned:
            found = self.finished(run)
            if found is not None:
                last = list(RunFolder(self.folder(run)).records())[-1:]
                metrics = {f"last_{name}": value for record in last for name, value in record["validation"].items()}
                settings = {name: value for name, value in run.settings.items()}
                rows.append({"run": run.name, **settings, "seed": run.seed, **found, **metrics})
        return rows

    def write_table(self, planned: Iterable[Planned]) -> pathlib.Path:
        """Writes `table.csv` and `table.parquet`, a row a finished run; returns the path of the first."""
        import pandas

        table = pandas.DataFrame(self.rows(planned))
        for name in table.columns:  # one type a column, as Parquet has it: `none, 1.0` becomes text
            kinds = {type(value) for value in table[name] if value is not None}
            if len(kinds) > 1 and kinds & {str}:
                table[name] = [None if value is None else str(value) for value in table[name]]
        for ending, write in (("csv", lambda path: table.to_csv(path, index=False)), ("parquet", table.to_parquet)):
            part = self.path / f"table.{ending}.part"
            write(part)
            part.replace(self.path / f"table.{ending}")
        return self.path / "table.csv"
