"""Training from the outside: chunks of a compiled run, with progress, logs, checkpoints and resume in between."""

from __future__ import annotations

import dataclasses
import functools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.applications import Application
from rnnjax.errors import InputError, check, check_choice
from rnnjax.training.checkpoints import Checkpoints
from rnnjax.training.config import Config
from rnnjax.training.devices import split_over_devices
from rnnjax.training.fit import History, evaluate, make_chunk
from rnnjax.training.progress import ProgressReport
from rnnjax.training.run_folder import RunFolder, write_json
from rnnjax.training.seeds import STRATEGIES, keys_of, over_runs
from rnnjax.training.state import TrainState, initial_state, make_model
from rnnjax.training.stream import Stream


class Run(NamedTuple):
    """A finished run.

    Attributes:
      state: final states, with a leading axis over seeds.
      records: one a seed and evaluation, as in metrics.jsonl: "step", "seed", means over the updates since the last
        evaluation in which a target counted ("loss", "grad_norm", "update_norm", "clip_rate"), "grad_norm_max", counts
        ("nonfinite", "exploded"), "validation" with the task's metrics, and "seconds" of the host's clock; with a
        regulariser also the mean of its values, "regularizer".
      summary: a dict a seed: "seed", "steps", "solved_at" (or `None`), "best", "diverged", "exploded" and "nonfinite"
        (numbers of updates).
    """

    state: TrainState
    records: list[dict[str, Any]]
    summary: list[dict[str, Any]]


def train(
    config: Config,
    seeds: Sequence[int] = (0,),
    out: str | os.PathLike | None = None,
    *,
    strategy: str = "serial",
    devices: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    checkpoint_every: int | None = None,
    keep: int = 3,
    tensorboard: bool = False,
    quiet: bool = False,
    watch: Callable[[dict[str, Any]], None] | None = None,
) -> Run:
    """Trains one run a seed, and writes a folder if asked to.

    A run is cut into chunks of `config.evaluate_every` updates. Between chunks the host logs, checkpoints and shows
    progress, none of which changes what is computed: a run that was killed and resumed equals one that was not, to the
    last bit, on the same kind of device.

    Args:
      config: the run.
      seeds: one run each.
      out: the folder to write, or `None` to write nothing.
      strategy: how the seeds are mapped: "serial", "map" or "vmap", see `over_runs`.
      devices: split each batch over so many devices (with "serial" only).
      resume: go on from the newest checkpoint in `out`, which must hold the same configuration and seeds.
      overwrite: delete an earlier run in `out`.
      checkpoint_every: updates between checkpoints, a multiple of `config.evaluate_every`; `None` means five
        evaluations of a task, and each one of an application, whose best is to be found again. The end of the run is
        always saved.
      keep: how many of the newest checkpoints to keep, besides the best by the task's metric (mean over seeds).
      tensorboard: also write TensorBoard event files (needs tensorboardX).
      quiet: print nothing.
      watch: called with each record; an exception that it raises ends the training.

    Raises:
      InputError: arguments that do not fit, a folder that holds another run or cannot be written, a damaged
        checkpoint. All before anything is compiled or written.
    """
    check_choice("strategy", strategy, STRATEGIES)
    check(devices == 1 or strategy == "serial", "devices", devices, '1, or strategy "serial"')
    streamed = isinstance(config.task, Application)
    check(not streamed or strategy == "serial", "strategy", strategy, '"serial" with an application')
    check(not streamed or devices == 1, "devices", devices, "1 with an application")
    every = (1 if streamed else 5) * config.evaluate_every if checkpoint_every is None else checkpoint_every
    valid = every > 0 and every % config.evaluate_every == 0
    check(valid, "checkpoint_every", every, f"a multiple of evaluate_every={config.evaluate_every}")
    check(keep > 0, "keep", keep, "a positive int")
    check(out is not None or not (resume or tensorboard), "out", out, "a folder, to resume from or to log to")
    check(not (resume and overwrite), "resume", True, "either resume or overwrite, not both")
    keys = keys_of(seeds)
    summary_writer = _summary_writer() if tensorboard else None
    chunk = Stream(config, seeds) if streamed else _chunk(config.dynamics, strategy, devices)

    if isinstance(config.task, Application):
        config.task.template()  # reads the data here rather than within a trace
    folder = checkpoints = writer = None
    abstract = jax.eval_shape(lambda keys: jax.vmap(lambda key: initial_state(key, config))(keys), keys)
    state, start = None, 0
    if out is not None:
        folder = RunFolder(out)
        start, state = _open(folder, config, seeds, resume, overwrite, abstract)
        if isinstance(config.task, Application):
            write_json(folder.prepared, config.task.record())
        writer = summary_writer(str(folder.path / "tensorboard")) if summary_writer else None
        checkpoints = Checkpoints(folder.checkpoints, keep=keep, mode=config.task.mode)
    if state is None:
        state = _starter(config)(keys)
    records = list(folder.records()) if folder else []
    latest = {record["seed"]: _number(record["validation"][config.task.metric]) for record in records}

    title = f"{type(config.cell).__name__} on {config.task.name}"
    with ProgressReport(config.steps, start=start, title=title, quiet=quiet) as progress:
        step = start
        while step < config.steps and not bool(state.stopped.all()):
            began = time.monotonic()
            running = ~np.asarray(state.stopped)
            state, history = chunk(state)
            step += config.evaluate_every
            fresh = records_of(history, seeds, running, step, time.monotonic() - began)
            records += fresh
            for record in fresh:
                if folder:
                    folder.append(record)
                if writer:
                    _log(writer, record)
                _warn(progress, record, config)
                if watch:
                    watch(record)
            loss, norm = (statistics.fmean(r[name] for r in fresh) for name in ("loss", "grad_norm"))
            latest |= {record["seed"]: record["validation"][config.task.metric] for record in fresh}
            value = statistics.fmean(latest[seed] for seed in seeds)
            progress.update(step, loss, norm, {f"validation {config.task.metric}": value})
            done = step >= config.steps or bool(state.stopped.all())
            if checkpoints and (done or step % every == 0):
                checkpoints.save(step, state, statistics.fmean(latest[seed] for seed in seeds))
    if checkpoints:
        checkpoints.close()
    if writer:
        writer.close()
    summary = summary_of(state, seeds, records)
    if folder:
        write_json(folder.path / "summary.json", {"seeds": summary})
    return Run(state, records, summary)


