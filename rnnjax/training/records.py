"""What a run reports: a record an evaluation, a summary at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.training.fit import History
from rnnjax.training.state import TrainState


def records_of(history: History, seeds: Sequence[int], running: Any, step: int, seconds: float) -> list[dict[str, Any]]:
    """What a chunk reports: a record for each run that was running, as in metrics.jsonl.

    Args:
      history: of the chunk, with a leading axis over seeds.
      seeds: one run each.
      running: `[seeds]`, whether the run had not stopped before the chunk.
      step: the number of the chunk's last update.
      seconds: that the chunk took.
    """
    updates = {name: np.asarray(value, float) for name, value in history.updates.items()}
    evaluations = {name: np.asarray(value, float) for name, value in history.evaluations.items()}
    made = ~np.isnan(updates["nonfinite"])  # not those after the run had stopped
    counted = updates["counted"] > 0
    first = step - made.shape[1] + 1

    def of(name, i, rows, reduce):
        return float(reduce(updates[name][i][rows[i]])) if rows[i].any() else float("nan")

    def mean(name, i):
        return of(name, i, counted, np.mean)

    def place(i):
        found = np.flatnonzero(updates["nonfinite"][i] == 1)
        return first + int(found[0]) if found.size else None

    return [
        {
            "step": step,
            "seed": seed,
            "loss": mean("loss", i),
            "grad_norm": mean("grad_norm", i),
            "grad_norm_max": of("grad_norm", i, made, np.max),
            "grad_norm_median": of("grad_norm", i, counted, np.median),
            "update_norm": mean("update_norm", i),
            "clip_rate": mean("clipped", i),
            "nonfinite": int(np.nansum(updates["nonfinite"][i])),
            "nonfinite_at": place(i),
            "exploded": int(np.nansum(updates["exploded"][i])),
            "validation": {name: float(value[i]) for name, value in evaluations.items()},
            "seconds": round(seconds, 3),
            **({"regularizer": mean("regularizer", i)} if "regularizer" in updates else {}),
        }
        for i, seed in enumerate(seeds)
        if running[i]
    ]


def summary_of(state: TrainState, seeds: Sequence[int], records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What became of each run, as in summary.json."""
    rows = []
    for i, seed in enumerate(seeds):
        own = [record for record in records if record["seed"] == seed]
        solved_at = int(state.solved_at[i])
        places = (record.get("nonfinite_at") for record in own)
        rows.append(
            {
                "seed": seed,
                "steps": int(state.step[i]),
                "solved_at": solved_at if solved_at >= 0 else None,
                "best": float(state.best[i]),
                "diverged": bool(state.diverged[i]),
                "exploded": sum(record["exploded"] for record in own),
                "nonfinite": sum(record["nonfinite"] for record in own),
                "nonfinite_at": next((place for place in places if place is not None), None),
            }
        )
    return rows
