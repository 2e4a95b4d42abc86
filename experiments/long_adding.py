"""Adding at a lag of five hundred: cells that were made for it, beside a tanh network, an LSTM and a GRU."""

from __future__ import annotations

import dataclasses
from typing import Any

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves, every_solved, results_table, summarize, verdict
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from experiments.parts.bounded_indrnn import indrnn_layers
from rnnjax import GRU, LEM, LSTM, AntisymmetricRNN, Cell, CoRNN, Elman, ExpRNN
from rnnjax.tasks import Adding
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer
from rnnjax.training.run_folder import RunFolder
from rnnjax.wrappers import Stack


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      length: T of the adding problem.
      hidden: width of every network.
      seeds: each network is trained once a seed.
      batch_size: rows an update.
      steps: updates, at most.
      extended: networks that have more.
      extended_steps: theirs.
      cornn_steps: updates of the coupled oscillators, which learn slowly with few units.
      indrnn_steps: updates of the IndRNN, whose learning rate is the smallest and whose updates are the cheapest.
      evaluate_every: updates between evaluations: the resolution of "solved at".
      evaluation_size: sequences of an evaluation.
      processes: worker processes; `None` means one a core.
    """

    length: int = 500
    hidden: int = 32
    seeds: tuple[int, ...] = (0, 1)
    batch_size: int = 20
    steps: int = 3000
    extended: tuple[str, ...] = ("tanh", "GRU", "LEM")
    extended_steps: int = 6000
    cornn_steps: int = 30_000
    indrnn_steps: int = 9000
    evaluate_every: int = 200
    evaluation_size: int = 500
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        hidden=128,
        seeds=(0, 1, 2, 3, 4),
        batch_size=50,
        steps=30_000,
        extended=(),
        cornn_steps=60_000,
        indrnn_steps=60_000,
        evaluate_every=500,
        evaluation_size=1000,
    ),
}


def networks(config: Config) -> dict[str, tuple[Cell, Optimizer]]:
    """Each network with its optimiser: those of the papers and their code, where these have the adding problem."""
    width, clipped = config.hidden, Optimizer("adam", 1e-3, clip="norm")
    slow = Optimizer("adam", 2e-4, schedule="step", decay_steps=20_000, decay_rate=0.1)
    return {
        "tanh": (Elman(width), clipped),
        "LSTM": (LSTM(width, bias_init={"forget": 1.0}), clipped),
        "GRU": (GRU(width), clipped),
        "LEM": (LEM(width, preset="paper", dt=0.0242), Optimizer("adam", 0.0026)),
        "coRNN": (CoRNN(width, preset="paper", dt=0.016, gamma=94.5, epsilon=9.5), Optimizer("adam", 0.02)),
        "IndRNN": (Stack(indrnn_layers(width, 2, config.length)), slow),
        "expRNN": (ExpRNN(width), Optimizer("rmsprop", 7e-4, decay=0.99, rate_factors=(("skew", 0.1),))),
        "AntisymmetricRNN": (
            AntisymmetricRNN(width, preset="paper", epsilon=0.01, gamma=0.01),
            Optimizer("adam", 1e-3, clip="norm"),
        ),
    }


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains every network and gathers figures and numbers."""
    task = Adding(config.length, "halves")
    steps = dict.fromkeys(config.extended, config.extended_steps)
    steps |= {"coRNN": config.cornn_steps, "IndRNN": config.indrnn_steps}
    arms = []
    for name, (cell, optimizer) in networks(config).items():
        training = TrainConfig(
            task,
            cell,
            optimizer,
            steps=steps.get(name, config.steps),
            batch_size=config.batch_size,
            evaluate_every=config.evaluate_every,
            evaluation_size=config.evaluation_size,
        )
        arms.append(Arm(name, training))
    found = sweep(arms, config.seeds, folder, config.processes)
    rows = {name: summarize(found[name]) for name in found}
    summary = {
        "seeds": list(config.seeds),
        "length": config.length,
        "batch_size": config.batch_size,
        "baseline": task.baseline,
        "runs": rows,
    }
    return Outcome(summary, _sections(config, found, summary))


def _sections(config: Config, found: dict[str, Any], summary: dict[str, Any]) -> tuple[Section, ...]:
    from rnnjax.analysis.figures import learning_curves_figure

    series = {name: curves(found[name], "loss") for name in found}
    figure = learning_curves_figure(
        {name: values for name, (_, values) in series.items()},
        {name: steps for name, (steps, _) in series.items()},
        "mean squared error, validation",
        baseline=summary["baseline"],
        log=True,
    )
    header, rows = results_table(summary["runs"])
    best = ((*row, " / ".join(_error(value) for value in summary["runs"][row[0]]["best"])) for row in rows)
    return (
        Section(
            f"Adding at {config.length} steps",
            "Two of the numbers of a row are marked, one in each half, and their sum is due at the end. A network that "
            "remembers nothing says 1 and has an error of 1/6, the dashed line; the task counts as solved below 0.01.",
            (("Mean squared error by updates: one thin line a seed, median in bold.", figure),),
            (((*header, "smallest error, seed by seed"), tuple(best)),),
        ),
    )


