"""The report of a search: the best trials, how the best came about, and the value against each setting."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.ablation.search import Found, read_search
from rnnjax.errors import InputError
from rnnjax.report import Section, page, section
from rnnjax.training.run_folder import environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GREY = "#8C959F"
_LISTED = 20


def write_search_report(storage: str | os.PathLike, file: pathlib.Path | None = None) -> pathlib.Path:
    """Writes one self-contained HTML file about a search, finished or not; returns its path.

    Args:
      storage: the file of the search.
      file: where to write; beside the storage, with the ending `.html`, unless given.

    Raises:
      InputError: no search, or one without a trial that has a value.
    """
    path = pathlib.Path(storage)
    found = read_search(path)
    if found.best is None:
        raise InputError("storage", str(path), "a search with at least one complete trial")
    parts = [_best(found), _history(found), _settings(found)]
    states = [row["state"] for row in found.trials]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    machine = environment()
    small = (f"{len(states)} trials: {counted}", ", ".join(f"{name} {machine[name]}" for name in ("rnnjax", "jax")))
    body = [section(part, number) for number, part in enumerate(parts)]
    target = path.with_name(path.name + ".html") if file is None else file
    try:
        target.write_text(page(f"Search: validation {found.metric}", small, body))
    except OSError as error:
        raise InputError("--out", str(target), f"a file that can be written ({error.strerror})") from None
    return target


def in_order(found: Found) -> list[dict[str, Any]]:
    """The trials that have a value, the best first."""
    valued = [row for row in found.trials if row["value"] is not None]
    return sorted(valued, key=lambda row: row["value"] if found.mode == "min" else -row["value"])


def told_again(confirmed: Mapping[int, float | None]) -> str:
    """What the best settings are worth on seeds that had no part in choosing them."""
    values = [value for value in confirmed.values() if value is not None]
    diverged = len(confirmed) - len(values)
    told = f"on {len(confirmed)} fresh seeds: "
    if values:
        told += f"{sum(values) / len(values):.4g} ({min(values):.4g} to {max(values):.4g})"
    return told + (f"{', ' * bool(values)}{diverged} diverged" if diverged else "")


def shown(value: Any) -> str:
    """A value of a setting, in a table."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _best(found: Found) -> Section:
    names = list(found.space)
    rows = [
        [str(row["number"]), f"{row['value']:.4g}", *(shown(row[name]) for name in names)] for row in in_order(found)
    ]
    text = (
        "A trial is worth the mean over its seeds and folds of the best validation value. The best of many trials is "
        "flattered by having been chosen"
    )
    text += f"; {told_again(found.confirmed)}." if found.confirmed else ", and was not trained again on fresh seeds."
    return Section("The best trials", text, (), ((("trial", f"validation {found.metric}", *names), rows[:_LISTED]),))


def _history(found: Found) -> Section:
    text = "Each complete trial, and the best so far. Crosses at the edge are trials that were pruned or diverged."
    return Section("Trials", text, ((f"Validation {found.metric} against the trial.", history_figure(found)),))


def _settings(found: Found) -> Section:
    text = "A dot a complete trial, the best in colour. The other settings vary too: these are no clean comparisons."
    figures = [(f"Validation {found.metric} against {name}.", setting_figure(found, name)) for name in found.space]
    return Section("Each setting", text, tuple(figures))


def history_figure(found: Found) -> Figure:
    """The value of each trial against its number, and the best so far."""
    from rnnjax.analysis import style

    rows = sorted((row for row in found.trials if row["value"] is not None), key=lambda row: row["number"])
    numbers, values = [row["number"] for row in rows], np.array([row["value"] for row in rows])
    best = np.minimum.accumulate(values) if found.mode == "min" else np.maximum.accumulate(values)
    without = [row["number"] for row in found.trials if row["state"] in ("pruned", "diverged", "refused")]
    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        axes.plot(numbers, values, "o", color=_GREY, markersize=4, mew=0)
        axes.step(numbers, best, where="post", color=style.PALETTE[0], linewidth=1.6)
        edge = 0.98 if found.mode == "min" else 0.02
        axes.plot(without, [edge] * len(without), "x", color=_GREY, markersize=4, transform=axes.get_xaxis_transform())
        axes.set_xlim(-0.8, max(row["number"] for row in found.trials) + 0.8)
        _scale(axes, values)
        axes.set_xlabel("trial")
        axes.set_ylabel(f"validation {found.metric}")
        style.settle(figure)
    return figure


def setting_figure(found: Found, name: str) -> Figure:
    """The value of each trial against one of its settings."""
    from rnnjax.analysis import style

    rows, given = in_order(found), found.space[name]
    values = np.array([row["value"] for row in rows])
    with style.applied():
        figure = style.new_figure()
        axes = figure.add_subplot()
        if isinstance(given, dict):
            places: Sequence[float] = [row[name] for row in rows]
            axes.set_xscale("log" if given["log"] else "linear")
        else:
            beside = 0.3 * (np.arange(1, len(rows) + 1) * 0.618033988749895 % 1 - 0.5)
            places = [given.index(row[name]) + aside for row, aside in zip(rows, beside, strict=True)]
            axes.set_xticks(range(len(given)), [shown(value) for value in given])
            axes.set_xlim(-0.6, len(given) - 0.4)
        axes.plot(places[1:], values[1:], "o", color=_GREY, markersize=4, mew=0)
        axes.plot(places[:1], values[:1], "o", color=style.PALETTE[0], markersize=6, mew=0)
        _scale(axes, values)
        axes.set_xlabel(name)
        axes.set_ylabel(f"validation {found.metric}")
        style.settle(figure)
    return figure


def _scale(axes: Any, values: np.ndarray) -> None:
    if values.min() > 0 and values.max() > 30 * values.min():
        axes.set_yscale("log")
