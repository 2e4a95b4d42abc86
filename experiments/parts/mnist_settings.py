"""How papers train their networks on MNIST pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from experiments.parts.bounded_indrnn import indrnn_layers
from rnnjax import GRU, LEM, LRU, LSTM, URNN, AntisymmetricRNN, Cell, CoRNN, Elman, ExpRNN
from rnnjax.initializers import Uniform
from rnnjax.training import Optimizer
from rnnjax.wrappers import Highway, LayerNorm, Stack


class Setting(NamedTuple):
    """How a network is trained: the cell by its width, the width, the optimiser, images an update, and epochs.

    Of a "step" schedule, `decay_epochs` is the period.
    """

    cell: Callable[[int], Cell]
    width: int
    optimizer: Optimizer
    batch_size: int
    epochs: int
    decay_epochs: int = 0


def settings(permuted: bool) -> dict[str, Setting]:
    """The settings of the papers, or of their code, as far as they are known, for one of the two orders."""
    bai = Optimizer("rmsprop", 1e-3, clip="norm")
    forget = 10.0 if permuted else 1.0
    cornn: dict[str, Any] = (
        dict(dt=0.076, gamma=0.4, epsilon=8.0) if permuted else dict(dt=0.042, gamma=2.7, epsilon=4.7)
    )
    lem = (0.31, 0.0073, 1.1) if permuted else (0.21, 0.0018, 1.0)
    return {
        "tanh": Setting(lambda n: Elman(n, preset="torch"), 250, bai, 64, 10),
        "LSTM": Setting(lambda n: LSTM(n, preset="torch", bias_init={"forget": forget}), 130, bai, 64, 10),
        "GRU": Setting(lambda n: GRU(n, preset="torch"), 150, bai, 64, 10),
        "IRNN": Setting(Elman.irnn, 100, Optimizer("rmsprop", 1e-6, clip="norm"), 32, 200),
        "uRNN": Setting(URNN, 512, Optimizer("rmsprop", 5e-4), 20, 35),
        "expRNN": Setting(ExpRNN, 170, Optimizer("rmsprop", 7e-4, decay=0.99, rate_factors=(("skew", 0.1),)), 128, 70),
        "AntisymmetricRNN": Setting(
            lambda n: AntisymmetricRNN(n, preset="paper", epsilon=0.01, gamma=0.01),
            128,
            Optimizer("momentum", 0.1, schedule="step", decay_rate=0.1),
            128,
            90,
            decay_epochs=30,
        ),
        "coRNN": Setting(
            lambda n: CoRNN(n, preset="paper", **cornn),
            256,
            Optimizer("adam", 0.0054 if permuted else 0.0021, schedule="step", decay_rate=0.1),
            120,
            120,
            decay_epochs=100,
        ),
        "LEM": Setting(
            lambda n: LEM(n, preset="paper", dt=lem[0]),
            128,
            Optimizer("adam", lem[1], clip="norm", clip_threshold=lem[2], schedule="step", decay_rate=0.1),
            128,
            120,
            decay_epochs=100,
        ),
        "IndRNN": Setting(_indrnn, 128, Optimizer("adam", 2e-4), 32, 100),
        "LRU": Setting(_lru, 128, Optimizer("adam", 1e-3, schedule="cosine"), 50, 50),
    }


def _indrnn(width: int) -> Cell:
    """Six layers, normalised after the recurrence."""
    return Stack(tuple(LayerNorm(layer) for layer in indrnn_layers(width, 6, 784, Uniform(0.001))))


def _lru(width: int) -> Cell:
    """Four linear layers, with a gate between each output and its input."""
    ring: dict[str, Any] = dict(r_min=0.9, r_max=0.999)
    above = Highway(LayerNorm(LRU(width, **ring), input=True, output=False), bias=0.0)
    return Stack((LRU(width, **ring), above, above, above))
