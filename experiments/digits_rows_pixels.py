"""Digits row by row and pixel by pixel: the ordering of sequential MNIST on images that come with scikit-learn."""

from __future__ import annotations

import dataclasses
from typing import Any

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from experiments.parts.accuracy import accuracy_figure, held_out_accuracy
from experiments.parts.published_mnist import DISAGREEMENT, published_table, published_values
from rnnjax import GRU, LEM, LSTM, Cell, Elman
from rnnjax.tasks import Digits
from rnnjax.training import Config as TrainConfig
from rnnjax.training import Optimizer
from rnnjax.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      hidden: width of every network.
      seeds: each network is trained once a seed on each order.
      batch_size: images an update.
      steps: updates.
      learning_rate: of RMSprop, for all networks but the IRNN.
      irnn_learning_rate: of RMSprop for the IRNN.
      clip_norm: bound of the gradient's global norm.
      evaluate_every: updates between evaluations.
      processes: worker processes; `None` means one a core.
    """

    hidden: int = 64
    seeds: tuple[int, ...] = (0, 1, 2)
    batch_size: int = 32
    steps: int = 2000
    learning_rate: float = 1e-3
    irnn_learning_rate: float = 1e-4
    clip_norm: float = 1.0
    evaluate_every: int = 200
    processes: int | None = None


PRESETS = {
    "laptop": Config(),
    "paper": Config(hidden=130, seeds=(0, 1, 2, 3, 4), batch_size=64, steps=10_000, evaluate_every=500),
}

ORDERS = {
    "row": ("rows, 8 steps", Digits("row")),
    "pixel": ("pixels, 64 steps", Digits("pixel")),
    "permuted": ("permuted, 64 steps", Digits("pixel", permuted=True)),
}


def networks(width: int) -> dict[str, Cell]:
    """The networks that are compared: starts as in PyTorch, which Bai et al. used, beside better ones."""
    return {
        "tanh": Elman(width, preset="torch"),
        "tanh orthogonal": Elman(width),
        "IRNN": Elman.irnn(width),
        "LSTM": LSTM(width, preset="torch", bias_init={"forget": 1.0}),
        "GRU": GRU(width, preset="torch"),
        "LEM": LEM(width, preset="paper", dt=0.21),
    }


NETWORKS = tuple(networks(1))


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains every network on every order and gathers figures and numbers."""
    arms = []
    for order, (_, task) in ORDERS.items():
        for name, cell in networks(config.hidden).items():
            rate = config.irnn_learning_rate if name == "IRNN" else config.learning_rate
            training = TrainConfig(
                task,
                cell,
                Optimizer("rmsprop", rate, clip="norm", clip_threshold=config.clip_norm),
                steps=config.steps,
                batch_size=config.batch_size,
                evaluate_every=config.evaluate_every,
                stop_when_solved=False,
            )
            arms.append(Arm(f"{name}, {order}", training))
    found = sweep(arms, config.seeds, folder, config.processes, measure=held_out_accuracy)
    accuracy = {name: {order: found[f"{name}, {order}"]["measured"] for order in ORDERS} for name in NETWORKS}
    summary = {"seeds": list(config.seeds), "steps": config.steps, "accuracy": accuracy}
    return Outcome(summary, _sections(config, found, summary))


def _sections(config: Config, found: dict[str, Any], summary: dict[str, Any]) -> tuple[Section, ...]:
    from rnnjax.analysis.figures import learning_curves_figure

    panels = {}
    for order, (title, _) in ORDERS.items():
        ours = {name: summary["accuracy"][name][order] for name in NETWORKS}
        printed = {name: published_values(name, order == "permuted") for name in NETWORKS if order != "row"}
        panels[title] = (ours, printed)
    learning = []
    for order, (title, _) in ORDERS.items():
        series = {name: curves(found[f"{name}, {order}"], "accuracy") for name in NETWORKS}
        figure = learning_curves_figure(
            {name: values for name, (_, values) in series.items()},
            {name: steps for name, (steps, _) in series.items()},
            "accuracy, validation",
            title=title,
            baseline=0.1,
            baseline_label="chance",
        )
        learning.append((f"{title}: one thin line a seed, median in bold.", figure))
    return (
        Section(
            "Test accuracy",
            f"Images of 8 by 8 pixels, shown as 8 rows, as 64 pixels and as the same pixels in a fixed random order. "
            f"Accuracy on 300 images that nobody trained on, after {config.steps:,} updates.",
            (("A dot a seed; bars are published figures for images of 784 pixels.", accuracy_figure(panels, 0.1)),),
            (_table(summary),),
        ),
        Section("What papers print", DISAGREEMENT, (), (published_table(),)),
        Section("Learning curves", "Accuracy on 300 validation images by updates.", tuple(learning)),
    )


