"""The command `rnnjax evaluate`."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import tyro

from rnnjax.commands.terminal import print_table, table_of


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Evaluate a run on its task's test or validation split."""

    run: tyro.conf.Positional[pathlib.Path]
    """The run's folder."""
    split: str = "test"
    """test or validation."""
    which: str = "best"
    """The best checkpoint on the validation split, or the latest."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Prints a line a seed."""
        print_evaluation(self.run, self.split, self.which, as_json=self.json)


def print_evaluation(run: pathlib.Path, split: str, which: str, *, as_json: bool = False) -> None:
    """Prints the metrics of each seed, and those of the plain baseline where the task has one.

    Args:
      run: the run's folder.
      split: "test" or "validation".
      which: the "best" checkpoint or the "latest".
      as_json: print JSON.
    """
    from rnnjax.applications import Application
    from rnnjax.training import evaluate_run, restore_config

    rows, step = evaluate_run(run, split, which)
    task = restore_config(run)[0].task
    baseline = task.baseline(split) if isinstance(task, Application) else None
    if as_json:
        found: dict[str, Any] = {"checkpoint": step, "split": split, "seeds": rows}
        print(json.dumps(found | ({} if baseline is None else {"baseline": baseline}), indent=2))
        return
    table = table_of(*rows[0], title=f"{split} split, {which} checkpoint (update {step})")
    for row in rows:
        table.add_row(*(f"{value:.4g}" for value in row.values()))
    if baseline is not None:
        columns = list(rows[0])[1:]
        table.add_row("baseline", *(f"{baseline[name]:.4g}" if name in baseline else "" for name in columns))
    print_table(table)
