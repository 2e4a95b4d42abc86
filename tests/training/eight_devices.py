"""Two runs, each on one device and on eight: `python eight_devices.py OUT`, where there are eight.

Writes the final states and the records, and the folder of a run on eight devices that was taken up again on eight.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import sys

import jax
import numpy as np

from rnnjax import GRU, Elman, InputError
from rnnjax.tasks import CopyMemory, Latch
from rnnjax.training import Config, Optimizer, train

BATCH, STEPS = 8, 12  # a row a device: in most windows some devices hold no target
OPTIONS = dict(steps=STEPS, batch_size=BATCH, evaluate_every=6, evaluation_size=50, stop_when_solved=False)
CONFIGS = {
    "windows": Config(
        Latch(10, "two_sequence"), Elman(8), Optimizer("adam", 0.01, gradient_noise=1e-3), truncation=5, **OPTIONS
    ),
    "each_step": Config(
        CopyMemory(3, "henaff", symbols=2, items=2),
        GRU(8),
        Optimizer("sgd", 0.3, clip="norm", clip_threshold=0.5),
        **OPTIONS,
    ),
}


def numbers(state):
    """The leaves of a state by path."""
    plain = state._replace(key=jax.random.key_data(state.key), opt_state=None)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(plain)}


def main(out: pathlib.Path) -> None:
    """Trains everything."""
    for name, config in CONFIGS.items():
        for devices in (1, 8):
            folder = {"out": out / "run", "checkpoint_every": 6} if (name, devices) == ("windows", 8) else {}
            run = train(config, devices=devices, quiet=True, **folder)
            np.savez(out / f"{name}-{devices}.npz", **numbers(run.state))
            (out / f"{name}-{devices}.json").write_text(json.dumps(run.records))
    shutil.rmtree(out / "run" / "checkpoints" / str(STEPS))
    resumed = train(CONFIGS["windows"], out=out / "run", devices=8, quiet=True, resume=True)
    np.savez(out / "windows-resumed.npz", **numbers(resumed.state))
    try:
        train(CONFIGS["windows"], devices=3)
    except InputError as error:
        (out / "error.txt").write_text(str(error))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
