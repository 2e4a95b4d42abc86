"""Sequential and permuted MNIST: eleven networks, each trained as its paper trains it."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

from experiments.harness.claims import Claim
from experiments.harness.evidence import curves
from experiments.harness.experiment import Experiment, Outcome, Section
from experiments.harness.sweep import Arm, sweep
from experiments.parts.accuracy import accuracy_figure, held_out_accuracy
from experiments.parts.mnist_settings import settings
from experiments.parts.published_mnist import DISAGREEMENT, published_table, published_values
from rnnjax.errors import check_choice
from rnnjax.tasks import MNIST
from rnnjax.tasks.mnist_files import read
from rnnjax.training import Config as TrainConfig
from rnnjax.training.run_folder import RunFolder

NETWORKS = tuple(settings(False))
ORDERS = {"pixel": "pixels in order", "permuted": "permuted pixels"}


@dataclasses.dataclass(frozen=True)
class Config:
    """What is run.

    Args:
      data: the folder with the files of MNIST.
      networks: which of the networks, by name.
      orders: "pixel", "permuted", or both.
      seeds: each network is trained once a seed on each order.
      epochs: at most; 0 means as many as the network's paper takes.
      width: of every network; 0 means that of its paper.
      evaluations: how often a run is evaluated.
      processes: worker processes; `None` means one a core.

    Raises:
      InputError: an unknown network or order.
    """

    data: str = ""
    networks: tuple[str, ...] = NETWORKS
    orders: tuple[str, ...] = tuple(ORDERS)
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 0
    width: int = 0
    evaluations: int = 30
    processes: int | None = None

    def __post_init__(self):
        for name in self.networks:
            check_choice("Config.networks", name, NETWORKS)
        for order in self.orders:
            check_choice("Config.orders", order, tuple(ORDERS))


PRESETS = {"paper": Config()}


def training_of(config: Config, name: str, order: str, images: int) -> TrainConfig:
    """The run of a network on an order, with so many training images."""
    setting = settings(order == "permuted")[name]
    every = max(images // setting.batch_size, 1)
    epochs = min(setting.epochs, config.epochs or setting.epochs)
    optimizer = setting.optimizer
    if setting.decay_epochs:
        optimizer = dataclasses.replace(optimizer, decay_steps=setting.decay_epochs * every)
    between = max(epochs * every // config.evaluations, 1)
    return TrainConfig(
        MNIST(config.data, permuted=order == "permuted"),
        setting.cell(config.width or setting.width),
        optimizer,
        steps=between * config.evaluations,
        batch_size=setting.batch_size,
        evaluate_every=between,
        stop_when_solved=False,
    )


def run(config: Config, folder: RunFolder) -> Outcome:
    """Trains every network on every order and gathers figures and numbers.

    Raises:
      InputError: the folder with the data has not the files of MNIST.
    """
    images = len(read(config.data)["train"][1])
    arms = [
        Arm(f"{name}, {order}", training_of(config, name, order, images))
        for order in config.orders
        for name in config.networks
    ]
    found = sweep(arms, config.seeds, folder, config.processes, measure=held_out_accuracy)
    accuracy = {
        name: {order: found[f"{name}, {order}"]["measured"] for order in config.orders} for name in config.networks
    }
    summary = {
        "seeds": list(config.seeds),
        "orders": list(config.orders),
        "steps": {arm.name: arm.training.steps for arm in arms},
        "accuracy": accuracy,
    }
    return Outcome(summary, _sections(config, found, summary))


def _sections(config: Config, found: dict[str, Any], summary: dict[str, Any]) -> tuple[Section, ...]:
    from rnnjax.analysis.figures import learning_curves_figure

    panels = {}
    for order in config.orders:
        ours = {name: summary["accuracy"][name][order] for name in config.networks}
        panels[ORDERS[order]] = (ours, {name: published_values(name, order == "permuted") for name in ours})
    learning = []
    for order in config.orders:
        series = {name: curves(found[f"{name}, {order}"], "accuracy") for name in config.networks}
        figure = learning_curves_figure(
            {name: values for name, (_, values) in series.items()},
            {name: steps for name, (steps, _) in series.items()},
            "accuracy, validation",
            baseline=0.1,
            baseline_label="chance",
        )
        learning.append((f"{ORDERS[order]}: one thin line a seed, median in bold.", figure))
    header = ("network", *(ORDERS[order] for order in config.orders), "updates")
    rows = tuple(
        (
            name,
            *(_percent(summary, name, order) for order in config.orders),
            f"{summary['steps'][f'{name}, {config.orders[0]}']:,}",
        )
        for name in config.networks
    )
    return (
        Section(
            "Test accuracy",
            "Images of 28 by 28 pixels, shown as 784 pixels in order and in one random order. Accuracy on the 10,000 "
            "test images at the end of training: no checkpoint is selected.",
            (("A dot a seed; bars are published figures.", accuracy_figure(panels, 0.1)),),
            ((header, rows),),
        ),
        Section("What papers print", DISAGREEMENT, (), (published_table(),)),
        Section("Learning curves", "Accuracy on held-out training images by updates.", tuple(learning)),
    )


def _percent(summary: dict[str, Any], name: str, order: str) -> str:
    values = summary["accuracy"].get(name, {}).get(order)
    return " / ".join(f"{value:.2%}" for value in values) if values else "not run"


def _reached(name: str, ordered: float, permuted: float) -> dict[str, Any]:
    """Whether the median over seeds is at most three points below the published figure, on each order that was run."""
    wanted = {"pixel": ordered, "permuted": permuted}

    def near(summary: dict[str, Any]) -> bool:
        found = summary["accuracy"].get(name, {})
        orders = [order for order in wanted if found.get(order)]
        return bool(orders) and all(statistics.median(found[order]) > wanted[order] / 100 - 0.03 for order in orders)

    return {
        "ours": lambda s: "; ".join(f"{ORDERS[order]}: {_percent(s, name, order)}" for order in s["orders"]),
        "holds": near,
    }


def _claim(network: str, source: str, ordered: float, permuted: float) -> Claim:
    return Claim(
        f"{network} comes within three points of its published accuracy, on pixels in order and permuted.",
        source,
        f"{ordered} % and {permuted} %",
        **_reached(network, ordered, permuted),
    )


def _far_behind(summary: dict[str, Any]) -> bool:
    """Whether on each order every seed of the tanh network is 20 points behind every seed of the GRU."""
    accuracy = summary["accuracy"]
    ran = "tanh" in accuracy and "GRU" in accuracy
    return ran and all(max(accuracy["tanh"][order]) < min(accuracy["GRU"][order]) - 0.2 for order in summary["orders"])


CLAIMS = (
    Claim(
        "A tanh network is far behind a GRU.",
        "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1",
        "21.5 and 25.3 % against 96.2 and 87.3 %",
        lambda s: "; ".join(
            f"{ORDERS[o]}: tanh {_percent(s, 'tanh', o)}, GRU {_percent(s, 'GRU', o)}" for o in s["orders"]
        ),
        _far_behind,
    ),
    _claim("GRU", "Bai, Kolter & Koltun 2018, arXiv:1803.01271, Table 1", 96.2, 87.3),
    _claim("uRNN", "Arjovsky et al. 2016, arXiv:1511.06464, as quoted by Li et al. 2018, Table 1", 95.1, 91.4),
    _claim("AntisymmetricRNN", "Chang et al. 2019, arXiv:1902.09689, Table 1", 98.0, 95.8),
    _claim("IndRNN", "Li et al. 2018, arXiv:1803.04831, Table 1", 99.0, 96.0),
    _claim("coRNN", "Rusch & Mishra 2021, arXiv:2010.00951, logs of the authors' code", 99.35, 97.34),
    _claim("LEM", "Rusch et al. 2022, arXiv:2110.04744, logs of the authors' code (best run)", 99.45, 96.62),
)


EXPERIMENT = Experiment(
    name="sequential_mnist",
    title="Sequential and permuted MNIST",
    papers="Le et al. 2015; Arjovsky et al. 2016; Bai et al. 2018; Li et al. 2018; Chang et al. 2019; Lezcano-Casado & "
    "Martinez-Rubio 2019; Rusch & Mishra 2021; Rusch et al. 2022; Orvieto et al. 2023",
    description="Eleven networks on images of 784 pixels, each with the settings of its paper, and what papers print.",
    presets=PRESETS,
    run=run,
    claims=CLAIMS,
    data="mnist",
    protocol="MNIST pixel by pixel, in order and permuted: 57,000 images to train, 3,000 for validation, 10,000 for "
    "the test; accuracy of the last parameters, no selection of a checkpoint. Settings are those of each paper or its "
    "code: tanh, LSTM, GRU (Bai et al.: some 70,000 parameters, RMSprop 0.001, norm clipped at 1, 10 epochs; forget "
    "bias 1, permuted 10); uRNN (512 complex units, RMSprop 0.0005, batches of 20); expRNN (170 units, RMSprop "
    "0.0007, a tenth of that for the orthogonal matrix, 70 epochs); coRNN (256 units, Adam 0.0021 and 0.0054, 120 "
    "epochs, a tenth of the rate after 100); LEM (128 units, Adam 0.0018 and 0.0073, norm clipped at 1 and 1.1, 120 "
    "epochs, a tenth of the rate after 100); IndRNN (6 layers of 128 units, Adam 0.0002, batches of 32). Three seeds. "
    "Sized for a GPU.",
    deviations=(
        "An epoch is as many images as the training set has, drawn with replacement.",
        "expRNN's code reports the best accuracy on the test set over all epochs, and coRNN and LEM that of the epoch "
        "which is best in validation; here it is that of the last update.",
        "The one random order is that of expRNN's code; every paper has its own.",
        "IRNN: RMSprop at 0.000001 and 100 units as in the example of Keras, for 200 epochs where that takes 900; its "
        "authors train with another rate and a fixed number of updates.",
        "uRNN: 35 epochs, where the code allows a million updates; the state before the first step is zero and not "
        "learnt.",
        "AntisymmetricRNN: the paper searches rates, scales and optimisers; here it is SGD with momentum at 0.1, a "
        "tenth of the rate every 30 epochs, epsilon and gamma 0.01, as in an early version of another group's code.",
        "IndRNN: layer normalisation takes the place of batch normalisation, 100 epochs; u is bounded where it is "
        "used.",
        "LRU: its paper has no sequential MNIST; four layers, settings of this library, shown and not judged. So are "
        "LSTM, IRNN and expRNN: for the first two the published figures disagree, for the last none was at hand.",
        "GRU and tanh network have as many parameters as the LSTM, 70,000; their other settings are taken to be its.",
    ),
)
