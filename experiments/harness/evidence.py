"""What a handful of seeds says: success rates with intervals, updates to success, and orderings that leave no doubt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.analysis.intervals import wilson

Row = Mapping[str, Any]


def summarize(found: Mapping[str, Any]) -> dict[str, Any]:
    """An arm of a sweep in plain values: seed by seed, the success rate with its interval, and updates to success."""
    runs = found["runs"]
    solved = [run["solved_at"] for run in runs]
    done = [value for value in solved if value is not None]
    quartiles = np.percentile(done, (25, 50, 75)).tolist() if done else None
    return {
        "solved_at": solved,
        "steps": [run["steps"] for run in runs],
        "best": [run["best"] for run in runs],
        "diverged": [run["diverged"] for run in runs],
        "allowed": runs[0]["allowed"],
        "solved": len(done),
        "of": len(runs),
        "wilson": list(wilson(len(done), len(runs))),
        "updates": dict(zip(("lower", "median", "upper"), quartiles, strict=True)) if quartiles else None,
    }


def every_solved(row: Row) -> bool:
    """Whether all seeds met the criterion."""
    return all(value is not None for value in row["solved_at"])


def none_solved(row: Row) -> bool:
    """Whether no seed met the criterion."""
    return all(value is None for value in row["solved_at"])


def faster(row: Row, other: Row) -> bool:
    """Whether every seed of one needed fewer updates than every seed of the other; never counts as the most."""
    first, second = ([math.inf if value is None else value for value in each["solved_at"]] for each in (row, other))
    return max(first) < min(second)


def verdict(row: Row) -> str:
    """In words: "2 of 3 seeds, 400 / 600 / - updates"."""
    return f"{row['solved']} of {row['of']} seeds, {by_seed(row)} updates"


def by_seed(row: Row) -> str:
    """Updates to success, seed by seed; a dash where there was none."""
    cells = []
    for solved, diverged in zip(row["solved_at"], row["diverged"], strict=True):
        cells.append("diverged" if diverged else "-" if solved is None else f"{solved:,}")
    return " / ".join(cells)


def results_table(rows: Mapping[str, Row]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """A table of arms: header and rows of text."""
    header = ("run", "solved", "95 % interval", "updates, seed by seed", "median", "allowed")
    table = []
    for name, row in rows.items():
        low, high = row["wilson"]
        median = "-" if row["updates"] is None else f"{row['updates']['median']:,.0f}"
        limits = f"{low:.0%} to {high:.0%}"
        table.append((name, f"{row['solved']} of {row['of']}", limits, by_seed(row), median, f"{row['allowed']:,}"))
    return header, tuple(table)


def curves(found: Mapping[str, Any], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """A validation metric by update, `([points], [seeds, points])`; NaN after a run has stopped."""
    seeds = [run["seed"] for run in found["runs"]]
    steps = sorted({record["step"] for record in found["records"]})
    values = np.full((len(seeds), len(steps)), np.nan)
    for record in found["records"]:
        value = record["validation"][metric]
        values[seeds.index(record["seed"]), steps.index(record["step"])] = np.nan if value is None else value
    return np.asarray(steps), values