def evaluate_run(out: str | os.PathLike, split: str = "test", which: str = "best") -> tuple[list[dict[str, Any]], int]:
    """The task's metrics of a finished or interrupted run on a split, and the update of the checkpoint they belong to.

    Args:
      out: the run's folder.
      split: "test" or "validation".
      which: the "best" checkpoint on the validation split, or the "latest".

    Returns:
      A dict a seed, with "seed" and the task's metrics, and the number of updates.

    Raises:
      InputError: no run's folder, no checkpoint, a damaged one, or an unknown split or choice.
    """
    check_choice("split", split, ("validation", "test"))
    config, seeds, state, step = restore_run(out, which)
    if isinstance(config.task, Application):
        model = make_model(config)
        rows = [jax.tree.map(lambda leaf, i=i: leaf[i], state.params) for i in range(len(seeds))]
        found = [config.task.evaluate(model, params, split).metrics for params in rows]
        return [{"seed": seed, **metrics} for seed, metrics in zip(seeds, found, strict=True)], step
    metrics = over_runs(functools.partial(evaluate, config=config.dynamics, split=split), "serial")(state.params)
    named = {name: np.asarray(value, float) for name, value in metrics.items()}
    return [{"seed": seed, **{name: float(of[i]) for name, of in named.items()}} for i, seed in enumerate(seeds)], step


def restore_run(out: str | os.PathLike, which: str = "best") -> tuple[Config, tuple[int, ...], TrainState, int]:
    """What a finished or interrupted run has left: its configuration, its seeds, its states and their update number.

    Args:
      out: the run's folder.
      which: the "best" checkpoint on the validation split, or the "latest".

    Returns:
      The configuration, the seeds, the state with a leading axis over seeds, and the number of updates.

    Raises:
      InputError: no run's folder, no checkpoint, a damaged one, or an unknown choice.
    """
    check_choice("which", which, ("best", "latest"))
    folder = RunFolder(out)
    config, seeds = restore_config(out)
    if not folder.checkpoints.is_dir():
        raise InputError("run folder", str(folder.path), "a folder with checkpoints")
    checkpoints = Checkpoints(folder.checkpoints, mode=config.task.mode)
    step = checkpoints.best() if which == "best" else checkpoints.latest()
    if step is None:
        raise InputError("run folder", str(folder.path), "a folder with a checkpoint")
    abstract = jax.eval_shape(lambda keys: jax.vmap(lambda key: initial_state(key, config))(keys), keys_of(seeds))
    state = checkpoints.restore(step, abstract)
    checkpoints.close()
    return config, seeds, state, step


def restore_config(out: str | os.PathLike) -> tuple[Config, tuple[int, ...]]:
    """The configuration and the seeds of a run; an application knows from there what was fitted to its training data.

    Raises:
      InputError: no run's folder.
    """
    folder = RunFolder(out)
    saved = _read(folder)
    config = saved["config"]
    if isinstance(config.task, Application):
        config = dataclasses.replace(config, task=dataclasses.replace(config.task, prepared=str(folder.path)))
    return config, tuple(saved["seeds"])


