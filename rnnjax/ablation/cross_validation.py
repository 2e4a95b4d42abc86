"""Cross-validation: each fold once in the place of the validation split, the test never looked at."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.applications.text_classification import TextClassification
from rnnjax.errors import InputError, check
from rnnjax.tasks.images import ImageTask
from rnnjax.training import Config
from rnnjax.training.processes import in_processes
from rnnjax.training.seeds import check_seeds
from rnnjax.training.train import train

NOTE = (
    "The folds' results depend on each other, since any two of them train on the same data for the most part: the "
    "standard error is too small, and no unbiased one can be had from one cross-validation (Bengio & Grandvalet 2004)."
)


class CrossValidation(NamedTuple):
    """What came out of a cross-validation.

    Attributes:
      rows: a dict a fold and seed: "fold", "seed", "best" (the metric at the best evaluation on the fold), "last" (at
        the last one), "steps", "diverged".
      metric: the name of the metric.
      mean: of "best" over all rows; NaN where a run has diverged.
      standard_error: of the means of the folds, over the folds: standard deviation / sqrt(folds). See `note`.
      between_seeds: the standard deviation of "best" between seeds within a fold, averaged as a variance; `None` with
        one seed.
      note: what the standard error leaves out.
    """

    rows: list[dict[str, Any]]
    metric: str
    mean: float
    standard_error: float
    between_seeds: float | None
    note: str = NOTE


def cross_validate(
    config: Config,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    *,
    processes: int | None = None,
    out: str | os.PathLike | None = None,
    watch: Callable[[list[dict[str, Any]]], None] = lambda rows: None,
) -> CrossValidation:
    """Trains one run a fold and seed, each on all folds but its own.

    The folds are made of what is training and validation otherwise: disjoint, together all of it, and with each label's
    share in every one. Nothing of the test split is seen, and what an application fits to its data (a vocabulary) is
    fitted to the training folds alone. "best" is the best of a run's evaluations on the fold; "last" does not choose.

    Args:
      config: a run of a task or an application with labelled examples of a fixed number: digits, mnist, names,
        sentiment.
      folds: how many.
      seeds: of each fold.
      processes: how many; `None` is one a core.
      out: a folder in which each fold's runs are kept, `fold-0` and so on; nothing is written unless given.
      watch: called with the rows so far after each fold, in the order in which they finish.

    Raises:
      InputError: another task, fewer than two folds, more folds than the rarest label has examples, or invalid seeds.
    """
    check_seeds(seeds)
    configs = folded(config, folds)
    metric = config.task.metric
    jobs = [
        (each, tuple(seeds), None if out is None else os.path.join(out, f"fold-{number}"))
        for number, each in enumerate(configs)
    ]
    rows: list[dict[str, Any]] = []
    for (each, _, _), found in in_processes(_train_fold, jobs, processes):
        task: Any = each.task
        rows += [{"fold": task.fold[0], **row} for row in found]
        watch(rows)
    rows.sort(key=lambda row: (row["fold"], row["seed"]))
    best = np.array([math.nan if row["diverged"] else row["best"] for row in rows]).reshape(folds, len(seeds))
    spread = float(np.sqrt(best.var(1, ddof=1).mean())) if len(seeds) > 1 else None
    error = float(best.mean(1).std(ddof=1) / math.sqrt(folds))
    return CrossValidation(rows, metric, float(best.mean()), error, spread)


def folded(config: Config, folds: int) -> list[Config]:
    """The configuration of each fold.

    Raises:
      InputError: see `cross_validate`.
    """
    task = config.task
    expected = "a task with labelled examples of a fixed number: digits, mnist, names, sentiment"
    if not isinstance(task, ImageTask | TextClassification):
        raise InputError("task", task.name, expected)
    check(task.fold is None, "task.fold", task.fold, "None, for a cross-validation")
    check(type(folds) is int and folds >= 2, "folds", folds, "an int of at least 2")
    parts = [dataclasses.replace(task, fold=(number, folds)) for number in range(folds)]
    for part in parts[:1]:  # where a label has fewer examples than there are folds, this says so
        _ = part.images("validation") if isinstance(part, ImageTask) else part.texts("validation")
    return [dataclasses.replace(config, task=part) for part in parts]


def _train_fold(config: Config, seeds: tuple[int, ...], out: str | None) -> list[dict[str, Any]]:
    run = train(config, seeds, out, quiet=True)
    metric = config.task.metric
    rows = []
    for summary in run.summary:
        last = [record["validation"][metric] for record in run.records if record["seed"] == summary["seed"]][-1]
        names = ("seed", "best", "steps", "diverged")
        rows.append({**{name: summary[name] for name in names}, "last": math.nan if last is None else float(last)})
    return rows
