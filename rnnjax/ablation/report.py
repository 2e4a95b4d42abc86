"""The report of an ablation: the best settings, each factor, pairs of factors, success against length, curves."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.ablation.grid import Planned
from rnnjax.ablation.statistics import Estimate, bootstrap
from rnnjax.ablation.store import Store
from rnnjax.analysis import wilson
from rnnjax.errors import check
from rnnjax.report import Section, page, section
from rnnjax.training.run_folder import RunFolder, environment

_MOST_PAIRS = 6


def write_report(planned: Sequence[Planned], store: Store, file: pathlib.Path | None = None) -> pathlib.Path:
    """Writes one self-contained HTML file about the finished runs of a grid; returns its path.

    A run that has diverged counts as one that did not succeed, and with the worst value that its metric can have in the
    ordering of settings. No seed is left out, and none is the best.

    Raises:
      InputError: no run is finished.
    """
    rows = store.rows(planned)
    check(bool(rows), "run folder", str(store.path), "an ablation with at least one finished run")
    task = planned[0].config.task
    metric = f"best validation {task.metric}"
    factors = [name for name in planned[0].settings if len({str(row[name]) for row in rows}) > 1]
    sections = [_best(rows, factors, metric, task.mode)]
    sections += [_success(rows, factors)] if any(row["solved_at"] is not None for row in rows) else []
    sections += [_factors(rows, factors, metric)] if factors else []
    sections += [_pairs(rows, factors, metric)] if len(factors) > 1 else []
    sections.append(_curves(planned, store, factors))
    machine = environment()
    small = (
        f"{len(rows)} of {len(planned)} runs · {', '.join(factors) or 'one setting'}",
        ", ".join(f"{name} {machine[name]}" for name in ("rnnjax", "jax", "python")),
    )
    body = [section(part, number) for number, part in enumerate(sections)]
    path = store.path / "report.html" if file is None else file
    path.write_text(page(f"Ablation on {task.name}", small, body))
    return path


def settings_of(row: dict[str, Any], factors: Sequence[str]) -> str:
    """The settings of a row in words."""
    return ", ".join(f"{name} {_shown(row[name])}" for name in factors) or "all runs"


def groups(rows: Sequence[dict[str, Any]], factors: Sequence[str]) -> dict[tuple, list[dict[str, Any]]]:
    """The rows by the values of some factors, in the order of the grid."""
    found: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in factors), []).append(row)
    return found


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _value(row: dict[str, Any]) -> float:
    best = row["best"]
    return float("nan") if best is None or row["diverged"] else float(best)


def _estimate(rows: Sequence[dict[str, Any]]) -> Estimate | None:
    values = np.array([_value(row) for row in rows])
    return bootstrap(values[~np.isnan(values)]) if not np.isnan(values).all() else None


def _interval(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.4g} ({estimate.lower:.4g} to {estimate.upper:.4g})"


def _best(rows, factors, metric: str, mode: str) -> Section:
    """The settings, ordered by their interquartile mean."""
    listed = []
    for values, own in groups(rows, factors).items():
        estimate, diverged = _estimate(own), sum(row["diverged"] for row in own)
        solved = [row["solved_at"] for row in own if row["solved_at"] is not None]
        low, high = wilson(len(solved), len(own))
        order = np.inf if estimate is None or diverged else (estimate.value if mode == "min" else -estimate.value)
        cells = [*map(_shown, values), _interval(estimate), f"{len(solved)} of {len(own)} ({low:.2f} to {high:.2f})"]
        cells += [f"{np.median(solved):.0f}" if len(solved) * 2 > len(own) else "-", str(diverged)]
        listed.append((diverged, order, cells))
    listed.sort(key=lambda entry: entry[:2])
    header = [*factors, metric, "solved", "median updates", "diverged"]
    text = (
        "Interquartile mean over the seeds, with its 95 % interval by resampling them; the share of runs that met the "
        "task's criterion, with its Wilson interval. Settings in which a run diverged come last."
    )
    return Section("Settings, the best first", text, (), ((header, [cells for *_, cells in listed]),))


def _factors(rows, factors, metric: str) -> Section:
    from rnnjax.ablation.figures import factor_figure

    figures = []
    for name in factors:
        found = {_shown(value): _estimate(own) for (value,), own in groups(rows, [name]).items()}
        dots = {_shown(value): [_value(row) for row in own] for (value,), own in groups(rows, [name]).items()}
        caption = f"{metric} against {name}: every run, the interquartile mean and its 95 % interval."
        figures.append((caption, factor_figure(name, dots, found, metric)))
    return Section("Each factor", "Over all values of the other factors.", tuple(figures))


def _pairs(rows, factors, metric: str) -> Section:
    from rnnjax.ablation.figures import pair_figure

    figures = []
    for one, other in list(itertools.combinations(factors, 2))[:_MOST_PAIRS]:
        cells = groups(rows, [one, other])
        across, down = (list(dict.fromkeys(row[name] for row in rows)) for name in (one, other))
        values = np.full((len(down), len(across)), np.nan)
        for (a, b), own in cells.items():
            estimate = _estimate(own)
            if estimate is not None:
                values[down.index(b), across.index(a)] = estimate.value
        labels = ([_shown(value) for value in across], [_shown(value) for value in down])
        figures.append((f"{metric}, interquartile mean.", pair_figure(one, other, *labels, values, metric)))
    return Section("Pairs of factors", "Grey where no run has a value.", tuple(figures))


def _success(rows, factors) -> Section:
    from rnnjax.analysis.figures_success import success_figure

    length = next((name for name in factors if name.split(".")[-1] in ("length", "delay")), None)
    others = [name for name in factors if name != length]
    if length is None:
        solved = sum(row["solved_at"] is not None for row in rows)
        return Section("Success", f"{solved} of {len(rows)} runs met the task's criterion.")
    curves = {}
    for values, own in groups(rows, others).items():
        by_length = groups(own, [length])
        lengths = [key[0] for key in by_length]
        counts = [sum(row["solved_at"] is not None for row in part) for part in by_length.values()]
        name = ", ".join(map(_shown, values)) or "all runs"
        curves[name] = (lengths, counts, [len(part) for part in by_length.values()])
    caption = "The share of runs that met the task's criterion, with Wilson intervals."
    return Section("Success against length", "", ((caption, success_figure(curves, xlabel=length)),))


def _curves(planned, store: Store, factors) -> Section:
    from rnnjax.analysis.figures import learning_curves_figure

    task = planned[0].config.task
    by_setting: dict[str, list[dict[int, float]]] = {}
    for run in planned:
        if store.finished(run) is not None:
            records = RunFolder(store.folder(run)).records()
            values = {record["step"]: record["validation"].get(task.metric) for record in records}
            by_setting.setdefault(settings_of(dict(run.settings), factors), []).append(values)
    steps = sorted({step for runs in by_setting.values() for values in runs for step in values})
    curves = {
        name: np.array([[np.nan if v.get(step) is None else v[step] for step in steps] for v in runs], float)
        for name, runs in list(by_setting.items())[:8]
    }
    figure = learning_curves_figure(curves, np.array(steps), f"validation {task.metric}")
    text = "A thin line a seed, the median thick." + (" The first eight settings." if len(by_setting) > 8 else "")
    return Section("Learning curves", text, ((f"Validation {task.metric} against updates.", figure),))
