"""Search over configurations with Optuna: trials in several processes that share a file."""

from __future__ import annotations

import functools
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rnnjax.errors import InputError, check, check_choice
from rnnjax.training import Config
from rnnjax.training.processes import in_processes, workers
from rnnjax.training.train import train

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("none", "hyperband", "median")


class Choices(NamedTuple):
    """Values to choose from."""

    values: tuple[Any, ...]


class Span(NamedTuple):
    """A range of numbers, on a logarithmic scale or a linear one."""

    low: float
    high: float
    log: bool = False


Space = Mapping[str, Choices | Span]


class Found(NamedTuple):
    """The outcome of a search.

    Attributes:
      best: the values of the best trial.
      value: its metric.
      trials: a row a trial: "number", "state" (COMPLETE, PRUNED, FAIL), "value", and its values.
    """

    best: dict[str, Any]
    value: float
    trials: list[dict[str, Any]]


def search(
    make: Callable[[Mapping[str, Any]], Config],
    space: Space,
    storage: str | os.PathLike,
    *,
    trials: int = 50,
    sampler: str = "tpe",
    pruner: str = "none",
    seeds: Sequence[int] = (0,),
    processes: int | None = None,
    sampler_seed: int = 0,
) -> Found:
    """Looks for the configuration with the best validation metric.

    A trial trains one run a seed and is worth the mean of their best values; a run that diverged makes it fail. With a
    pruner, a trial is ended whose first seed lags behind: after each evaluation, on the task's metric. Several
    processes share the storage, here or elsewhere: a search that was stopped goes on until it has so many trials.

    Args:
      make: from values to a configuration; at the top level of a module where there are several processes.
      space: values by name.
      storage: a file, Optuna's journal; made where there is none.
      trials: how many the storage holds in the end.
      sampler: "tpe" (Bergstra et al. 2011), "random", or "grid", for which the space has choices only.
      pruner: "none", "hyperband" (Li et al. 2018, arXiv:1603.06560), or "median".
      seeds: of each trial.
      processes: how many; `None` is one a core.
      sampler_seed: of the sampler in the first process; the n-th has n more.

    Raises:
      InputError: an unknown sampler or pruner, an empty space or range, or a storage that cannot be written.
    """
    check_choice("sampler", sampler, SAMPLERS)
    check_choice("pruner", pruner, PRUNERS)
    check(isinstance(trials, int) and trials > 0, "trials", trials, "a positive int")
    check(bool(space), "space", space, "at least one name with its values")
    for name, values in space.items():
        if isinstance(values, Span):
            valid = values.low < values.high and (values.low > 0 or not values.log)
            check(valid, f"space[{name!r}]", values, "low < high, and low > 0 on a logarithmic scale")
            check(sampler != "grid", f"space[{name!r}]", values, "choices, with the sampler grid")
        else:
            check(len(values.values) > 0, f"space[{name!r}]", values, "at least one value")
    path = pathlib.Path(storage).absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise InputError("storage", str(path), f"a file that can be written ({error.strerror})") from None
    made = {
        name: next(iter(values.values)) if isinstance(values, Choices) else values.low for name, values in space.items()
    }
    mode = make(made).task.mode
    _study(path, mode, sampler, pruner, space, sampler_seed)
    count = min(workers(processes), trials)
    jobs = [
        (make, dict(space), str(path), mode, trials, sampler, pruner, tuple(seeds), sampler_seed + i)
        for i in range(count)
    ]
    for _ in in_processes(_work, jobs, count):
        pass
    return read_search(path)


def read_search(storage: str | os.PathLike) -> Found:
    """What a storage holds so far.

    Raises:
      InputError: no trial is complete.
    """
    import optuna

    study = optuna.load_study(study_name=_NAME, storage=_storage(pathlib.Path(storage)))
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    check(bool(complete), "storage", str(storage), "a search with at least one complete trial")
    rows = [
        {"number": trial.number, "state": trial.state.name, "value": trial.value, **trial.params}
        for trial in study.trials
    ]
    return Found(dict(study.best_params), float(study.best_value), rows)


_NAME = "rnnjax"


def _storage(path: pathlib.Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path)))


def _study(path: pathlib.Path, mode: str, sampler: str, pruner: str, space: Space, seed: int) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "grid": lambda: optuna.samplers.GridSampler(
            {name: list(values.values) for name, values in space.items() if isinstance(values, Choices)}, seed=seed
        ),
    }
    pruners = {
        "none": optuna.pruners.NopPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
        "median": optuna.pruners.MedianPruner,
    }
    return optuna.create_study(
        study_name=_NAME,
        storage=_storage(path),
        sampler=samplers[sampler](),
        pruner=pruners[pruner](),
        direction="minimize" if mode == "min" else "maximize",
        load_if_exists=True,
    )


def _work(make, space, path, mode, trials, sampler, pruner, seeds, seed) -> int:
    """Trials of one process, until the storage has enough of them."""
    import optuna

    study = _study(pathlib.Path(path), mode, sampler, pruner, space, seed)
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)
    stop = optuna.study.MaxTrialsCallback(trials, states=states)
    if sum(trial.state in states for trial in study.trials) < trials:
        objective = functools.partial(_objective, make=make, space=space, seeds=seeds)
        study.optimize(objective, callbacks=[stop], catch=(FloatingPointError,))
    return len(study.trials)


def _objective(trial: Any, make, space: Space, seeds: Sequence[int]) -> float:
    import optuna

    values = {name: _suggest(trial, name, given) for name, given in space.items()}
    config = make(values)
    metric = config.task.metric

    def watch(record: dict[str, Any]) -> None:
        trial.report(record["validation"][metric], record["step"])
        if trial.should_prune():
            raise optuna.TrialPruned

    best = []
    for place, seed in enumerate(seeds):
        with tempfile.TemporaryDirectory() as folder:
            run = train(config, (seed,), os.path.join(folder, "run"), quiet=True, watch=None if place else watch)
        if run.summary[0]["diverged"]:
            raise FloatingPointError("the run has diverged")
        best.append(run.summary[0]["best"])
    return sum(best) / len(best)


def _suggest(trial: Any, name: str, given: Choices | Span) -> Any:
    if isinstance(given, Choices):
        return trial.suggest_categorical(name, list(given.values))
    if isinstance(given.low, int) and isinstance(given.high, int):
        return trial.suggest_int(name, given.low, given.high, log=given.log)
    return trial.suggest_float(name, given.low, given.high, log=given.log)
