"""A run that fills its disk, in a namespace of its own: `unshare -rm python full_disk.py FOLDER COPY`."""

from __future__ import annotations

import shutil
import subprocess
import sys

from rnnjax import GRU
from rnnjax.commands.parsing import guarded
from rnnjax.tasks import Latch
from rnnjax.training import Config, Optimizer, train

CONFIG = Config(
    Latch(5),
    GRU(64),
    Optimizer("adam", 1e-3),
    steps=12,
    batch_size=4,
    evaluate_every=1,
    evaluation_size=10,
    stop_when_solved=False,
)


def run(out, resume=False):
    """Trains and keeps all checkpoints: about 150 KB each."""
    return train(CONFIG, (0,), out, checkpoint_every=1, keep=20, resume=resume, quiet=True)


if __name__ == "__main__":
    out, copy = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", out], check=True)
    code = guarded("rnnjax", lambda: run(f"{out}/run"))
    shutil.copytree(f"{out}/run", copy)
    sys.exit(code)