def _error(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _ours(network: str):
    def text(summary: dict[str, Any]) -> str:
        row = summary["runs"][network]
        return f"{verdict(row)}; smallest error {' / '.join(map(_error, row['best']))}"

    return text


def _solves(network: str):
    return lambda summary: every_solved(summary["runs"][network])


def _stays(network: str):
    """Whether no seed ever got below half the baseline."""
    return lambda summary: all(
        value is None or value > summary["baseline"] / 2 for value in summary["runs"][network]["best"]
    )


CLAIMS = (
    Claim(
        "A tanh network learns nothing at this lag.",
        "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1, T = 600 (any two steps marked)",
        "0.177, the error of guessing the mean",
        _ours("tanh"),
        _stays("tanh"),
    ),
    Claim(
        "A GRU solves it.",
        "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1, T = 600 (any two steps marked)",
        "0.000053",
        _ours("GRU"),
        _solves("GRU"),
    ),
    Claim(
        "Long expressive memory solves it.",
        "Rusch et al. 2022, arXiv:2110.04744, logs of the authors' code for T = 2,000 to 10,000 (128 units, batches "
        "of 50)",
        "first error below 0.01 at T = 2,000 after 1,900 updates",
        _ours("LEM"),
        _solves("LEM"),
    ),
    Claim(
        "Coupled oscillators solve it.",
        "Rusch & Mishra 2021, arXiv:2010.00951, adding problem (curves; no number was at hand)",
        "learnt at T up to 5,000",
        _ours("coRNN"),
        _solves("coRNN"),
    ),
    Claim(
        "An IndRNN of two layers solves it.",
        "Li et al. 2018, arXiv:1803.04831, section 5.1, T = 500 (128 units, batches of 32)",
        "learnt at T = 500, 1,000 and 5,000, where LSTM and IRNN have trouble from 500 on",
        _ours("IndRNN"),
        _solves("IndRNN"),
    ),
)


EXPERIMENT = Experiment(
    name="long_adding",
    title="Adding at a lag of five hundred",
    papers="Rusch et al. 2022; Rusch & Mishra 2021; Li et al. 2018; Bai et al. 2018",
    description="LEM, coRNN, IndRNN, expRNN and AntisymmetricRNN on the adding problem at 500 steps, beside LSTM, GRU "
    "and tanh.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="Adding, variant `halves`, T = 500; 32 units, batches of 20, at most 3,000 updates, tanh, GRU and LEM "
    "6,000, IndRNN 9,000, coRNN 30,000 (`paper`: 128, 50, 30,000, IndRNN and coRNN 60,000); solved: mean squared "
    "error below 0.01 on 500 (1,000) fresh sequences. LEM: dt 0.0242, Adam 0.0026. IndRNN: two layers, |u| <= "
    "2^(1/T), Adam 0.0002, a tenth of it every 20,000 updates. These two as in their authors' code. coRNN: dt 0.016, "
    "gamma 94.5, epsilon 9.5, Adam 0.02. expRNN: RMSprop 0.0007, a tenth of that for the orthogonal matrix, as in its "
    "code for MNIST. AntisymmetricRNN: epsilon and gamma 0.01. That, tanh (orthogonal start), LSTM (forget bias 1) "
    "and GRU: Adam 0.001, global norm clipped at 1.",
    deviations=(
        "`laptop` has a quarter of the papers' units, less than half of their batches, and two seeds.",
        "The authors' code of coRNN has dt 0.06, gamma 66 and epsilon 15 for a lag of 100, gives none for 500, and "
        "allows 60,000 updates. With these constants 500 steps damp a free oscillator by exp(-225), and its claim was "
        "missed: 32 units ended at 0.150 and 0.154 after 6,000 updates of 20, and 128 units, in 15,000 updates of 50, "
        "came to 0.087 and returned to the error of guessing. Pilot runs with the seed 100 did no better with 32 "
        "units and 14,000 updates, with 64, or with either set of constants that the code has for images of 784 "
        "pixels. The constants here are recalled as those of the paper's table for T = 5,000, which was not at hand "
        "to be checked; they damp by exp(-38). In pilot runs of 32 units they came below 0.01 after 14,800 and 12,800 "
        "updates of 20 (seeds 100 and 101); with the norm of the gradient clipped at 1 they ended at 0.011 and 0.018 "
        "after 20,000, the rate divided by ten from 15,000 on. 128 units in batches of 50 did after 2,600 with the "
        "seed 100, and with the seed 101 were at the error of guessing after 5,000, in which the gradient exploded "
        "five times, and, clipped, came to 0.012 in 8,000. So it had 20,000 updates of 32 units, in which one of the "
        "seeds 0 and 1 solved it, after 13,600, and the other came to 0.018; with an earlier version of this library, "
        "whose sums round otherwise, it was the other one that did, and this one stayed near the error of guessing. "
        "Pilot runs of at most 30,000 with the seeds 102 to 105 solved it after 11,800 / 14,000 / 12,600 / 22,000; "
        "with the norm clipped at 5 the last one did not. It has 30,000 since then; the claim and its seeds are as "
        "they were. Other changes, with the seeds 100 and 101, promised less: rates of 0.01 and 0.03 (0.151 and 0.087 "
        "in 12,000 updates), less damping (epsilon 1, 2 and 4: above 0.15 in 6,000) or more (15: 0.040 in 10,000; 20: "
        "0.154 and 0.068), batches of 50 (solved after 11,800; 0.018 in 20,000), or 64 units in batches of 50, "
        "clipped at 5 (0.149 in 6,000; solved after 4,000).",
        "The networks of the claims, but for the IndRNN, were first given 3,000 updates. These are 60,000 "
        "sequences, where the logs of LEM's code have 95,000: three of the four runs of GRU and LEM had begun to "
        "learn, and none was below 0.01. They have more since then.",
        "The IndRNN's code clips the gradient within the recursion at 10, which is not done here; u is bounded where "
        "it is used, not after the update.",
        "expRNN and AntisymmetricRNN have no adding problem in their papers: they are shown and not judged, and so is "
        "the LSTM, of which the papers disagree (0.164 at T = 600 in Bai et al. 2018; solved at T = 1,000 by "
        "Hochreiter & Schmidhuber 1997).",
        "Bai et al. print the error of guessing the mean as 0.1767; it is 1/6.",
    ),
)
