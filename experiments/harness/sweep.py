"""Training runs side by side: arms of an experiment, each with all seeds, spread over the cores."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

from experiments.harness.evidence import summarize, verdict
from experiments.harness.jobs import run_jobs
from rnnjax.errors import check
from rnnjax.training import Config as TrainConfig
from rnnjax.training import train
from rnnjax.training.run_folder import RunFolder, plain

Measure = Callable[[TrainConfig, Any], Any]


@dataclasses.dataclass(frozen=True)
class Arm:
    """One line of a comparison: a name, and the run that is made once a seed."""

    name: str
    training: TrainConfig


def sweep(
    arms: Sequence[Arm],
    seeds: Sequence[int],
    folder: RunFolder,
    processes: int | None = None,
    *,
    measure: Measure | None = None,
) -> dict[str, dict[str, Any]]:
    """Trains each arm with each seed, in worker processes, and prints a line as each arm has finished.

    Arms that differ in their initial parameters alone are one job, and share a compiled program; where that takes long
    it is cut into a job a seed. What has finished is kept in the folder, and a second call there goes on with the rest.

    Args:
      arms: the runs, by name.
      seeds: each arm is trained once a seed.
      folder: gets the records (metrics.jsonl), each with the name of its arm, and the finished jobs.
      processes: how many workers; `None` means one a core.
      measure: `(training, params) -> plain values or numpy arrays`, at the top level of a module: called in the worker
        with the final parameters of each seed.

    Returns:
      By name, in the order of `arms`: "runs" and "records" as in `rnnjax.training.Run`, "seconds" of all its seeds
      together, "allowed" updates, and "measured", what `measure` returned, seed by seed.

    Raises:
      InputError: two arms of one name.
    """
    names = [arm.name for arm in arms]
    check(len(set(names)) == len(names), "arms", names, "names, none twice")
    groups: dict[TrainConfig, list[Arm]] = {}
    for arm in map(_skipping, arms):
        groups.setdefault(arm.training.dynamics, []).append(arm)
    whole = sum(_cost(group) for group in groups.values())
    jobs = []
    for group in groups.values():
        share = _cost(group) / whole
        parts = [tuple(seeds)] if share < 0.25 else [(seed,) for seed in seeds]
        jobs += [(tuple(group), part, measure) for part in parts]
    jobs.sort(key=lambda job: -_cost(job[0]) * len(job[1]))
    parts_of: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in names}
    found: dict[str, dict[str, Any]] = {}
    for _, outcome in run_jobs(_train, jobs, processes, folder.path / "jobs"):
        for name, by_seed in outcome.items():
            parts_of[name] |= {int(seed): part for seed, part in by_seed.items()}
            if len(parts_of[name]) == len(seeds):
                found[name] = _joined([parts_of[name][seed] for seed in seeds])
                for record in found[name]["records"]:
                    folder.append({"arm": name, **record})
                row = summarize(found[name])
                best = ", ".join(f"{value:.3g}" if value is not None else "-" for value in row["best"])
                print(f"{name:<28} {verdict(row)}; best {best}  ({found[name]['seconds']:.0f} s)", flush=True)
    return {name: found[name] for name in names}


def _skipping(arm: Arm) -> Arm:
    """The arm with updates that are not finite left out: one such update is no reason to end a run of a paper."""
    return dataclasses.replace(arm, training=dataclasses.replace(arm.training, on_nonfinite="skip"))


def _cost(group: Sequence[Arm]) -> float:
    """A rough cost, to start the longest first: steps in time, at most, weighted by the gates and the width."""
    total = 0.0
    for arm in group:
        training = arm.training
        weight = 1 + len(training.cell.gates)
        total += training.steps * training.sampled_task.time * weight * (200 + training.batch_size)
    return total


def _train(arms: Sequence[Arm], seeds: Sequence[int], measure: Measure | None) -> dict[str, dict[str, Any]]:
    """The outcome of each arm, by name and seed: in a worker process."""
    outcomes: dict[str, dict[str, Any]] = {}
    for arm in arms:
        outcomes[arm.name] = {}
        for seed in seeds:
            began = time.monotonic()
            run = train(arm.training, (seed,), quiet=True)
            part = {"run": run.summary[0], "records": run.records, "allowed": arm.training.steps}
            if measure is not None:
                part["measured"] = measure(arm.training, jax.tree.map(lambda leaf: leaf[0], run.state.params))
            outcomes[arm.name][str(seed)] = {**plain(part | {"measured": None}), "measured": part.get("measured")}
            outcomes[arm.name][str(seed)]["seconds"] = time.monotonic() - began
    return outcomes


def _joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "runs": [{**part["run"], "allowed": part["allowed"]} for part in parts],
        "records": [record for part in parts for record in part["records"]],
        "seconds": sum(part["seconds"] for part in parts),
        "measured": [part["measured"] for part in parts],
    }
