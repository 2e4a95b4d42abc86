"""The report of an ablation: the best settings, each factor, pairs of factors, success against length, curves."""

from __future__ import annotations

import itertools
import math
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.ablation.grid import Planned
from rnnjax.ablation.statistics import Estimate, bootstrap
from rnnjax.ablation.store import Store
from rnnjax.analysis import wilson
from rnnjax.errors import InputError, check
from rnnjax.report import Section, page, section
from rnnjax.training.run_folder import RunFolder, environment

_LINES = 8
"""Lines that a figure can show."""

Row = dict[str, Any]


class Results(NamedTuple):
    """The finished runs of a grid.

    Attributes:
      rows: one a run.
      factors: what differs between them, by name.
      metric: what a run is judged by.
      mode: whether a good value is small ("min") or large ("max").
      log: whether its values are to be drawn on a logarithmic axis.
    """

    rows: Sequence[Row]
    factors: tuple[str, ...]
    metric: str
    mode: str
    log: bool

    def value(self, row: Row) -> float:
        """What a run is worth: infinitely bad where it has diverged."""
        best = row["best"]
        return self.worst if best is None or row["diverged"] else float(best)

    @property
    def worst(self) -> float:
        """What is worse than every value."""
        return math.inf if self.mode == "min" else -math.inf

    def estimate(self, rows: Sequence[Row]) -> Estimate:
        """The interquartile mean of runs, with an interval over the seeds of each setting."""
        numbers: dict[tuple, int] = {}
        strata = [numbers.setdefault(tuple(row[name] for name in self.factors), len(numbers)) for row in rows]
        return bootstrap([self.value(row) for row in rows], strata=strata)

    def by(self, names: Sequence[str]) -> dict[tuple, list[Row]]:
        """The rows by the values of some factors, numbers in ascending order."""
        found: dict[tuple, list[Row]] = {}
        for row in self.rows:
            found.setdefault(tuple(row[name] for name in names), []).append(row)
        ranks = [{value: place for place, value in enumerate(self.values(name))} for name in names]
        order = sorted(found, key=lambda key: [rank[value] for rank, value in zip(ranks, key, strict=True)])
        return {key: found[key] for key in order}

    def values(self, name: str) -> list[Any]:
        """The values of a factor: numbers in ascending order after `None`, else as they came."""
        values = list(dict.fromkeys(row[name] for row in self.rows))
        numeric = all(value is None or (_is_number(value)) for value in values)
        return sorted(values, key=lambda value: -math.inf if value is None else value) if numeric else values


def results_of(store: Store, planned: Sequence[Planned]) -> Results:
    """The finished runs of a folder.

    Raises:
      InputError: no run is finished.
    """
    rows = store.rows(planned)
    check(bool(rows), "ablation folder", str(store.path), "one with at least one finished run")
    task = planned[0].config.task
    names = dict.fromkeys(name for run in planned for name in run.settings)
    factors = tuple(name for name in names if len({repr(row[name]) for row in rows}) > 1)
    best = np.array([row["best"] for row in rows if row["best"] is not None and not row["diverged"]], float)
    log = task.metric == "loss" and best.size > 0 and best.min() > 0 and best.max() > 30 * best.min()
    return Results(rows, factors, f"best validation {task.metric}", task.mode, bool(log))


def write_report(out: str | os.PathLike, file: str | os.PathLike | None = None) -> pathlib.Path:
    """Writes one self-contained HTML file about the finished runs of an ablation; returns its path.

    Settings are compared by interquartile means (Agarwal et al. 2021, arXiv:2108.13264), in which a run that has
    diverged is the worst. No seed is left out, and none is the best.

    Args:
      out: the folder of the ablation.
      file: where to write; `None` is report.html in the folder.

    Raises:
      InputError: no ablation's folder, one without a finished run, or a file that cannot be written.
    """
    store = Store(out)
    planned = store.planned()
    results = results_of(store, planned)
    task = planned[0].config.task
    sections = [_settings(results), *_success(results), *_factors(results), *_pairs(results)]
    sections.append(_curves(results, planned, store))
    machine = environment()
    counted = f"{len(results.rows)} of {len(planned)} runs"
    small = (
        f"{counted} · {', '.join(map(_label, results.factors)) or 'one setting'}",
        ", ".join(f"{name} {machine[name]}" for name in ("rnnjax", "jax", "python")),
    )
    body = [section(part, number) for number, part in enumerate(sections)]
    path = store.path / "report.html" if file is None else pathlib.Path(file)
    try:
        path.write_text(page(f"Ablation on {task.name}", small, body))
    except OSError as error:
        raise InputError("--out", str(path), f"a file that can be written ({error.strerror})") from None
    return path


def ranked(results: Results) -> list[tuple[tuple, list[Row], Estimate]]:
    """The settings, by the values of their factors, with their runs and interquartile mean: the best first."""
    found = [(key, rows, results.estimate(rows)) for key, rows in results.by(results.factors).items()]
    sign = 1 if results.mode == "min" else -1
    return sorted(found, key=lambda entry: (sign * entry[2].value, sum(row["diverged"] for row in entry[1])))


