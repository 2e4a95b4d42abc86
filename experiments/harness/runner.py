"""One run of an experiment: its folder, from config.json to report.html."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import time
from typing import Any

from experiments.harness.claims import judge
from experiments.harness.experiment import Experiment, Section
from experiments.harness.ledger import Ledger
from experiments.harness.report import write_report
from rnnjax.errors import InputError, check
from rnnjax.training.processes import workers
from rnnjax.training.run_folder import RunFolder, environment, write_json


def configured(experiment: Experiment, preset: str, processes: int | None, data: pathlib.Path | None) -> Any:
    """The configuration of a preset, with the options of the command line.

    Raises:
      InputError: data for an experiment that reads none.
    """
    config = experiment.presets[preset]
    if processes is not None:
        config = dataclasses.replace(config, processes=processes)
    if data is not None:
        takes = any(field.name == "data" for field in dataclasses.fields(config))
        check(takes, "--data", str(data), f"none: {experiment.name} reads no data")
        config = dataclasses.replace(config, data=str(data))
    return config


def finished(path: pathlib.Path, config: Any) -> bool:
    """Whether the folder holds a run of this configuration that has come to its end."""
    return (path / "summary.json").is_file() and _same(RunFolder(path), config)


def run_experiment(
    experiment: Experiment,
    preset: str,
    config: Any,
    path: pathlib.Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    brief: bool = False,
) -> list[dict[str, Any]]:
    """Runs an experiment, writes its folder and prints the claims.

    Args:
      experiment: what to run.
      preset: the name of the preset that `config` comes from.
      config: the configuration.
      path: the folder.
      resume: go on with the jobs that are missing, if the folder holds a run of this configuration.
      overwrite: delete an earlier run in the folder.
      brief: print the claims alone, not the tables of the report.

    Returns:
      The claims as judged.

    Raises:
      InputError: the folder holds something else.
    """
    folder = RunFolder(path)
    if resume and folder.config.is_file():
        if not _same(folder, config):
            raise InputError("out", str(path), "a run of the same configuration (or --overwrite)")
        folder.metrics.unlink(missing_ok=True)  # the jobs on file tell it again
    else:
        folder.create(config, overwrite=overwrite)
    began, core_began = time.monotonic(), time.process_time()
    outcome = experiment.run(config, folder)
    claims = judge(experiment.claims, outcome.summary)
    jobs = Ledger(folder.path / "jobs").seconds()
    own = time.process_time() - core_began
    core_seconds = jobs + own if workers(config.processes) > 1 else max(jobs, own)  # or it has run the jobs itself
    seconds = time.monotonic() - began
    spent = {"seconds": round(seconds, 1), "core_seconds": round(core_seconds, 1)}
    figures = folder.path / "figures"
    figures.mkdir(exist_ok=True)
    _save(outcome.sections, figures)
    report = folder.path / "report.html"
    text = folder.config.read_text()
    report.write_text(write_report(experiment, preset, claims, outcome.sections, text, environment()))
    write_json(folder.path / "summary.json", {**outcome.summary, "claims": claims, **spent})  # last: the run is done
    _print(() if brief else outcome.sections, claims)
    held = sum(claim["held"] for claim in claims)
    print(f"{held} of {len(claims)} claims held, {core_seconds / 60:.1f} minutes of a core")
    print(f"report: {report}", flush=True)
    return claims


def _same(folder: RunFolder, config: Any) -> bool:
    """Whether the folder's run has this configuration; the number of processes does not matter."""
    try:
        saved = folder.read_config()
    except InputError:
        return False
    alike = type(saved) is type(config)
    return alike and dataclasses.replace(saved, processes=None) == dataclasses.replace(config, processes=None)


def _save(sections: tuple[Section, ...], folder: pathlib.Path) -> None:
    from rnnjax.analysis import style

    names: dict[str, int] = {}
    first = True
    for section in sections:
        for _, figure in section.figures:
            base = section.title.lower().replace(" ", "_")
            names[base] = names.get(base, 0) + 1
            ending = f"_{names[base]}" if len(section.figures) > 1 else ""
            style.save(figure, folder / f"{base}{ending}.svg")
            if first:  # what stands for the experiment
                style.save(figure, folder.parent / "figure.svg")
                style.save(figure, folder.parent / "figure.png")
                first = False


def _print(sections: tuple[Section, ...], claims: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console = console if console.is_terminal else Console(width=140)
    for section in sections:
        for header, rows in section.tables:
            table = Table(*header, title=section.title, box=box.SIMPLE_HEAD, title_justify="left")
            for row in rows:
                table.add_row(*row)
            console.print(table)
    table = Table("claim", "published", "ours", "", title="Claims", box=box.SIMPLE_HEAD, title_justify="left")
    for claim in claims:
        table.add_row(claim["claim"], claim["published"], claim["ours"], "held" if claim["held"] else "not held")
    console.print(table)


def read_summary(path: pathlib.Path) -> dict[str, Any] | None:
    """The summary of a finished run, or `None`."""
    file = path / "summary.json"
    return json.loads(file.read_text()) if file.is_file() else None
