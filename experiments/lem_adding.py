"""Long expressive memory on adding problems of thousands of steps."""

from __future__ import annotations

import dataclasses
from typing import Any

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves, every_solved, results_table, summarize, verdict
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from rnnjax import LEM
from rnnjax.tasks import Adding
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer
from rnnjax.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      lengths: T of the adding problems, ascending.
      hidden: width.
      dt: the longest step of the cell.
      seeds: one run each at each length.
      batch_size: rows an update.
      learning_rate: of Adam.
      steps: updates, at most.
      evaluate_every: updates between evaluations: the resolution of "solved at".
      evaluation_size: sequences of an evaluation.
      processes: worker processes; `None` means one a core.
    """

    lengths: tuple[int, ...] = (2000, 5000, 10_000)
    hidden: int = 128
    dt: float = 0.0242
    seeds: tuple[int, ...] = (0, 1, 2)
    batch_size: int = 50
    learning_rate: float = 0.0026
    steps: int = 30_000
    evaluate_every: int = 100
    evaluation_size: int = 1000
    processes: int | None = None


PRESETS = {"paper": Config()}

PUBLISHED = {2000: 1900, 5000: 2000, 10_000: 1900}
"""Updates at the first error below 0.01 in the logs of the authors' code, by length."""


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains at every length and gathers figures and numbers."""
    arms = [
        Arm(
            _name(length),
            TrainConfig(
                Adding(length, "halves"),
                LEM(config.hidden, preset="paper", dt=config.dt),
                Optimizer("adam", config.learning_rate),
                steps=config.steps,
                batch_size=config.batch_size,
                evaluate_every=config.evaluate_every,
                evaluation_size=config.evaluation_size,
            ),
        )
        for length in config.lengths
    ]
    found = sweep(arms, config.seeds, folder, config.processes)
    rows = {name: summarize(found[name]) for name in found}
    summary = {"seeds": list(config.seeds), "lengths": list(config.lengths), "runs": rows}
    return Outcome(summary, _sections(config, found, rows))


def _name(length: int) -> str:
    return f"LEM T={length}"


def _sections(config: Config, found: dict[str, Any], rows: dict[str, Any]) -> tuple[Section, ...]:
    from rnnjax.analysis.figures import learning_curves_figure
    from rnnjax.analysis.figures_success import updates_figure

    by_length = {
        "ours": (config.lengths, [rows[_name(length)]["solved_at"] for length in config.lengths]),
        "published": (tuple(PUBLISHED), [[updates] for updates in PUBLISHED.values()]),
    }
    series = {name: curves(found[name], "loss") for name in found}
    learning = learning_curves_figure(
        {name: values for name, (_, values) in series.items()},
        {name: steps for name, (steps, _) in series.items()},
        "mean squared error, validation",
        baseline=1 / 6,
        log=True,
    )
    return (
        Section(
            "Updates against length",
            "Updates until the mean squared error on 1,000 fresh sequences falls below 0.01, against the length.",
            (("One dot a seed; lines join medians.", updates_figure(by_length)),),
            (results_table(rows),),
        ),
        Section(
            "Learning curves",
            "Mean squared error by updates; a run ends at the first error below 0.01. Dashed: 1/6, the error of "
            "guessing.",
            (("One thin line a seed, median in bold.", learning),),
        ),
    )


def _each(summary: dict[str, Any]) -> str:
    return "; ".join(f"T={length}: {verdict(summary['runs'][_name(length)])}" for length in summary["lengths"])


def _updates(summary: dict[str, Any]) -> list[int]:
    return [value for row in summary["runs"].values() for value in row["solved_at"] if value is not None]


CLAIMS = (
    Claim(
        "Long expressive memory learns to add over 2,000 to 10,000 steps.",
        "Rusch et al. 2022, arXiv:2110.04744, logs of the authors' code (one run a length)",
        "first error below 0.01 after 1,900, 2,000 and 1,900 updates at T = 2,000, 5,000 and 10,000",
        _each,
        lambda s: all(every_solved(s["runs"][_name(length)]) for length in s["lengths"]),
    ),
    Claim(
        "It takes about two thousand updates, whatever the length.",
        "Rusch et al. 2022, arXiv:2110.04744, logs of the authors' code (one run a length)",
        "1,900, 2,000 and 1,900 updates",
        lambda s: f"{min(_updates(s), default=0):,} to {max(_updates(s), default=0):,} updates; {_each(s)}",
        lambda s: (
            all(every_solved(row) for row in s["runs"].values())
            and max(_updates(s)) < 2 * min(_updates(s))
            and max(_updates(s)) < 2 * max(PUBLISHED.values())
        ),
    ),
)


EXPERIMENT = Experiment(
    name="lem_adding",
    title="Adding over ten thousand steps",
    papers="Rusch et al. 2022",
    description="How many updates long expressive memory needs for adding problems of 2,000 to 10,000 steps.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="Adding, variant `halves`, T = 2,000, 5,000 and 10,000. LEM of 128 units, dt 0.0242, started as in the "
    "authors' code; Adam at 0.0026, no clipping, batches of 50 fresh sequences, at most 30,000 updates. Solved: mean "
    "squared error below 0.01 on 1,000 sequences, looked at every 100 updates; a run stops there. Sized for a GPU.",
    deviations=(
        "A run stops at the first error below 0.01, where the logs go on to 30,000 updates and errors of some 0.00005.",
        "The evaluation sequences are the same throughout; the authors' code draws new ones each time.",
        "The published log for T = 10,000 ends with the same values three times over, so that its last lines are not "
        "measurements of their own; the first error below 0.01 is far from there.",
    ),
)
