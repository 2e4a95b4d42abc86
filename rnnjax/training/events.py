"""What went wrong in a chunk, with the number of the update: as in events.jsonl."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rnnjax.training.config import Config
from rnnjax.training.fit import History
from rnnjax.training.state import TrainState

_RUNNING = 10
"""The running median is that of the medians of so many records."""


def events_of(
    history: History,
    fresh: Sequence[dict[str, Any]],
    before: Sequence[dict[str, Any]],
    config: Config,
    seeds: Sequence[int],
) -> list[dict[str, Any]]:
    """The events of a chunk, one a kind and seed at most.

    - "explosion": the norm of a gradient was over `config.explosion_threshold`, or over `config.explosion_factor` times
      the running median, which is that of the medians in the run's last ten records (in the first chunk, its own).
      "over" is the lower of the two bounds, "norm" the largest norm.
    - "nonfinite": the loss or the gradient was not finite.

    Both have "step" and "seed", as the record has them, "update", the number of the first such update, and "updates",
    how many there were.

    Args:
      history: of the chunk, with a leading axis over seeds.
      fresh: the records of the chunk.
      before: the records before it.
      config: the run.
      seeds: one run each.
    """
    found = []
    for record in fresh:
        place = list(seeds).index(record["seed"])
        norms, counted = (np.asarray(history.updates[name], float)[place] for name in ("grad_norm", "counted"))
        first = record["step"] - norms.size + 1
        common = {"step": record["step"], "seed": record["seed"]}
        bound = _bound([*(each for each in before if each["seed"] == record["seed"]), record], config)
        over = np.flatnonzero(np.isfinite(norms) & (counted > 0) & (norms > bound))
        if over.size:
            event = {"event": "explosion", **common, "update": first + int(over[0]), "updates": int(over.size)}
            found.append({**event, "norm": float(norms[over].max()), "over": bound})
        if record["nonfinite"]:
            event = {"event": "nonfinite", **common, "update": record["nonfinite_at"], "updates": record["nonfinite"]}
            found.append(event)
    return found


def restored_event(record: dict[str, Any], back_to: int, rate: float) -> dict[str, Any]:
    """The event that a run has gone back to the update `back_to`, and goes on at a lower rate."""
    common = {"step": record["step"], "seed": record["seed"], "update": record["nonfinite_at"]}
    return {"event": "restored", **common, "back_to": back_to, "learning_rate": rate}


def told(event: dict[str, Any], config: Config) -> str:
    """The event as a line for a person."""
    where = f"seed {event['seed']}, first at update {event['update']}"
    if event["event"] == "explosion":
        sizes = f"over {event['over']:.4g}, the largest norm was {event['norm']:.3g}"
        return f"exploding gradient: {event['updates']} updates {sizes} ({where})"
    if event["event"] == "nonfinite":
        done = ", skipped" if config.on_nonfinite == "skip" else ""
        return f"gradient not finite: {event['updates']} updates{done} ({where})"
    return f"back to update {event['back_to']} at learning rate {event['learning_rate']:.3g} ({where})"


def times_restored(state: TrainState, config: Config) -> np.ndarray:
    """`[seeds]`: how often each run has gone back, which its rate tells."""
    full = np.asarray(config.optimizer.rates.learning_rate, float)
    return np.round(np.log2(full / np.asarray(state.rates.learning_rate, float))).astype(int)


def to_restore(state: TrainState, config: Config) -> np.ndarray:
    """`[seeds]`: which runs are to go back, as `config.on_nonfinite` says."""
    diverged = np.asarray(state.diverged)
    if config.on_nonfinite != "restore":
        return np.zeros_like(diverged)
    return diverged & (times_restored(state, config) < config.restore_limit)


def gone_back(saved: TrainState, state: TrainState, back: np.ndarray) -> TrainState:
    """The state of a checkpoint, with the present rates, halved for some of the runs.

    All runs go back, though not all have to: what the others had computed they compute again, and come to the same.

    Args:
      saved: the state of the checkpoint.
      state: the present one.
      back: `[seeds]`, for which the rate is halved.
    """
    rate = state.rates.learning_rate
    return saved._replace(rates=state.rates._replace(learning_rate=jax.numpy.where(back, rate * 0.5, rate)))


def _bound(own: Sequence[dict[str, Any]], config: Config) -> float:
    """Over which norm an update of the last record's chunk is an explosion."""
    earlier = [record.get("grad_norm_median") for record in (own[:-1] or own)[-_RUNNING:]]
    known = [median for median in earlier if median is not None and median > 0]  # NaN and null say nothing
    typical = statistics.median(known) * config.explosion_factor if known else float("inf")
    return float(min(config.explosion_threshold, typical))
