"""Folders of ablations with results that were made up, which cost no training."""

from __future__ import annotations

import json

import numpy as np

from rnnjax import GRU, LSTM, Elman
from rnnjax.ablation import vary
from rnnjax.tasks import Adding
from rnnjax.training import Config, Optimizer

GRID = vary(
    Config(Adding(50), LSTM(4), steps=1000, evaluate_every=100),
    {"task.length": (50, 100, 200)},
    cell=(LSTM(4), GRU(4), Elman(4)),
    optimizer=vary(Optimizer(clip="norm"), learning_rate=(1e-4, 1e-3, 1e-2)),
)


def write_results(store, planned, keep=lambda run: True):
    """Finishes runs without training: results that depend on settings and seed, and say so in the metrics."""
    with store.opened(planned):
        for run in planned:
            if not keep(run):
                continue
            random = np.random.default_rng(run.seed + 1000 * len(str(run.settings)))
            length, cell = run.config.task.length, type(run.config.cell).__name__
            rate = run.config.optimizer.learning_rate
            noise = np.exp(0.4 * random.standard_normal())
            hard = (
                noise * {"LSTM": 1.0, "GRU": 0.8, "Elman": 4.0}[cell] * length / 50 * (1 + abs(np.log10(rate / 1e-3)))
            )
            diverged = cell == "Elman" and rate == 1e-2 and run.seed < 3
            steps = range(100, 600 if diverged else 1100, 100)
            losses = [0.17 * np.exp(-step / (60 * hard)) * (1 + 0.3 * random.random()) + 1e-4 for step in steps]
            solved = next((step for step, loss in zip(steps, losses, strict=True) if loss < 0.01), None)
            folder = store.folder(run)
            folder.mkdir(parents=True)
            records = [
                {"step": step, "seed": run.seed, "loss": loss, "seconds": 0.5, "validation": {"loss": loss}}
                for step, loss in zip(steps, losses, strict=True)
            ]
            (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
            summary = {"seed": run.seed, "steps": steps[-1], "solved_at": None if diverged else solved}
            summary |= {"best": min(losses), "diverged": diverged, "exploded": 0, "nonfinite": int(diverged)}
            (folder / "summary.json").write_text(json.dumps({"seeds": [summary]}))
            store.note_time(run, {"compile_seconds": 1.0, "run_seconds": 5.0, "strategy": "serial"})
