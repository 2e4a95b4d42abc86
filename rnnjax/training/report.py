"""The report of a run: how it learned, what it is worth, and what its model does."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import numpy as np

from rnnjax.applications import Application
from rnnjax.errors import InputError, check
from rnnjax.report import Section, folded, page, section
from rnnjax.serialization import to_json
from rnnjax.training.report_samples import disturbed_and_smaller
from rnnjax.training.run_folder import RunFolder, environment
from rnnjax.training.saved_runs import evaluate_run, restore_config
from rnnjax.training.trained import load_trained


def write_report(out: str | os.PathLike, file: str | os.PathLike | None = None, which: str = "best") -> pathlib.Path:
    """Writes one self-contained HTML file about a finished or interrupted run.

    Args:
      out: the run's folder.
      file: where to write; `None` is report.html in the run's folder.
      which: the "best" checkpoint on the validation split, or the "latest".

    Returns:
      The file.

    Raises:
      InputError: no run's folder, no checkpoint, or a place that cannot be written.
    """
    folder = RunFolder(out)
    config, seeds = restore_config(out)
    records = list(folder.records())
    check(bool(records), "run folder", str(folder.path), "a run with at least one evaluation")
    sections = [_curves(records, seeds, config.task), _worth(out, which)]
    if isinstance(config.task, Application):
        trained = load_trained(out, which=which)
        parts = trained.application, trained.model, trained.params
        sections += [*trained.application.figures(*parts[1:]), *disturbed_and_smaller(*parts)]
    machine = environment()
    small = (repr(config.cell), repr(config.task), ", ".join(f"{name} {machine[name]}" for name in ("rnnjax", "jax")))
    body = [section(part, number) for number, part in enumerate(sections)]
    body.append(f"<h2>Configuration</h2>{folded('config.json', json.dumps(to_json(config), indent=2))}")
    path = folder.path / "report.html" if file is None else pathlib.Path(file)
    try:
        path.write_text(page(config.title, small, body))
    except OSError as error:
        raise InputError("--out", str(path), f"a file that can be written ({error.strerror})") from None
    return path


def _curves(records: list[dict[str, Any]], seeds: tuple[int, ...], task: Any) -> Section:
    """The loss, the validation metrics and the gradient's norm against updates."""
    from rnnjax.analysis.figures import learning_curves_figure

    steps = sorted({record["step"] for record in records})
    place = {(record["seed"], record["step"]): record for record in records}

    def values(read) -> np.ndarray:
        found = [[place.get((seed, step)) for step in steps] for seed in seeds]
        return np.array([[np.nan if row is None else read(row) for row in line] for line in found], float)

    training, gradients = values(lambda row: row["loss"]), values(lambda row: row["grad_norm"])
    figures = []
    names = ["loss", *(name for name in records[0]["validation"] if name != "loss")]
    for name in names:
        curves = {"validation": values(lambda row, name=name: row["validation"].get(name))}
        if name == "loss":
            curves = {"training": training, **curves}
        figure = learning_curves_figure(curves, np.array(steps), name)
        figures.append((f"{name} against updates, a thin line a seed.", figure))
    norm = learning_curves_figure({"gradient": gradients}, np.array(steps), "gradient norm", log=True)
    figures.append(("Global norm of the gradient before clipping, mean between evaluations.", norm))
    best = (min if task.mode == "min" else max)(record["validation"][task.metric] for record in records)
    count = f"{len(seeds)} seed{'s' * (len(seeds) > 1)}, {steps[-1]} updates."
    text = f"{count} The best validation {task.metric} is {best:.4g}."
    return Section("How it learned", text, tuple(figures))


def _worth(out: str | os.PathLike, which: str) -> Section:
    """The test split's metrics, beside those of the plain baseline."""
    rows, step = evaluate_run(out, "test", which)
    task = restore_config(out)[0].task
    names = [name for name in rows[0] if name != "seed"]
    lines = [[f"seed {row['seed']}", *(f"{row[name]:.4g}" for name in names)] for row in rows]
    if isinstance(task, Application):
        baseline = task.baseline("test")
        lines.append(["plain baseline", *(f"{baseline[name]:.4g}" if name in baseline else "" for name in names)])
    return Section(
        "What it is worth", f"The test split, {which} checkpoint, after {step} updates.", (), ((["", *names], lines),)
    )
