"""A run to be killed and taken up again: `python killed_run.py FOLDER [--updates N] [--every N] [--resume]`."""

from __future__ import annotations

import argparse

from rnnjax import Dropout, Elman
from rnnjax.tasks import Latch
from rnnjax.training import Config, Optimizer, train

SEEDS = (0, 1)


def config(updates: int, every: int) -> Config:
    """A run with an evaluation, and a checkpoint, every so many updates."""
    # All that a state can hold has to survive: moments, noise and dropout keys, and a carry, since checkpoints fall
    # between two windows of one batch.
    return Config(
        Latch(10, "two_sequence"),
        Dropout(Elman(8), input=0.1, recurrent=0.2),
        Optimizer("adam", 1e-3, schedule="cosine", clip="norm", gradient_noise=1e-3),
        steps=updates,
        batch_size=8,
        truncation=4,
        evaluate_every=every,
        evaluation_size=50,
        stop_when_solved=False,
        explosion_factor=1.05,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--updates", type=int, default=40)
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    run = config(given.updates, given.every)
    train(run, SEEDS, given.folder, checkpoint_every=given.every, resume=given.resume)
