"""Six runs on four devices, in a process that has them: `python sharded_grid.py FOLDER`."""

from __future__ import annotations

import sys

import jax
import numpy as np

from rnnjax import Elman
from rnnjax.ablation import expand, run_planned, vary
from rnnjax.ablation.group import chunk_of_runs
from rnnjax.ablation.store import Store
from rnnjax.tasks import Latch
from rnnjax.training import Config, Optimizer, restore_run, train
from rnnjax.training.saved_runs import abstract_state

BASE = Config(
    Latch(6), Elman(3), Optimizer("sgd"), steps=20, batch_size=4, evaluate_every=10, evaluation_size=10,
    stop_when_solved=False,
)  # fmt: skip

if __name__ == "__main__":
    planned = expand(vary(BASE, {"optimizer.learning_rate": (0.1, 1e38)}), (0, 1, 2))
    run_planned(planned, sys.argv[1], strategy="shard")
    assert jax.local_device_count() == 4
    for run in planned:
        alone = train(run.config, (run.seed,), quiet=True)
        _, _, state, _ = restore_run(Store(sys.argv[1]).folder(run), "latest")
        for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(alone.state.params), strict=True):
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), run
    like = abstract_state(BASE, tuple(range(8)))
    text = chunk_of_runs(BASE.dynamics, "shard").lower(like).as_text()
    assert not any(word in text for word in ("all_reduce", "all_gather", "collective")), "devices wait for each other"
    print("equal")
