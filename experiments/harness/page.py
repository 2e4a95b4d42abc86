"""The page "published and reproduced": every claim beside what came out, from the summaries on file."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.harness.experiment import Experiment
from experiments.harness.runner import read_summary
from rnnjax.errors import check
from rnnjax.training.run_folder import write_json

_LARGEST = 200_000  # bytes of a figure on file; beyond, the PNG takes the place of the SVG

_INTRODUCTION = """# Published and reproduced

What papers report about gradients, memory and learning in recurrent networks, and what came out when this library ran
it. Every experiment states its claims before it runs. A claim that does not hold is listed as missed, with what is
known of the reason; all seeds that were run are reported. `laptop` presets are cut to minutes on two cores, `paper`
presets have the published size. Times are those of one core, of which two share the work; where it says wall, those of
the clock instead, on a machine that had other work too.

```text
python -m experiments run all --preset laptop    # every experiment of that size; goes on where it was cut off
python -m experiments table                      # this page
```
"""


class TableRow(NamedTuple):
    """An experiment in the table: what was run of it, and how many claims held."""

    experiment: Experiment
    preset: str
    summary: dict[str, Any] | None

    @classmethod
    def of(cls, experiment: Experiment, runs: pathlib.Path, preset: str) -> TableRow:
        """The row of a run's folder."""
        return cls(experiment, preset, read_summary(runs / f"{experiment.name}-{preset}"))

    @property
    def cells(self) -> tuple[str, ...]:
        """Title, papers, preset, seeds, time and verdict, as text."""
        head = (self.experiment.title, self.experiment.papers, self.preset)
        if self.summary is None:
            return (*head, "-", "-", "not run")
        claims = self.summary["claims"]
        seeds = len(self.summary["seeds"])
        verdict = f"{sum(claim['held'] for claim in claims)} of {len(claims)} held"
        return (*head, str(seeds), _took(self.summary), verdict)


HEADER = ("experiment", "papers", "preset", "seeds", "core time", "claims")


def collect(
    experiments: Sequence[Experiment], runs: pathlib.Path, results: pathlib.Path, figures: pathlib.Path
) -> list[pathlib.Path]:
    """Puts the summary and the figure of each finished run on file, and returns what was written."""
    written = []
    for experiment in experiments:
        for preset in experiment.presets:
            folder = runs / f"{experiment.name}-{preset}"
            summary = read_summary(folder)
            if summary is None:
                continue
            environment = json.loads((folder / "environment.json").read_text())
            kept = ("rnnjax", "python", "jax", "backend", "devices", "cores", "processor")
            machine = {name: environment[name] for name in kept if name in environment}
            results.mkdir(parents=True, exist_ok=True)
            path = results / f"{experiment.name}-{preset}.json"
            write_json(path, {**summary, "environment": machine})
            written.append(path)
            figure = folder / "figure.svg"
            if figure.is_file():
                source = figure if figure.stat().st_size <= _LARGEST else folder / "figure.png"
                figures.mkdir(parents=True, exist_ok=True)
                for stale in figures.glob(f"{experiment.name}-{preset}.*"):
                    stale.unlink()
                target = figures / f"{experiment.name}-{preset}{source.suffix}"
                shutil.copyfile(source, target)
                check(target.stat().st_size <= _LARGEST, "figure", str(source), f"a file of at most {_LARGEST} bytes")
                written.append(target)
    return written


def write_page(
    experiments: Sequence[Experiment], results: pathlib.Path, page: pathlib.Path, figures: pathlib.Path
) -> list[TableRow]:
    """Writes the page from the summaries on file, and returns the rows of its table."""
    rows = [row for experiment in experiments for row in _rows(experiment, results)]
    lines = [_INTRODUCTION]
    lines += [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
    for row in rows:
        title, *rest = row.cells
        lines.append(f"| [{title}](#{_anchor(title)}) | {' | '.join(_escaped(rest))} |")
    for experiment in experiments:
        lines += ["", *_section(experiment, [row for row in rows if row.experiment is experiment], page, figures)]
    page.write_text("\n".join(lines) + "\n")
    return rows


def print_table(rows: Iterable[TableRow]) -> None:
    """Prints the table in the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console = console if console.is_terminal else Console(width=140)
    table = Table(*HEADER, title="Published and reproduced", box=box.SIMPLE_HEAD, title_justify="left")
    for row in rows:
        table.add_row(*row.cells)
    console.print(table)


def _rows(experiment: Experiment, results: pathlib.Path) -> list[TableRow]:
    """A row for each preset that was run, or one that says that none was."""
    rows = []
    for preset in experiment.presets:
        path = results / f"{experiment.name}-{preset}.json"
        if path.is_file():
            rows.append(TableRow(experiment, preset, json.loads(path.read_text())))
    return rows or [TableRow(experiment, next(iter(experiment.presets)), None)]


def _section(experiment: Experiment, rows: Sequence[TableRow], page: pathlib.Path, figures: pathlib.Path) -> list[str]:
    lines = [f"## {experiment.title}", "", f"{experiment.description} *{experiment.papers}.*", ""]
    if experiment.protocol:
        lines += [f"**Protocol.** {experiment.protocol}", ""]
    if experiment.deviations:
        lines += ["**Deviations.** " + " ".join(experiment.deviations), ""]
    for row in rows:
        if row.summary is None:
            lines += [f"**Not run.** `python -m experiments run {experiment.name} --preset {row.preset}` runs it; the",
                      "claims are:", "", "| claim | published |", "|---|---|"]  # fmt: skip
            for claim in experiment.claims:
                lines.append("| " + " | ".join(_escaped((claim.statement, claim.published))) + " |")
            lines.append("")
            continue
        lines += [_conditions(row), "", "| claim | published | ours | |", "|---|---|---|---|"]
        for claim in row.summary["claims"]:
            verdict = "held" if claim["held"] else "**missed**"
            remark = "" if claim["held"] or not claim["remark"] else f" *{claim['remark']}*"
            source = f"{claim['claim']} ({claim['source']})"
            cells = _escaped((source, claim["published"], claim["ours"] + remark, verdict))
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
        for path in sorted(figures.glob(f"{experiment.name}-{row.preset}.*")):
            target = os.path.relpath(path, page.parent).replace(os.sep, "/")
            lines += [f"![{experiment.title}, preset {row.preset}]({target})", ""]
    return lines


def _conditions(row: TableRow) -> str:
    assert row.summary is not None
    summary, machine = row.summary, row.summary["environment"]
    cores = f"{machine['cores']} cores" + (f" of {machine['processor']}" if "processor" in machine else "")
    device = cores if machine["backend"] == "cpu" else ", ".join(machine["devices"])
    seeds = ", ".join(str(seed) for seed in summary["seeds"])
    return (
        f"**Preset {row.preset}**: seeds {seeds}; {_took(summary)} on {device}, jax {machine['jax']}; {row.cells[-1]}."
    )


def _took(summary: Mapping[str, Any]) -> str:
    """The time of one core that a run took, which other work on the machine does not change."""
    counted = summary.get("core_seconds")
    seconds = summary["seconds"] if counted is None else counted
    text = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    return text if counted is not None else f"{text} (wall)"


def _escaped(cells: Iterable[str]) -> list[str]:
    return [cell.replace("|", "\\|").replace("\n", " ") for cell in cells]


def _anchor(title: str) -> str:
    """As the site makes it of a heading."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-")
