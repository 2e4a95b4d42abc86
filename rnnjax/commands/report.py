"""The command `rnnjax report`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro


@dataclasses.dataclass(frozen=True)
class Report:
    """Write one HTML file about a run: its curves, and what its model does."""

    run: tyro.conf.Positional[pathlib.Path]
    """The run's folder."""
    out: pathlib.Path | None = None
    """The file; report.html in the run's folder unless given."""
    which: str = "best"
    """The best checkpoint on the validation split, or the latest."""

    def __call__(self) -> None:
        """Writes the file, and prints its name."""
        from rnnjax.training.report import write_report

        path = write_report(self.run, self.out, self.which)
        print(f"report: {path}")