def _table(summary: dict[str, Any]):
    header = ("network", *(title for title, _ in ORDERS.values()))
    rows = tuple((name, *(_percent(summary, name, order) for order in ORDERS)) for name in NETWORKS)
    return header, rows


def _percent(summary: dict[str, Any], name: str, order: str) -> str:
    return " / ".join(f"{value:.1%}" for value in summary["accuracy"][name][order])


def _against_tanh(name: str, order: str) -> dict[str, Any]:
    """Whether every seed of a network is ten points ahead of every seed of the tanh network."""

    def ahead(summary: dict[str, Any]) -> bool:
        accuracy = summary["accuracy"]
        return min(accuracy[name][order]) > max(accuracy["tanh"][order]) + 0.1

    return {
        "ours": lambda s: f"{name} {_percent(s, name, order)}; tanh {_percent(s, 'tanh', order)}",
        "holds": ahead,
    }


_SHORT = (
    "64 steps are not 784, where a gradient has twelve times as far to go. Over 64 the tanh network learns the digits "
    "no slower than the gated ones do, from either start, and these are still rising when the runs end: a claim about "
    "MNIST does not carry over. More steps alone do not bring it about: in a trial on the same images, interpolated to "
    "784 pixels, a tanh network of 32 units had 42 % on the validation images after 1,000 updates and a GRU 33 %."
)

CLAIMS = (
    Claim(
        "On pixels in order, a GRU is far ahead of a tanh network.",
        "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1 (sequential MNIST, 784 steps)",
        "GRU 96.2 %, tanh network 21.5 %",
        **_against_tanh("GRU", "pixel"),
        remark=_SHORT,
    ),
    Claim(
        "On pixels in order, an LSTM is far ahead of a tanh network.",
        "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1 (sequential MNIST, 784 steps)",
        "LSTM 87.2 %, tanh network 21.5 %",
        **_against_tanh("LSTM", "pixel"),
        remark=_SHORT,
    ),
    Claim(
        "On permuted pixels, a GRU is far ahead of a tanh network.",
        "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1 (permuted MNIST, 784 steps)",
        "GRU 87.3 %, tanh network 25.3 %",
        **_against_tanh("GRU", "permuted"),
        remark=_SHORT,
    ),
    Claim(
        "On pixels in order, an IRNN is far ahead of a tanh network.",
        "Le, Jaitly & Hinton 2015, arXiv:1504.00941, as quoted by Cooijmans et al. 2016, Table 1",
        "IRNN 97.0 %, tanh network 35.0 %",
        **_against_tanh("IRNN", "pixel"),
        remark="The IRNN is slow to train: a public script for MNIST takes 1.7 million updates to 93 %. "
        "Here it has a few thousand.",
    ),
)


EXPERIMENT = Experiment(
    name="digits_rows_pixels",
    title="Digits by rows and by pixels",
    papers="Bai et al. 2018; Le et al. 2015",
    description="Which of six networks can read a handwritten digit row by row, pixel by pixel, and in a random order.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    protocol="1,797 images of 8 by 8 pixels that come with scikit-learn: 1,197 to train, 300 for validation, 300 for "
    "the test. tanh network, LSTM (forget bias 1) and GRU as PyTorch starts them, a tanh network with an orthogonal "
    "recurrent matrix, an IRNN, LEM (dt 0.21); 64 units (`paper`: 130), a linear readout of the last output. RMSprop "
    "at 0.001 (IRNN 0.0001), global norm clipped at 1, as Bai et al. train on MNIST; batches of 32 (64), 2,000 "
    "updates (10,000), no selection of a checkpoint.",
    deviations=(
        "Images of 8 by 8 pixels take the place of MNIST, 64 steps that of 784, and a thousand images that of sixty "
        "thousand: the orderings are what is compared, not the figures.",
        "Bai et al. do not say how their tanh network starts; their code is written in PyTorch, whose default is "
        "taken. An orthogonal start is shown beside it.",
        "The IRNN's authors search for its learning rate; here it is a tenth of that of the others.",
        "All networks have the same width, not the same number of parameters.",
    ),
)
