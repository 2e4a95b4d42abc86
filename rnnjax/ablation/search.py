"""Search over configurations with Optuna: trials in several processes that share a file."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rnnjax.ablation.cross_validation import folded
from rnnjax.ablation.search_space import Space, check_space, described, points, probes, size
from rnnjax.ablation.search_storage import STUDY, Storage
from rnnjax.ablation.search_trials import PRUNERS, SAMPLERS, Plan, load_optuna, open_study, run_trials, worth_of
from rnnjax.ablation.vary import put
from rnnjax.errors import InputError, check, check_choice
from rnnjax.serialization import from_json, to_json
from rnnjax.training import Config
from rnnjax.training.difference import difference
from rnnjax.training.processes import in_processes, workers
from rnnjax.training.seeds import check_seeds


class Found(NamedTuple):
    """The outcome of a search.

    Attributes:
      best: the values of the best trial; `None` where no trial is complete.
      value: what it is worth: the mean over seeds of the best validation metric. The best of many is worth less on
        other seeds: see `confirmed`.
      number: the number of that trial.
      trials: a row a trial: "number", "state" ("complete", "pruned", "diverged", "refused", "interrupted" or
        "running"), "value", "seconds", "reason" of a refusal, and its values.
      confirmed: by seed that no trial has seen, what the best trial's configuration is worth; `None` where it diverged.
      metric: the name of the metric.
      mode: whether a good value is small ("min") or large ("max").
      space: what was chosen from, by name: a list of values, or a dict of "low", "high" and "log".
    """

    best: dict[str, Any] | None
    value: float | None
    number: int | None
    trials: list[dict[str, Any]]
    confirmed: dict[int, float | None]
    metric: str
    mode: str
    space: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Fields:
    """A configuration with other values in the fields of some paths, as `rnnjax.ablation.expand` has them."""

    base: Config

    def __call__(self, values: Mapping[str, Any]) -> Config:
        """The configuration with these values, by path."""
        return functools.reduce(lambda config, item: put(config, *item), values.items(), self.base)


def search(
    base: Config | Callable[[Mapping[str, Any]], Config],
    space: Space,
    storage: str | os.PathLike,
    *,
    trials: int = 50,
    sampler: str = "tpe",
    pruner: str = "none",
    seeds: Sequence[int] = (0,),
    folds: int | None = None,
    confirm: int = 0,
    processes: int | None = None,
    sampler_seed: int = 0,
    out: str | os.PathLike | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Found:
    """Looks for the configuration with the best validation metric.

    A trial trains one run a seed (and fold) and is worth the mean of their best values. A trial of which a run diverges
    has no value and counts as worse than all others. With a pruner, a trial is ended that lags behind: after each
    evaluation, on the mean over seeds; with folds, after each fold.

    Processes share the storage, those of this call and others. Together they do as many trials as are asked for and
    none twice; a trial whose process was killed is done again. A search that was stopped goes on with the same call,
    and with a larger `trials` does more. With the samplers "random" and "grid" the trials are the same however many
    processes do them.

    Args:
      base: a configuration, for a space whose names are paths of fields ("optimizer.learning_rate", "cell"), or a
        function from values to a configuration, at the top level of a module.
      space: values by name.
      storage: a file, Optuna's journal; made where there is none. Nothing else is written but `STORAGE.locks`.
      trials: how many the storage holds in the end; with "grid" no more than there are points.
      sampler: "tpe" (Bergstra et al. 2011, Algorithms for hyper-parameter optimization), "random" (Bergstra & Bengio
        2012), or "grid", for which the space has choices only.
      pruner: "none", "hyperband" (Li et al. 2018, arXiv:1603.06560), or "median" (of the trials so far, at the same
        evaluation, from the sixth trial on).
      seeds: of each trial.
      folds: cross-validation over so many folds in each trial, see `rnnjax.ablation.cross_validate`.
      confirm: train the best configuration again on so many seeds that no trial has seen, and keep what comes out.
      processes: how many; `None` is one a core.
      sampler_seed: of the sampler.
      out: a folder in which each trial's run is kept, `trial-0000` and so on; nothing is kept unless given.
      tell: called with a line for what was done.

    Raises:
      InputError: an unknown sampler or pruner, an empty space or range, a value that a configuration refuses, or a
        storage that cannot be written, holds something else or another search.
    """
    load_optuna()
    check_choice("sampler", sampler, SAMPLERS)
    check_choice("pruner", pruner, PRUNERS)
    check(type(trials) is int and trials > 0, "trials", trials, "a positive int")
    check(type(confirm) is int and confirm >= 0, "confirm", confirm, "an int >= 0")
    check(type(sampler_seed) is int and sampler_seed >= 0, "sampler_seed", sampler_seed, "an int >= 0")
    check(processes is None or (type(processes) is int and processes > 0), "processes", processes, "a positive int")
    check_space(space)
    check_seeds(seeds)
    if sampler == "grid":
        points(space)
        trials = min(trials, size(space) or trials)
    make = Fields(base) if isinstance(base, Config) else base
    configs = [make(values) for values in probes(space)]
    if folds is not None:
        for config in configs:
            folded(config, folds)
    evaluations = max(config.steps // config.evaluate_every for config in configs)
    task = configs[0].task
    check(len({(config.task.metric, config.task.mode) for config in configs}) == 1, "space", space, "one metric")
    plan = Plan(
        make=make,
        space=dict(space),
        path=str(pathlib.Path(storage).absolute()),
        mode=task.mode,
        trials=trials,
        sampler=sampler,
        pruner=pruner,
        seeds=tuple(seeds),
        folds=folds,
        evaluations=evaluations if folds is None else folds,
        sampler_seed=sampler_seed,
        out=None if out is None else str(pathlib.Path(out).absolute()),
    )
    what = {
        "space": described(space),
        "seeds": list(plan.seeds),
        "folds": folds,
        "metric": task.metric,
        "configuration": configs[0],
    }
    if plan.out is not None:
        try:
            os.makedirs(plan.out, exist_ok=True)
        except OSError as error:
            raise InputError("out", plan.out, f"a folder that can be written ({error.strerror})") from None
    with Storage(plan.path) as opened, opened.claiming():
        study = open_study(opened, plan)
        held = study.user_attrs.get("search")
        if held is None:
            study.set_user_attr("search", to_json(what))
        elif differs := difference(from_json(held, "storage"), what):
            raise InputError("storage", str(plan.path), f"the storage of the same search ({differs})")
        there_already = sum(row["state"] not in ("interrupted", "running") for row in _rows(study))
    tell(f"{trials} trials, {there_already} of them there already")
    count = min(workers(processes), max(trials - there_already, 1))
    for _ in in_processes(run_trials, [(plan,)] * count, count):
        pass
    found = read_search(plan.path)
    if confirm and found.best is not None:
        _confirm(plan, found, confirm, processes, tell)
        found = read_search(plan.path)
    return found


def read_search(storage: str | os.PathLike) -> Found:
    """What a storage holds so far.

    Raises:
      InputError: no such file, or one that holds something else.
    """
    optuna = load_optuna()
    opened = Storage(storage)
    opened.check_journal()
    try:
        study = optuna.load_study(study_name=STUDY, storage=opened.journal())
        what = study.user_attrs["search"]
    except KeyError:
        raise InputError("storage", str(opened.path), "the storage of a search") from None
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    best = study.best_trial if complete else None
    mode = "min" if study.direction == optuna.study.StudyDirection.MINIMIZE else "max"
    held = study.user_attrs.get("confirmed", {})
    same = best is not None and held.get("number") == best.number
    return Found(
        None if best is None else dict(best.params),
        None if best is None else best.value,
        None if best is None else best.number,
        _rows(study),
        {int(seed): value for seed, value in held["values"].items()} if same else {},
        what["metric"],
        mode,
        what["space"],
    )


def _rows(study: Any) -> list[dict[str, Any]]:
    rows = []
    for trial in study.get_trials(deepcopy=False):
        name = {"FAIL": "interrupted", "WAITING": "running"}.get(trial.state.name, trial.state.name.lower())
        row = {"number": trial.number, "state": trial.user_attrs.get("outcome", name)}
        row |= {"value": trial.value if name == "complete" else None}
        row |= {"seconds": trial.duration.total_seconds() if trial.duration else None}
        rows.append(row | {"reason": trial.user_attrs.get("reason")} | dict(trial.params))
    return rows


def _confirm(plan: Plan, found: Found, count: int, processes: int | None, tell: Callable[[str], None]) -> None:
    """Trains the winner on seeds that no trial has seen; those that were trained before are kept."""
    optuna = load_optuna()
    first = max(plan.seeds) + 1
    fresh = range(first, first + count)
    done = {seed: value for seed, value in found.confirmed.items() if seed in fresh}
    missing = [seed for seed in fresh if seed not in done]
    tell(f"trial {found.number} again on {len(fresh)} fresh seeds, {len(done)} of them there already")
    jobs = [(plan, found.best, seed) for seed in missing]
    with Storage(plan.path) as storage:
        study = optuna.load_study(study_name=STUDY, storage=storage.journal())
        for (_, _, seed), value in in_processes(_confirmed, jobs, min(workers(processes), max(len(jobs), 1))):
            done[seed] = value
            held = {str(seed): done[seed] for seed in sorted(done)}
            study.set_user_attr("confirmed", {"number": found.number, "values": held})


def _confirmed(plan: Plan, held: Mapping[str, Any], seed: int) -> float | None:
    try:
        return worth_of(plan._replace(seeds=(seed,), out=None), held)
    except FloatingPointError:
        return None
