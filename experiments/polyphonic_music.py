"""Polyphonic music: what tanh, GRU and LSTM networks know of the next frame, beside the published tables."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from typing import Any

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.jobs import run_jobs
from rnnjax import GRU, LSTM, Cell, Elman
from rnnjax.errors import check
from rnnjax.tasks import PianoRoll
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer, evaluate_run, train
from rnnjax.training.run_folder import RunFolder

CORPORA = {"JSB chorales": "JSB_Chorales", "Nottingham": "Nottingham"}
NETWORKS = ("tanh", "GRU", "LSTM")
BAI = {
    "JSB chorales": {"tanh": 8.91, "GRU": 8.43, "LSTM": 8.45},
    "Nottingham": {"tanh": 4.05, "GRU": 3.46, "LSTM": 3.29},
}
"""Test negative log-likelihood in nats a frame: Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1."""
PASCANU = {"Nottingham": {"tanh": (3.36, 3.80)}}
"""The same: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, Table 1, with their regulariser and without clipping."""


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run. Pairs are for the chorales and for Nottingham.

    Args:
      hidden: units of each network, a number for each corpus.
      steps: updates, a number for each corpus.
      batch_size: rows an update, a number for each corpus.
      length: the most steps of a training row, a number for each corpus; 0 means whole pieces.
      learning_rate: of Adam, a number for each corpus.
      schedule: of the learning rate, for each corpus.
      evaluations: how often a run is evaluated on the validation pieces; a divisor of `steps`.
      seeds: each network is trained once a seed on each corpus.
      data: the folder with JSB_Chorales.mat and Nottingham.mat.
      processes: worker processes; `None` means one a core.
    """

    hidden: tuple[int, int] = (100, 100)
    steps: tuple[int, int] = (900, 4800)
    batch_size: tuple[int, int] = (16, 16)
    length: tuple[int, int] = (0, 100)
    learning_rate: tuple[float, float] = (3e-3, 4e-3)
    schedule: tuple[str, str] = ("constant", "cosine")
    evaluations: int = 6
    seeds: tuple[int, ...] = (0, 1)
    data: str = ""
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(
        hidden=(200, 400),
        steps=(6000, 20_000),
        length=(0, 200),
        batch_size=(16, 32),
        learning_rate=(1e-3, 1e-3),
        schedule=("constant", "constant"),
        evaluations=40,
        seeds=(0, 1, 2, 3, 4),
    ),
}


