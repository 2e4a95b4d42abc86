"""The trials of a search: choosing the next one, in turn with other processes, and finding out what it is worth."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.ablation.cross_validation import cross_validate
from rnnjax.ablation.search_space import Choices, Space, labelled, labels, points, unlabelled
from rnnjax.ablation.search_storage import STUDY, Storage
from rnnjax.errors import InputError
from rnnjax.training import Config
from rnnjax.training.train import train

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("none", "median", "hyperband")


class Plan(NamedTuple):
    """What a process of a search has to know; see `rnnjax.ablation.search.search`."""

    make: Callable[[Mapping[str, Any]], Config]
    space: Space
    path: str
    mode: str
    trials: int
    sampler: str
    pruner: str
    seeds: tuple[int, ...]
    folds: int | None
    evaluations: int
    sampler_seed: int
    out: str | None


def load_optuna() -> Any:
    """The module.

    Raises:
      InputError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise InputError("search", "nothing", "the package optuna (pip install 'rnnjax[search]')") from None
    return optuna


def open_study(storage: Storage, plan: Plan) -> Any:
    """The study in the storage; a new one where there is none."""
    optuna = load_optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "hyperband": lambda: optuna.pruners.HyperbandPruner(1, plan.evaluations),
    }[plan.pruner]()
    journal = storage.journal()
    try:
        return optuna.load_study(study_name=STUDY, storage=journal, pruner=pruner)
    except KeyError:
        direction = "minimize" if plan.mode == "min" else "maximize"
        return optuna.create_study(study_name=STUDY, storage=journal, pruner=pruner, direction=direction)


def run_trials(plan: Plan) -> int:
    """Does trials until the storage has as many as the plan says; returns how many this process did."""
    done = 0
    with Storage(plan.path) as storage:
        study = open_study(storage, plan)
        while (trial := _claim(storage, study, plan)) is not None:
            try:
                _run(study, trial, plan)
            finally:  # what was cut off is known by its lock, and is done again
                storage.give_back(trial.number)
            done += 1
    return done


def _claim(storage: Storage, study: Any, plan: Plan) -> Any:
    """The next trial, with all of its values chosen, or `None` where there are enough."""
    import optuna

    state = optuna.trial.TrialState
    with storage.claiming():
        for trial in study.get_trials(deepcopy=False, states=(state.RUNNING,)):
            if storage.take(trial.number):
                study.tell(trial.number, state=state.FAIL)
                if trial.params.keys() == plan.space.keys():
                    study.enqueue_trial(dict(trial.params))
                storage.give_back(trial.number)
        trials = study.get_trials(deepcopy=False)
        waiting = [trial for trial in trials if trial.state == state.WAITING]
        taken = [trial for trial in trials if trial.state not in (state.WAITING, state.FAIL)]
        if len(taken) >= plan.trials:
            return None
        if plan.sampler == "grid" and not waiting:
            held = [trial.params for trial in taken]
            missing = (point for values in points(plan.space) if (point := labelled(plan.space, values)) not in held)
            point = next(missing, None)
            if point is None:
                return None
            study.enqueue_trial(point)
        study.sampler = _sampler(plan, len(taken))
        trial = study.ask(_distributions(plan.space))
        storage.take(trial.number)
        return trial


def _sampler(plan: Plan, place: int) -> Any:
    """The sampler for one trial. Each has a seed of its own, so that it does not matter which process draws it."""
    import optuna

    seed = int(np.random.SeedSequence([plan.sampler_seed, place]).generate_state(1)[0])
    if plan.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    return optuna.samplers.RandomSampler(seed=seed)


def _distributions(space: Space) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for name, given in space.items():
        if isinstance(given, Choices):
            found[name] = CategoricalDistribution(labels(given))
        elif isinstance(given.low, int) and isinstance(given.high, int):
            found[name] = IntDistribution(given.low, given.high, log=given.log)
        else:
            found[name] = FloatDistribution(given.low, given.high, log=given.log)
    return found


def _run(study: Any, trial: Any, plan: Plan) -> None:
    """Finds out what a trial is worth, and writes it into the storage."""
    import optuna

    pruned = optuna.trial.TrialState.PRUNED

    def report(place: int, value: float) -> None:
        trial.report(value, place)
        if trial.should_prune():
            raise optuna.TrialPruned

    out = None if plan.out is None else os.path.join(plan.out, f"trial-{trial.number:04d}")
    try:
        value = worth_of(plan._replace(out=out), trial.params, report)
    except optuna.TrialPruned:
        study.tell(trial, state=pruned)
    except (FloatingPointError, InputError) as error:  # to Optuna worse than what has a value, and a reason to go away
        trial.set_user_attr("outcome", "refused" if isinstance(error, InputError) else "diverged")
        trial.set_user_attr("reason", str(error))
        study.tell(trial, state=pruned)
    else:
        study.tell(trial, value)


def worth_of(
    plan: Plan, held: Mapping[str, Any], report: Callable[[int, float], None] = lambda place, value: None
) -> float:
    """What values, as the storage holds them, are worth to a plan. See `worth`."""
    return worth(plan.make(unlabelled(plan.space, held)), plan.seeds, plan.folds, report, plan.out)


def worth(
    config: Config,
    seeds: Sequence[int],
    folds: int | None = None,
    report: Callable[[int, float], None] = lambda place, value: None,
    out: str | None = None,
) -> float:
    """The mean over seeds (and folds) of the best validation metric.

    Args:
      config: the run.
      seeds: one run each.
      folds: of a cross-validation, or `None`.
      report: called with the number of the evaluation (with folds: of the fold) and the mean so far.
      out: a folder for the run.

    Raises:
      FloatingPointError: a run has diverged.
    """
    if folds is not None:

        def look(rows: list[dict[str, Any]]) -> None:
            _check_finite(rows)
            report(rows[-1]["fold"] + 1, sum(row["best"] for row in rows) / len(rows))

        return cross_validate(config, folds, seeds, processes=1, out=out, watch=look).mean
    run = train(config, seeds, out, quiet=True, watch=_Means(config, seeds, report))
    _check_finite(run.summary)
    return sum(row["best"] for row in run.summary) / len(seeds)


def _check_finite(rows: Sequence[Mapping[str, Any]]) -> None:
    for row in rows:
        if row["diverged"] or not math.isfinite(row["best"]):
            raise FloatingPointError(f"the run of seed {row['seed']} has diverged")


class _Means:
    """The mean over seeds of the best metric so far, once all seeds that still run have come to an evaluation."""

    def __init__(self, config: Config, seeds: Sequence[int], report: Callable[[int, float], None]):
        self._config, self._report = config, report
        self._best: dict[int, float] = {}
        self._running, self._seen, self._step = set(seeds), set(seeds), 0

    def __call__(self, record: Mapping[str, Any]) -> None:
        if record["step"] != self._step:
            self._running, self._seen, self._step = self._seen, set(), record["step"]
        task, seed = self._config.task, record["seed"]
        value = record["validation"][task.metric]
        value = math.nan if value is None else float(value)
        best = self._best.get(seed, math.nan)
        better = math.isnan(best) or (value < best if task.mode == "min" else value > best)
        self._best[seed] = value if better else best
        self._seen.add(seed)
        if self._seen >= self._running:
            mean = sum(self._best.values()) / len(self._best)
            self._report(self._step // self._config.evaluate_every, mean)
