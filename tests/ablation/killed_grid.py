"""A grid to be killed and taken up again: `python killed_grid.py FOLDER` trains it in two processes."""

from __future__ import annotations

import signal
import sys

from rnnjax import Elman
from rnnjax.ablation import ablate, vary
from rnnjax.tasks import Latch
from rnnjax.training import Config, Optimizer

BASE = Config(
    Latch(20), Elman(3), Optimizer("sgd"), steps=3000, batch_size=8, evaluate_every=300, evaluation_size=10,
    stop_when_solved=False,
)  # fmt: skip
GRID = vary(BASE, {"optimizer.learning_rate": (0.1, 0.05, 1e38)})
SEEDS = (0, 1)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell has started all in the background
    ablate(GRID, SEEDS, sys.argv[1], strategy="processes", processes=2, tell=lambda line: print(line, flush=True))
