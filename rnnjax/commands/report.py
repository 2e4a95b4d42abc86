"""The command `rnnjax report`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro


@dataclasses.dataclass(frozen=True)
class Report:
    """Write one HTML file about a run: its curves, and what its model does; or about an ablation or a search."""

    run: tyro.conf.Positional[pathlib.Path]
    """The folder of the run or of the ablation, or the storage of the search."""
    out: pathlib.Path | None = None
    """The file; report.html in the run's folder unless given."""
    which: str = "best"
    """Of a run: the best checkpoint on the validation split, or the latest."""

    def __call__(self) -> None:
        """Writes the file, and prints its name."""
        from rnnjax.ablation import Store
        from rnnjax.ablation.report import write_report as write_ablation_report
        from rnnjax.ablation.search_report import write_search_report
        from rnnjax.training.report import write_report

        if self.run.is_file():
            path = write_search_report(self.run, self.out)
        elif Store(self.run).is_one():
            path = write_ablation_report(self.run, self.out)
        else:
            path = write_report(self.run, self.out, self.which)
        print(f"report: {path}")
