"""`python -m experiments list` and `python -m experiments run NAME`."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import time
from typing import Annotated

import tyro

from experiments.claims import judge
from experiments.experiment import NAMES, load
from experiments.report import write_report
from rnnjax.cli import run_command
from rnnjax.errors import check_choice
from rnnjax.training.run_folder import RunFolder, environment, write_json


@dataclasses.dataclass(frozen=True)
class List:
    """Name the experiments, with papers and a line each."""

    def __call__(self) -> None:
        """Prints a line each."""
        for name in NAMES:
            experiment = load(name)
            print(
                f"{name}\n  {experiment.description}\n  {experiment.papers}\n  presets: {', '.join(experiment.presets)}"
            )


@dataclasses.dataclass(frozen=True)
class Run:
    """Run an experiment: writes a folder with configuration, numbers, claims, figures and report."""

    experiment: tyro.conf.Positional[str]
    """Name of the experiment."""
    preset: str = "laptop"
    """laptop (minutes) or paper (the published size)."""
    out: pathlib.Path | None = None
    """Folder of the run; by default runs/NAME-PRESET."""
    overwrite: bool = False
    """Delete an earlier run in the folder."""
    processes: int | None = None
    """Worker processes; by default one a core."""

    def __call__(self) -> None:
        """Runs it, prints the table of claims and the path of the report."""
        experiment = load(self.experiment)
        check_choice("--preset", self.preset, experiment.presets)
        config = experiment.presets[self.preset]
        if self.processes is not None:
            config = dataclasses.replace(config, processes=self.processes)
        folder = RunFolder(self.out or pathlib.Path("runs") / f"{experiment.name}-{self.preset}")
        folder.create(config, overwrite=self.overwrite)
        began = time.monotonic()
        outcome = experiment.run(config, folder)
        claims = judge(experiment.claims, outcome.summary)
        seconds = round(time.monotonic() - began, 1)
        write_json(folder.path / "summary.json", {**outcome.summary, "claims": claims, "seconds": seconds})
        figures = folder.path / "figures"
        figures.mkdir()
        _save(outcome.sections, figures)
        text = folder.config.read_text()
        report = folder.path / "report.html"
        report.write_text(write_report(experiment, self.preset, claims, outcome.sections, text, environment()))
        _print(outcome, claims)
        print(f"{sum(claim['held'] for claim in claims)} of {len(claims)} claims held, {seconds:.0f} s")
        print(f"report: {report}")


def _save(sections, folder: pathlib.Path) -> None:
    from rnnjax.analysis import style

    names: dict[str, int] = {}
    for section in sections:
        for _, figure in section.figures:
            base = section.title.lower().replace(" ", "_")
            names[base] = names.get(base, 0) + 1
            ending = f"_{names[base]}" if len(section.figures) > 1 else ""
            style.save(figure, folder / f"{base}{ending}.svg")


def _print(outcome, claims) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console = console if console.is_terminal else Console(width=140)
    for section in outcome.sections:
        for header, rows in section.tables:
            table = Table(*header, title=section.title, box=box.SIMPLE_HEAD, title_justify="left")
            for row in rows:
                table.add_row(*row)
            console.print(table)
    table = Table("claim", "published", "ours", "", title="Claims", box=box.SIMPLE_HEAD, title_justify="left")
    for claim in claims:
        table.add_row(claim["claim"], claim["published"], claim["ours"], "held" if claim["held"] else "not held")
    console.print(table)


Command = Annotated[List, tyro.conf.subcommand("list")] | Annotated[Run, tyro.conf.subcommand("run")]


def main(arguments: list[str] | None = None) -> int:
    """The entry point; returns the exit code."""
    return run_command(Command, "python -m experiments", arguments, "Published results, reproduced.")


if __name__ == "__main__":
    sys.exit(main())