def networks(hidden: int) -> dict[str, Cell]:
    """The networks that are compared, by name."""
    return {"tanh": Elman(hidden), "GRU": GRU(hidden), "LSTM": LSTM(hidden)}


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains each network on each corpus, and tests it where it was best on the validation pieces.

    Raises:
      InputError: no folder was given, or one without the files.
    """
    check(config.data != "", "--data", config.data, "a folder with JSB_Chorales.mat and Nottingham.mat")
    jobs, baselines = [], {}
    for place, (corpus, file) in reversed(list(enumerate(CORPORA.items()))):  # the longer runs first
        task = PianoRoll(config.data, file, config.length[place])
        baselines[corpus] = task.baseline
        optimizer = Optimizer("adam", config.learning_rate[place], schedule=config.schedule[place], clip="norm")
        for name, cell in reversed(networks(config.hidden[place]).items()):
            steps = config.steps[place]
            training = TrainConfig(
                task,
                cell,
                optimizer,
                steps=steps,
                batch_size=config.batch_size[place],
                evaluate_every=steps // config.evaluations,
                stop_when_solved=False,
                on_nonfinite="skip",
            )
            jobs += [(corpus, name, training, seed) for seed in config.seeds]
    found: dict[str, dict[str, Any]] = {corpus: {} for corpus in CORPORA}
    for (corpus, name, _, seed), outcome in run_jobs(train_one, jobs, config.processes, folder.path / "jobs"):
        found[corpus].setdefault(name, {})[seed] = outcome
        for record in outcome["records"]:
            folder.append({"corpus": corpus, "network": name, **record})
        print(f"{corpus:<14} {name:<6} seed {seed}: {outcome['test']['loss']:.3f} nats a frame", flush=True)
    summary = {
        "seeds": list(config.seeds),
        "hidden": list(config.hidden),
        "corpora": {
            corpus: {
                "baseline": baselines[corpus],
                "networks": {name: _row([found[corpus][name][seed] for seed in config.seeds]) for name in NETWORKS},
            }
            for corpus in CORPORA
        },
    }
    return Outcome(summary, _sections(summary, found, config))


def train_one(corpus: str, network: str, training: TrainConfig, seed: int) -> dict[str, Any]:
    """One run, and its test at the update with the best validation loss: in a worker process."""
    del corpus, network
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place) / "run"
        done = train(training, (seed,), folder, checkpoint_every=training.evaluate_every, quiet=True)
        (tested,), best_at = evaluate_run(folder, "test", "best")
    return {"run": done.summary[0], "records": done.records, "test": tested, "best_at": best_at}


def _row(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "test": [outcome["test"]["loss"] for outcome in outcomes],
        "accuracy": [outcome["test"]["accuracy"] for outcome in outcomes],
        "validation": [outcome["run"]["best"] for outcome in outcomes],
        "best_at": [outcome["best_at"] for outcome in outcomes],
    }


def _sections(summary: dict[str, Any], found: dict[str, dict[str, Any]], config: Config) -> tuple[Section, ...]:
    from rnnjax.analysis import figures

    header = (
        "corpus",
        "network",
        "test, seed by seed",
        "Bai 2018",
        "Pascanu 2013",
        "best at update",
        "frequencies alone",
    )
    rows, learning = [], []
    for corpus, held in summary["corpora"].items():
        for name, row in held["networks"].items():
            pascanu = PASCANU.get(corpus, {}).get(name)
            rows.append(
                (
                    corpus,
                    name,
                    _listed(row["test"]),
                    f"{BAI[corpus][name]:.2f}",
                    f"{pascanu[0]:.2f} to {pascanu[1]:.2f}" if pascanu else "-",
                    " / ".join(f"{step:,}" for step in row["best_at"]),
                    f"{held['baseline']:.2f}",
                )
            )
        arms = {}
        for name in NETWORKS:
            outcomes = [found[corpus][name][seed] for seed in config.seeds]
            records = [record for outcome in outcomes for record in outcome["records"]]
            arms[name] = curves({"runs": [outcome["run"] for outcome in outcomes], "records": records}, "loss")
        figure = figures.learning_curves_figure(
            {name: values for name, (_, values) in arms.items()},
            {name: steps for name, (steps, _) in arms.items()},
            "nats a frame, validation",
        )
        learning.append((f"{corpus}: one thin line a seed, the median in bold.", figure))
    return (
        Section(
            "Test",
            "Negative log-likelihood of the next frame on the test pieces, mean over frames, at the update that was "
            "best on the validation pieces; beside it what the papers report. The table also has what the frequencies "
            "of the notes alone are worth.",
            (("Discs: our seeds. Diamonds: Bai et al. 2018. Bar: Pascanu et al. 2013.", nll_figure(summary)),),
            ((header, tuple(rows)),),
        ),
        Section("Learning", "The same on the validation pieces, during training.", tuple(learning)),
    )


def nll_figure(summary: dict[str, Any]) -> Any:
    """Test losses, ours and published: a panel a corpus, a line a network."""
    from rnnjax.analysis import style

    with style.applied():
        figure = style.new_figure(height=1.9)
        grid = figure.subplots(1, len(summary["corpora"]), sharey=True, squeeze=False)[0]
        strokes = style.strokes(NETWORKS)
        for axes, (corpus, held) in zip(grid, summary["corpora"].items(), strict=True):
            for height, (name, row) in enumerate(held["networks"].items()):
                color = strokes[name].color
                axes.plot(row["test"], [height] * len(row["test"]), "o", color=color, markersize=4.5, alpha=0.8, mew=0)
                look: dict[str, Any] = dict(color=style.INK, markerfacecolor="white", markersize=5)
                axes.plot(BAI[corpus][name], height, "D", **look)
                for ends in filter(None, (PASCANU.get(corpus, {}).get(name),)):
                    axes.plot(ends, [height - 0.22] * 2, color=style.INK, linewidth=1.2)
            axes.set_title(corpus)
            axes.set_xlabel("nats a frame")
            axes.grid(True, axis="both")
            axes.margins(x=0.12)
        grid[0].set_yticks(range(len(NETWORKS)), NETWORKS)
        grid[0].set_ylim(len(NETWORKS) - 0.5, -0.6)
        style.settle(figure)
    return figure


def _listed(values: list[float]) -> str:
    return " / ".join(f"{value:.2f}" for value in values)


def _tests(summary: dict[str, Any], corpus: str, name: str) -> list[float]:
    return summary["corpora"][corpus]["networks"][name]["test"]


def _ours(summary: dict[str, Any], corpus: str) -> str:
    return "; ".join(f"{name} {_listed(_tests(summary, corpus, name))}" for name in NETWORKS)


def _worst(summary: dict[str, Any], corpus: str) -> float:
    return max(value for name in NETWORKS for value in _tests(summary, corpus, name))


def _best(summary: dict[str, Any], corpus: str) -> float:
    return min(value for name in NETWORKS for value in _tests(summary, corpus, name))


def _published(corpus: str) -> str:
    return ", ".join(f"{name} {BAI[corpus][name]:.2f}" for name in NETWORKS)


TABLE = "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1"

CLAIMS = (
    Claim(
        "A frame of the JSB chorales costs each of the three networks less than 9.5 nats.",
        TABLE,
        _published("JSB chorales"),
        lambda s: _ours(s, "JSB chorales"),
        lambda s: _worst(s, "JSB chorales") < 9.5,
        "The training set is small: networks of this size overfit it within the budget.",
    ),
    Claim(
        "A frame of Nottingham costs each of the three networks less than 4.5 nats.",
        f"{TABLE}; Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, Table 1",
        f"{_published('Nottingham')}; tanh 3.36 to 3.80",
        lambda s: _ours(s, "Nottingham"),
        lambda s: _worst(s, "Nottingham") < 4.5,
        "The laptop budget is a fraction of the published one.",
    ),
    Claim(
        "On Nottingham the gated networks are ahead of the tanh network.",
        TABLE,
        _published("Nottingham"),
        lambda s: _ours(s, "Nottingham"),
        lambda s: (
            max(_tests(s, "Nottingham", "GRU") + _tests(s, "Nottingham", "LSTM")) < min(_tests(s, "Nottingham", "tanh"))
        ),
        "The LSTM is ahead, the GRU is not. In pilot runs with another seed a lower rate than before brought it to "
        "3.96 nats on the validation pieces, and the tanh network to 3.95. It depends on its seed more than the others "
        "do, and is behind on the training pieces too: it is not overfitting. The published networks have about as "
        "many parameters each, ours as many units. The papers do not agree on the tanh network: the best of the 3.36 "
        "to 3.80 of Pascanu et al. 2013 is level with the gated networks of Bai et al.",
    ),
    Claim(
        "A frame of the chorales costs at least twice as many nats as one of Nottingham, whatever the network.",
        TABLE,
        "8.43 to 8.91 against 3.29 to 4.05",
        lambda s: f"at least {_best(s, 'JSB chorales'):.2f} against at most {_worst(s, 'Nottingham'):.2f}",
        lambda s: _best(s, "JSB chorales") >= 2 * _worst(s, "Nottingham"),
        "The laptop budget is a fraction of the published one.",
    ),
)

EXPERIMENT = Experiment(
    name="polyphonic_music",
    title="Polyphonic music",
    papers="Bai, Kolter & Koltun 2018; Pascanu, Mikolov & Bengio 2013",
    description="The next frame of chorales and folk tunes, by tanh, GRU and LSTM networks.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="JSB chorales (229, 76 and 77 pieces) and Nottingham (694, 173 and 170) as piano rolls of 88 notes; one "
    "recurrent layer of the same width for all, a linear readout to 88 independent notes, Adam, gradient norm clipped "
    "at 1, a fixed number of updates, the same for all networks; tested whole, at the evaluation that was best on the "
    "validation pieces.",
    deviations=(
        "The networks of Bai et al. have about 300,000 (chorales) and 1,000,000 (Nottingham) parameters each and were "
        "tuned one by one; ours have one width, and one learning rate a corpus.",
        "Bai et al. publish the code of their convolutional network alone; in it (music_test.py) gradients are clipped "
        "before they are computed, so that its clipping does nothing. Here they are clipped after.",
        "The laptop preset on Nottingham was changed twice, after runs in which the claim on gated networks was "
        "missed; the claim is as it was. First it had 1200 updates of 32 rows at the constant rate 0.003, in which all "
        "curves were still falling at the end; then 3600 of 16 rows at 0.01, falling to zero along a cosine, after "
        "pilots of tanh and LSTM networks with one seed: LSTM 3.80 and 3.79, tanh 4.06 and 4.06, GRU 4.26 and 4.07, "
        "with a bias of 1 on its update gate 4.27 and 4.10. Then rates were compared on the validation pieces in pilot "
        "runs with the seed 100. After 1200 updates, of 0.005, 0.01, 0.02 and 0.04 (GRU: and 0.08), 0.02 is best for "
        "tanh (4.11) and LSTM (4.04), 0.04 for the GRU (4.22). In long runs lower rates end lower: tanh 4.03 after "
        "6000 updates at 0.02, 3.95 after 4800 at 0.004; GRU 4.23 after 6000 at 0.04, 3.96 after 4800 at 0.004, 3.97 "
        "at 0.002. All networks have 4800 updates and 0.004 since then, although that promised no more than a tie. "
        "Wider networks tie as well: with 200 units and the seeds 100 and 101 the GRU comes to 3.78 and 3.91 on the "
        "validation pieces, the tanh network to 3.84 and 3.83. Later pilot runs, with the seed 100, left the preset as "
        "it is. A bias of -2 on its update gate, which lets new notes in, brings the GRU to 3.91. As PyTorch starts "
        "them, tanh comes to 4.11, GRU to 4.18, LSTM to 3.86. Two layers of 100 units are far better than one, and tie "
        "again: without dropout tanh 3.48, GRU 3.52; with a dropout of 0.2 after each, tanh 3.52, GRU 3.57, LSTM (at "
        "0.01) 3.60. The published code lowers its rate where the validation loss stalls, and takes one piece an "
        "update. The chorales are as they were.",
        "Nottingham is trained on rows of at most 100 frames (200 at the paper preset) and tested on whole pieces.",
        "The ordering on the chorales is a close call in the literature: it is shown and not judged.",
        "Piano-midi and MuseData (Pascanu et al. 2013) are left out, and so is their regulariser.",
    ),
    data="polyphonic",
)
