"""Training from the outside: chunks of a compiled run, with progress, logs, checkpoints and resume in between."""

from __future__ import annotations

import contextlib
import functools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from rnnjax.applications import Application
from rnnjax.errors import check, check_choice
from rnnjax.training.config import Config
from rnnjax.training.devices import pmapped
from rnnjax.training.events import events_of, gone_back, restored_event, times_restored, to_restore, told
from rnnjax.training.fit import History, make_chunk
from rnnjax.training.hosts import in_step, is_first, of_any, spans_hosts
from rnnjax.training.interruption import Interrupted, Interruption
from rnnjax.training.journal import Journal
from rnnjax.training.memory import check_memory
from rnnjax.training.mesh import Devices, mesh_of, over_mesh
from rnnjax.training.progress import ProgressReport
from rnnjax.training.records import records_of, summary_of
from rnnjax.training.saved_runs import abstract_state
from rnnjax.training.seeds import STRATEGIES, check_seeds, keys_of, over_runs
from rnnjax.training.state import TrainState, initial_states
from rnnjax.training.stream import Stream


class Run(NamedTuple):
    """A finished run.

    Attributes:
      state: final states, with a leading axis over seeds.
      records: one a seed and evaluation, as in metrics.jsonl: "step", "seed", means over the updates since the last
        evaluation in which a target counted ("loss", "grad_norm", "update_norm", "clip_rate"), "grad_norm_max",
        "grad_norm_median", counts ("nonfinite", "exploded"), "nonfinite_at" (the first such update, or `None`),
        "validation" with the task's metrics, and "seconds" of the host's clock; with a regulariser also the mean of its
        values, "regularizer".
      summary: a dict a seed: "seed", "steps", "solved_at" (or `None`), "best", "diverged", "exploded" and "nonfinite"
        (numbers of updates), "nonfinite_at"; with the policy "restore" also "restored", how often it went back.
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
    devices: Devices = 1,
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
      strategy: how the seeds are mapped: "serial", "map" or "vmap", see `over_runs`; on several devices those of one
        device. Or "pmap", which is how several devices are used then.
      devices: how many, "all", or `(runs, data)`: over so many the seeds are spread, and over so many each batch. See
        `rnnjax.training.mesh_of`. Where these are devices of several processes, all of them call this alike, the first
        one alone writes, and what this returns is the same in each.
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
      InputError: arguments that do not fit; a folder that holds another run, that another process trains in or that
        cannot be written; checkpoints that are all damaged. All before anything is compiled or written.
      StorageError: the folder can no longer be written. What was saved before is whole.
      Interrupted: SIGINT or SIGTERM came; the run is saved.
    """
    check_choice("strategy", strategy, (*STRATEGIES, "pmap"))
    streamed = isinstance(config.task, Application)
    check(not streamed or strategy == "serial", "strategy", strategy, '"serial" with an application')
    every = (1 if streamed else 5) * config.evaluate_every if checkpoint_every is None else checkpoint_every
    valid = every > 0 and every % config.evaluate_every == 0
    check(valid, "checkpoint_every", every, f"a multiple of evaluate_every={config.evaluate_every}")
    check(keep > 0, "keep", keep, "a positive int")
    check(out is not None or not (resume or tensorboard), "out", out, "a folder, to resume from or to log to")
    check(not (resume and overwrite), "resume", True, "either resume or overwrite, not both")
    check_seeds(seeds)
    check_memory(config)
    seeds = tuple(seeds)
    mesh = mesh_of(devices, config, len(seeds))
    together = spans_hosts(mesh)
    first = is_first() or not together
    place, quiet = (out, quiet) if first else (None, True)
    own = out is None or together or is_first()
    check(own, "devices", devices, '"all" in processes that are joined, of which the first alone writes')
    with contextlib.ExitStack() as open_:
        with in_step(together):
            journal = open_.enter_context(Journal(place, config, seeds, keep=keep, tensorboard=tensorboard and first))
            if isinstance(config.task, Application):
                config.task.template()  # reads the data here rather than within a trace
        chunk = chunk_of(config, seeds, strategy, mesh)
        begin = journal.begin_together if together else journal.begin
        step, state = begin(abstract_state(config, seeds), resume=resume, overwrite=overwrite)
        state = initial_states(keys_of(seeds), config) if state is None else state
        saved = step, state
        title = config.title
        progress = ProgressReport(config.steps, start=step, title=title, quiet=quiet)
        with progress, Interruption(out is not None) as interruption:
            while step < config.steps and not bool(state.stopped.all()):
                began = time.monotonic()
                running = ~np.asarray(state.stopped)
                state, history = chunk(state)
                step += config.evaluate_every
                fresh = records_of(history, seeds, running, step, time.monotonic() - began)
                asked = of_any(interruption.number) if together else None
                with in_step(together):
                    events = events_of(history, fresh, journal.records, config, seeds)
                    journal.note(fresh, events)
                    for event in events:
                        if event["event"] != "explosion" or event["norm"] > config.explosion_threshold:
                            progress.note(told(event, config))
                    if watch:
                        for record in fresh:
                            watch(record)
                    loss, norm = (statistics.fmean(r[name] for r in fresh) for name in ("loss", "grad_norm"))
                    progress.update(step, loss, norm, {f"validation {config.task.metric}": journal.value})
                    back = to_restore(state, config)
                    if back.any():
                        step, state = saved[0], gone_back(saved[1], state, back)
                        rates = dict(zip(seeds, state.rates.learning_rate.tolist(), strict=True))
                        bad = [record for record in fresh if back[seeds.index(record["seed"])]]
                        events = [restored_event(record, step, rates[record["seed"]]) for record in bad]
                        journal.go_back(step, events)
                        for event in events:
                            progress.note(told(event, config))
                    done = step >= config.steps or bool(state.stopped.all())
                    asked = asked if together else interruption.number  # once: it may come any time
                    if step > saved[0] and (done or step % every == 0 or asked is not None):
                        journal.save(step, state)
                        saved = step, state
                    if asked is not None and not done:
                        journal.settle()
                        raise Interrupted(f"stopped after update {step} of {config.steps}; --resume goes on", asked)
        summary = summary_of(state, seeds, journal.records)
        if config.on_nonfinite == "restore":
            for row, times in zip(summary, times_restored(state, config).tolist(), strict=True):
                row["restored"] = times
        with in_step(together):
            journal.finish(summary)
        return Run(state, journal.records, summary)


def chunk_of(
    config: Config, seeds: tuple[int, ...], strategy: str, mesh: Mesh | None
) -> Callable[[TrainState], tuple[TrainState, History]]:
    """What computes `config.evaluate_every` updates of each run and an evaluation, from states with an axis over seeds.

    Raises:
      InputError: a mesh that the strategy cannot use.
    """
    if isinstance(config.task, Application):
        return Stream(config, seeds, mesh)
    return _chunk(config.dynamics, strategy, mesh)


@functools.lru_cache(maxsize=64)
def _chunk(config: Config, strategy: str, mesh: Mesh | None) -> Callable[[TrainState], tuple[TrainState, History]]:
    if strategy == "pmap":
        return pmapped(config, mesh)
    return over_runs(make_chunk(config), strategy) if mesh is None else over_mesh(config, mesh, strategy)
