"""A run of 100 updates, to be killed and taken up again: `python killed_run.py FOLDER [--stall STEP] [--resume]`."""

from __future__ import annotations

import sys
import time

from rnnjax import Dropout, Elman
from rnnjax.tasks import Latch
from rnnjax.training import Config, Optimizer, train
from rnnjax.training.progress import ProgressReport

# All that a state can hold has to survive: moments, noise and dropout keys, and a carry, for the checkpoint at update
# 50 falls between two windows of one batch.
CONFIG = Config(
    Latch(10, "two_sequence"),
    Dropout(Elman(8), input=0.1, recurrent=0.2),
    Optimizer("adam", 1e-3, schedule="cosine", clip="norm", gradient_noise=1e-3),
    steps=100,
    batch_size=8,
    truncation=4,
    evaluate_every=10,
    evaluation_size=50,
    stop_when_solved=False,
)
SEEDS = (0, 1)


def stall_at(limit: int) -> None:
    """Lets the run wait for its end once it has reported that many updates."""
    report = ProgressReport.update

    def update(self, step, *shown):
        report(self, step, *shown)
        if step >= limit:
            time.sleep(600)

    ProgressReport.update = update


if __name__ == "__main__":
    if "--stall" in sys.argv:
        stall_at(int(sys.argv[sys.argv.index("--stall") + 1]))
    train(CONFIG, SEEDS, sys.argv[1], checkpoint_every=50, resume="--resume" in sys.argv)
