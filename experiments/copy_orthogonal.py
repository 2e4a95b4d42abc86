"""Copy memory: what a linear network with an orthogonal matrix remembers, and one with a tanh forgets."""

from __future__ import annotations

import dataclasses
from typing import Any

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves, every_solved, none_solved, results_table, summarize, verdict
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from rnnjax import Cell, Elman
from rnnjax.initializers import Identity, Orthogonal
from rnnjax.tasks import CopyMemory
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer
from rnnjax.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      lengths: T of the copy problems.
      steps: updates on each of them, at most.
      hidden: width of every network.
      seeds: each network is trained once a seed on each problem.
      batch_size: rows an update.
      learning_rate: of RMSprop.
      clip_norm: bound of the gradient's global norm, where it is clipped.
      evaluate_every: updates between evaluations: the resolution of "solved at".
      processes: worker processes; `None` means one a core.
    """

    lengths: tuple[int, ...] = (50, 100)
    steps: tuple[int, ...] = (3000, 3000)
    hidden: int = 64
    seeds: tuple[int, ...] = (0, 1, 2)
    batch_size: int = 32
    learning_rate: float = 1e-3
    clip_norm: float = 1.0
    evaluate_every: int = 200
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        lengths=(100, 200, 500), steps=(20_000, 20_000, 20_000), hidden=128, seeds=(0, 1, 2, 3, 4), batch_size=50
    ),
}


def networks(hidden: int) -> dict[str, tuple[Cell, str]]:
    """The networks that are compared, each with the clipping of its gradient."""
    orthogonal = Elman(hidden, activation="identity", recurrent_init=Orthogonal())
    identity = Elman(hidden, activation="identity", recurrent_init=Identity())
    tanh = Elman(hidden, recurrent_init=Orthogonal())
    return {
        "linear orthogonal": (orthogonal, "norm"),
        "linear identity": (identity, "norm"),
        "tanh orthogonal": (tanh, "norm"),
        "linear orthogonal, no clipping": (orthogonal, "none"),
        "tanh orthogonal, no clipping": (tanh, "none"),
    }


NETWORKS = tuple(networks(1))


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains every network at every length and gathers curves and numbers."""
    arms = []
    for length, steps in zip(config.lengths, config.steps, strict=True):
        for name, (cell, clip) in networks(config.hidden).items():
            training = TrainConfig(
                CopyMemory(length=length),
                cell,
                Optimizer("rmsprop", config.learning_rate, clip=clip, clip_threshold=config.clip_norm),
                steps=steps,
                batch_size=config.batch_size,
                evaluate_every=config.evaluate_every,
            )
            arms.append(Arm(_name(name, length), training))
    found = sweep(arms, config.seeds, folder, config.processes)
    rows = {name: summarize(found[name]) for name in found}
    summary = {
        "seeds": list(config.seeds),
        "lengths": list(config.lengths),
        "baselines": [CopyMemory(length=length).baseline for length in config.lengths],
        "runs": rows,
    }
    return Outcome(summary, _sections(config, found, rows))


def _name(network: str, length: int) -> str:
    return f"{network} T={length}"


def _sections(config: Config, found: dict[str, Any], rows: dict[str, Any]) -> tuple[Section, ...]:
    from rnnjax.analysis.figures import learning_curves_figure

    figures = []
    for length in sorted(config.lengths, reverse=True):
        series = {network: curves(found[_name(network, length)], "loss") for network in NETWORKS}
        figure = learning_curves_figure(
            {network: values for network, (_, values) in series.items()},
            {network: steps for network, (steps, _) in series.items()},
            "cross-entropy a step, validation (nats)",
            baseline=CopyMemory(length=length).baseline,
            log=True,
        )
        figures.append((f"T = {length}: one thin line a seed, median in bold.", figure))
    return (
        Section(
            "Learning curves",
            "Cross-entropy on copying ten symbols over T steps, by updates. A network that knows when to answer and "
            "not what scores 10 ln 8 / (T + 20), the dashed line; a run ends as it falls below a tenth of that.",
            tuple(figures),
            (results_table(rows),),
        ),
    )


def _rows(summary: dict[str, Any], network: str) -> list[dict[str, Any]]:
    return [summary["runs"][_name(network, length)] for length in summary["lengths"]]


def _over(summary: dict[str, Any], network: str) -> str:
    lengths = summary["lengths"]
    rows = zip(lengths, _rows(summary, network), strict=True)
    return "; ".join(f"T={length}: {verdict(row)}" for length, row in rows)


def _shares(summary: dict[str, Any], network: str) -> list[float]:
    """The best loss of each run of a network, as a share of the baseline; 1 where no loss was finite."""
    return [
        1.0 if best is None else best / baseline
        for baseline, row in zip(summary["baselines"], _rows(summary, network), strict=True)
        for best in row["best"]
    ]


CLAIMS = (
    Claim(
        "A linear network that starts from an orthogonal matrix solves the copy problem.",
        "Henaff, Szlam & LeCun 2016, arXiv:1602.06662, abstract, and its reviews (ICML 2016, paper 951)",
        "an orthogonal matrix that solves it, by construction",
        lambda s: _over(s, "linear orthogonal"),
        lambda s: all(every_solved(row) for row in _rows(s, "linear orthogonal")),
    ),
    Claim(
        "Started from the identity, which suits adding, the same network does not.",
        "Henaff, Szlam & LeCun 2016, its reviews (ICML 2016, paper 951)",
        "initialised for one of copying and adding, a network fails on the other",
        lambda s: _over(s, "linear identity"),
        lambda s: all(none_solved(row) for row in _rows(s, "linear identity")),
    ),
    Claim(
        "A tanh network does not leave the loss of a network without memory, orthogonal as it starts.",
        "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1 (T = 1000)",
        "0.0202, where no memory at all scores 0.0204",
        lambda s: f"best losses {min(_shares(s, 'tanh orthogonal')):.0%} of that and more",
        lambda s: min(_shares(s, "tanh orthogonal")) > 0.9,
    ),
)


EXPERIMENT = Experiment(
    name="copy_orthogonal",
    title="Copying with an orthogonal matrix",
    papers="Henaff et al. 2016; Bai et al. 2018",
    description="The copy problem for linear networks from orthogonal and identity matrices and for a tanh network.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="Copying, variant `arjovsky`: ten of eight symbols, T = 50 and 100 (`paper`: 100, 200, 500). Simple "
    "recurrent networks, linear or tanh, from an orthogonal matrix or the identity; 64 units (128), a linear readout "
    "of each step. RMSprop at 0.001, global norm clipped at 1 or not at all, batches of 32 (50) fresh sequences, at "
    "most 3,000 updates (20,000). Solved: cross-entropy below a tenth of 10 ln 8 / (T + 20) on 1,000 fresh "
    "sequences, looked at every 200 updates.",
    deviations=(
        "The full text of Henaff et al. could not be read: sizes, optimiser and budget are ours, and no number of "
        "theirs is a claim.",
        "Their networks bend the input, h' = U h + s(W x + b), and ours do not; with one-hot inputs each symbol adds a "
        "free vector either way.",
        "The tanh network of Bai et al. has another initialisation and T = 1000; their variant of the task shows the "
        "symbols as numbers.",
        "Runs without clipping are shown and not judged.",
        "The laptop's budget was cut from 6,000 updates to 3,000 when runs at T = 50 had ended within it.",
    ),
)