@functools.lru_cache(maxsize=64)
def _chunk(config: Config, strategy: str, devices: int) -> Callable[[TrainState], tuple[TrainState, History]]:
    if devices == 1:
        return over_runs(make_chunk(config), strategy)
    split = split_over_devices(config, devices)

    def serial(states):
        outcomes = [split(jax.tree.map(lambda leaf, i=i: leaf[i], states)) for i in range(states.step.shape[0])]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *outcomes)

    return serial


@functools.lru_cache(maxsize=64)
def _starter(config: Config) -> Callable[[jax.Array], TrainState]:
    return over_runs(functools.partial(initial_state, config=config), "serial")


def _open(folder, config, seeds, resume, overwrite, abstract):
    """Creates the folder, or finds where to go on: `(update, state)`, the state `None` at the start."""
    if not resume:
        folder.create({"config": config, "seeds": tuple(seeds)}, overwrite=overwrite)
        return 0, None
    saved = _read(folder)
    if saved["config"] != config or tuple(saved["seeds"]) != tuple(seeds):
        raise InputError("out", str(folder.path), f"a run of the same configuration; it holds {saved}")
    if not os.access(folder.path, os.W_OK):
        raise InputError("out", str(folder.path), "a folder that can be written")
    checkpoints = Checkpoints(folder.checkpoints, mode=config.task.mode)
    step = checkpoints.latest()
    state = None if step is None else checkpoints.restore(step, abstract)
    checkpoints.close()
    folder.forget_after(step or 0)
    return step or 0, state


def _read(folder: RunFolder) -> dict[str, Any]:
    saved = folder.read_config()
    if not (isinstance(saved, dict) and isinstance(saved.get("config"), Config) and "seeds" in saved):
        raise InputError("config.json", str(folder.config), "the configuration of a training run")
    return saved


def records_of(history: History, seeds, running, step: int, seconds: float) -> list[dict[str, Any]]:
    """What a chunk reports: a record for each run that was running, as in metrics.jsonl."""
    updates = {name: np.asarray(value, float) for name, value in history.updates.items()}
    evaluations = {name: np.asarray(value, float) for name, value in history.evaluations.items()}
    counted = updates["counted"] > 0

    def mean(name, i):
        return float(updates[name][i][counted[i]].mean()) if counted[i].any() else float("nan")

    return [
        {
            "step": step,
            "seed": seed,
            "loss": mean("loss", i),
            "grad_norm": mean("grad_norm", i),
            "grad_norm_max": float(updates["grad_norm"][i].max()),
            "update_norm": mean("update_norm", i),
            "clip_rate": mean("clipped", i),
            "nonfinite": int(updates["nonfinite"][i].sum()),
            "exploded": int(updates["exploded"][i].sum()),
            "validation": {name: float(value[i]) for name, value in evaluations.items()},
            "seconds": round(seconds, 3),
            **({"regularizer": mean("regularizer", i)} if "regularizer" in updates else {}),
        }
        for i, seed in enumerate(seeds)
        if running[i]
    ]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _warn(progress: ProgressReport, record: dict[str, Any], config: Config) -> None:
    where = f"seed {record['seed']}, updates up to {record['step']}"
    if record["exploded"]:
        threshold = f"{config.explosion_threshold:g}"
        largest = f"the largest norm was {record['grad_norm_max']:.3g}"
        progress.note(f"exploding gradient: {record['exploded']} updates over {threshold}, {largest} ({where})")
    if record["nonfinite"]:
        progress.note(f"gradient not finite: {record['nonfinite']} updates skipped ({where})")


def summary_of(state: TrainState, seeds, records) -> list[dict[str, Any]]:
    """What became of each run, as in summary.json."""
    rows = []
    for i, seed in enumerate(seeds):
        own = [record for record in records if record["seed"] == seed]
        solved_at = int(state.solved_at[i])
        rows.append(
            {
                "seed": seed,
                "steps": int(state.step[i]),
                "solved_at": solved_at if solved_at >= 0 else None,
                "best": float(state.best[i]),
                "diverged": bool(state.diverged[i]),
                "exploded": sum(record["exploded"] for record in own),
                "nonfinite": sum(record["nonfinite"] for record in own),
            }
        )
    return rows


def _summary_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise InputError("tensorboard", True, "the package tensorboardX (pip install 'rnnjax[tensorboard]')") from None
    return SummaryWriter


def _log(writer: Any, record: dict[str, Any]) -> None:
    for name in ("loss", "grad_norm", "grad_norm_max", "update_norm", "clip_rate"):
        writer.add_scalar(f"train/{name}/seed_{record['seed']}", record[name], record["step"])
    for name, value in record["validation"].items():
        writer.add_scalar(f"validation/{name}/seed_{record['seed']}", value, record["step"])
