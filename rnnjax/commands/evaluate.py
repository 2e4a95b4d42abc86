"""The command `rnnjax evaluate`."""

from __future__ import annotations

import dataclasses
import json
import pathlib

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
        from rnnjax.training import evaluate_run

        rows, step = evaluate_run(self.run, self.split, self.which)
        if self.json:
            print(json.dumps({"checkpoint": step, "split": self.split, "seeds": rows}, indent=2))
            return
        table = table_of(*rows[0], title=f"{self.split} split, {self.which} checkpoint (update {step})")
        for row in rows:
            table.add_row(*(f"{value:.4g}" for value in row.values()))
        print_table(table)
