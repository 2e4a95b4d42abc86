"""`python -m experiments list`, `run NAME`, `run all` and `table`."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import traceback
from typing import Annotated

import tyro

from experiments.harness.experiment import NAMES, Experiment, load
from experiments.harness.page import TableRow, collect, print_table, write_page
from experiments.harness.runner import configured, finished, run_experiment
from rnnjax.cli import run_command
from rnnjax.errors import InputError, check, check_choice


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
    """Run an experiment, or all: each writes a folder with configuration, numbers, claims, figures and report."""

    experiment: tyro.conf.Positional[str]
    """Name of the experiment, or all: those that have the preset, one after the other, without those that are done."""
    preset: str = "laptop"
    """laptop (minutes) or paper (the published size)."""
    out: pathlib.Path | None = None
    """Folder of the run, by default runs/NAME-PRESET; of all runs, by default runs."""
    resume: bool = False
    """Go on with a run that was cut off; all does."""
    overwrite: bool = False
    """Delete an earlier run in the folder."""
    processes: int | None = None
    """Worker processes; by default one a core."""
    data: pathlib.Path | None = None
    """Data of an experiment that reads some; of all, a folder with a folder for each data set."""

    def __call__(self) -> None:
        """Runs it, prints the table of claims and the path of the report."""
        check(not (self.resume and self.overwrite), "--resume", True, "either --resume or --overwrite, not both")
        check(self.processes is None or self.processes > 0, "--processes", self.processes, "a positive int")
        if self.experiment == "all":
            self._run_all()
            return
        experiment = load(self.experiment)
        check_choice("--preset", self.preset, experiment.presets)
        config = configured(experiment, self.preset, self.processes, self.data)
        folder = self.out or pathlib.Path("runs") / f"{experiment.name}-{self.preset}"
        run_experiment(experiment, self.preset, config, folder, resume=self.resume, overwrite=self.overwrite)

    def _run_all(self) -> None:
        """One after the other; what fails does not stop the rest."""
        every = [load(name) for name in NAMES]
        chosen = [experiment for experiment in every if self.preset in experiment.presets]
        check(bool(chosen), "--preset", self.preset, "a preset of an experiment: laptop or paper")
        root = self.out or pathlib.Path("runs")
        failed: dict[str, str] = {}
        for number, experiment in enumerate(chosen, 1):
            print(f"\n{number} of {len(chosen)}: {experiment.title} ({experiment.name})", flush=True)
            try:
                self._run_one_of_all(experiment, root)
            except InputError as error:
                failed[experiment.name] = str(error)
                print(f"not run: {error}")
            except Exception as error:
                failed[experiment.name] = f"{type(error).__name__}: {error}"
                traceback.print_exc()
        print_table([TableRow.of(experiment, root, self.preset) for experiment in chosen])
        if failed:
            listed = "; ".join(f"{name} ({reason})" for name, reason in failed.items())
            raise InputError("experiments", f"{len(failed)} of {len(chosen)} not run: {listed}", "all run")

    def _run_one_of_all(self, experiment: Experiment, root: pathlib.Path) -> None:
        data = self.data / experiment.data if self.data is not None and experiment.data else None
        config = configured(experiment, self.preset, self.processes, data)
        folder = root / f"{experiment.name}-{self.preset}"
        if not self.overwrite and finished(folder, config):
            print(f"done already: {folder}")
            return
        run_experiment(
            experiment, self.preset, config, folder, resume=not self.overwrite, overwrite=self.overwrite, brief=True
        )


@dataclasses.dataclass(frozen=True)
class Table:
    """Write the page "published and reproduced" from the run folders and the summaries on file."""

    runs: pathlib.Path = pathlib.Path("runs")
    """Folder with the runs; their summaries and one figure each are put on file first."""
    results: pathlib.Path = pathlib.Path("experiments/results")
    """Folder with the summaries on file."""
    page: pathlib.Path = pathlib.Path("docs/reproduced.md")
    """The page."""
    figures: pathlib.Path = pathlib.Path("docs/assets/experiments")
    """Folder with the figures of the page."""

    def __call__(self) -> None:
        """Writes the summaries, figures and page, and prints the table."""
        check(self.page.parent.is_dir(), "--page", str(self.page), "a file in a folder that exists")
        experiments = [load(name) for name in NAMES]
        for path in collect(experiments, self.runs, self.results, self.figures):
            print(f"wrote {path}")
        print_table(write_page(experiments, self.results, self.page, self.figures))
        print(f"wrote {self.page}")


Command = (
    Annotated[List, tyro.conf.subcommand("list")]
    | Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Table, tyro.conf.subcommand("table")]
)


def main(arguments: list[str] | None = None) -> int:
    """The entry point; returns the exit code."""
    return run_command(Command, "python -m experiments", arguments, "Published results, reproduced.")


if __name__ == "__main__":
    sys.exit(main())