def settings_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of the table of settings, the best first: all text."""
    header = [*map(_label, results.factors), "runs", results.metric, "solved", "median updates", "diverged", "s a run"]
    lines = []
    for key, rows, estimate in ranked(results):
        solved = [row["solved_at"] for row in rows if row["solved_at"] is not None]
        low, high = wilson(len(solved), len(rows))
        middle = f"{np.median(solved):.0f}" if len(solved) * 2 > len(rows) else "-"
        cells = [*map(shown, key), str(len(rows)), _interval(estimate)]
        cells += [f"{len(solved)} ({low:.0%} to {high:.0%})", middle, str(sum(row["diverged"] for row in rows))]
        lines.append([*cells, f"{np.mean([row['run_seconds'] for row in rows]):.1f}"])
    return header, lines


def shown(value: Any) -> str:
    """A value of a factor in a figure or a table."""
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _label(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ")


def _named(names: Iterable[str], key: Sequence[Any]) -> str:
    """Values of factors as the label of a line: a word says by itself what it is, a number does not."""
    parts = [
        shown(value) if isinstance(value, str) else f"{_label(name)} {shown(value)}"
        for name, value in zip(names, key, strict=True)
    ]
    return ", ".join(parts) or "all runs"


def _interval(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "diverges"
    if math.isnan(estimate.lower):
        return f"{estimate.value:.4g}"
    ends = [f"{end:.4g}" if math.isfinite(end) else "diverges" for end in (estimate.lower, estimate.upper)]
    return f"{estimate.value:.4g} ({ends[0]} to {ends[1]})"


def _settings(results: Results) -> Section:
    text = (
        "The interquartile mean over the seeds, with its 95 % interval by resampling them, in which a run that has "
        "diverged counts as the worst; how many runs met the task's criterion, with the Wilson interval of their "
        "share; the median of the updates that it took, where more than half of the runs met it."
    )
    return Section("Settings, the best first", text, (), (settings_table(results),))


def _factors(results: Results) -> list[Section]:
    from rnnjax.ablation.figures import factor_figure

    figures = []
    for name in results.factors:
        groups = {shown(key[0]): rows for key, rows in results.by([name]).items()}
        estimates = {value: results.estimate(rows) for value, rows in groups.items()}
        dots = {value: [results.value(row) for row in rows] for value, rows in groups.items()}
        figure = factor_figure(_label(name), dots, estimates, results.metric, results.log)
        caption = f"{results.metric.capitalize()} against {_label(name)}: each run, the interquartile mean, and its "
        caption += "95 % interval over the seeds."
        figures.append((caption, figure))
    text = "Over all values of the other factors: see the pairs for what depends on two."
    return [Section("Each factor", text, tuple(figures))] if figures else []


def _pairs(results: Results) -> list[Section]:
    from rnnjax.ablation.figures import pair_figure

    figures = []
    for one, other in itertools.combinations(results.factors, 2):
        across, down = results.values(one), results.values(other)
        values = np.full((len(down), len(across)), np.nan)
        for (a, b), rows in results.by([one, other]).items():
            values[down.index(b), across.index(a)] = results.estimate(rows).value
        names = ([shown(value) for value in across], [shown(value) for value in down])
        figure = pair_figure(_label(one), _label(other), *names, values, results.metric, results.log)
        figures.append(
            (f"{results.metric.capitalize()}: the interquartile mean of all runs with these two values.", figure)
        )
    return [Section("Pairs of factors", "", tuple(figures))] if figures else []


def _success(results: Results) -> list[Section]:
    """Success against the length of the task, where that is a factor: a line a setting, or a value of each factor."""
    from rnnjax.analysis.figures_success import success_figure

    rows = results.rows
    solved = sum(row["solved_at"] is not None for row in rows)
    text = f"{solved} of {len(rows)} runs met the task's criterion."
    lengths = [name for name in results.factors if name.rpartition(".")[2] in ("length", "delay", "time")]
    if not lengths or not all(map(_is_number, results.values(lengths[0]))):
        return [Section("Success", text)]
    others = [name for name in results.factors if name != lengths[0]]
    together = len(results.by(others)) <= _LINES
    figures = []
    for names in [others] if together else [[name] for name in others]:
        series = {}
        for key, own in results.by(names).items():
            part = results._replace(rows=own).by([lengths[0]])
            counts = [sum(row["solved_at"] is not None for row in each) for each in part.values()]
            series[_named(names, key)] = ([at for (at,) in part], counts, [len(each) for each in part.values()])
        caption = "The share of runs that met the task's criterion, with Wilson intervals"
        caption += "." if together else f", for each {_label(names[0])} over all values of the other factors."
        figures.append((caption, success_figure(series, xlabel=_label(lengths[0]))))
    return [Section(f"Success against {_label(lengths[0])}", text, tuple(figures))]


def _curves(results: Results, planned: Sequence[Planned], store: Store) -> Section:
    from rnnjax.ablation.figures import bands_figure

    metric, runs = planned[0].config.task.metric, {run.name: run for run in planned}
    best = ranked(results)
    values = {}
    for key, rows, _ in best[:_LINES]:
        own = [
            {r["step"]: r["validation"].get(metric) for r in RunFolder(store.folder(runs[row["run"]])).records()}
            for row in rows
        ]
        values[_named(results.factors, key)] = list(zip(own, rows, strict=True))
    steps = sorted({step for own in values.values() for found, _ in own for step in found})
    curves = {
        name: np.array([_held(found, row, steps, results.worst) for found, row in own]) for name, own in values.items()
    }
    text = "The interquartile mean over the seeds, and its 95 % interval. A run that has stopped keeps its last value."
    text += f" The best {_LINES} of {len(best)} settings." if len(best) > _LINES else ""
    figure = bands_figure(curves, np.array(steps), f"validation {metric}", results.log)
    return Section("Learning curves", text, ((f"Validation {metric} against updates.", figure),))


def _held(found: dict[int, float | None], row: Row, steps: Sequence[int], worst: float) -> list[float]:
    """The values of a run at all steps: its last one after it has stopped, the worst after it has diverged."""
    last, values = math.nan, []
    for step in steps:
        if step in found:
            last = worst if found[step] is None else float(found[step] or 0.0)
        elif found and step > max(found) and row["diverged"]:
            last = worst
        values.append(last)
    return values
