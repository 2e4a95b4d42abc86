"""What surrounds the updates: many runs as one ablation, checkpoints, and the loop on the host.

`python -m benchmarks.ablation WAY BATCHxTIMExINPUTSxHIDDEN UPDATES SEEDS FOLDER` is one contestant of the first race.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.prepared import Prepared
from benchmarks.problem import Shape
from benchmarks.race import Race
from rnnjax import LSTM
from rnnjax.ablation import ablate
from rnnjax.tasks import Adding
from rnnjax.training import Config, Optimizer, initial_state, make_update, train
from rnnjax.training.batches import next_batch

IN_TURN, TOGETHER = "in turn", "ablation"
NOTHING, SAVED = "no folder", "every 100 updates"
BARE, LOOP = "bare scan", "train"


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
      shape: of a batch of the adding problem, which has two inputs.
      updates: of each of the seeds.
      seeds: how many.
      alone: updates of the run that is made with and without checkpoints, and with and without the loop.
    """

    shape: Shape
    updates: int
    seeds: int
    alone: int


FULL = Size(Shape(32, 100, 2, 64), 1000, 16, 600)
QUICK = Size(Shape(4, 10, 2, 4), 200, 3, 200)


def races(size: Size) -> list[Race]:
    """The three races."""
    entries = {
        f"{size.seeds} seeds": {way: _child(way, size) for way in (IN_TURN, TOGETHER)},
        "checkpoints": {NOTHING: lambda: _training(size, False), SAVED: lambda: _training(size, True)},
        "loop": {BARE: lambda: _bare(size), LOOP: lambda: _training(size, False)},
    }
    return [Race("ablation", topic, "lstm", size.shape, "training", "cpu", each) for topic, each in entries.items()]


def config_of(shape: Shape, updates: int) -> Config:
    """A run of so many updates, whatever it solves on the way, with hardly any evaluation."""
    return Config(
        Adding(shape.time),
        LSTM(shape.hidden),
        Optimizer(clip="norm"),
        steps=updates,
        batch_size=shape.batch,
        evaluate_every=100,
        evaluation_size=1,
        stop_when_solved=False,
    )


class _Job:
    """Work whose outcome is looked at once, and whose first call after that is not done again: it is the untimed one,
    and `result` has made it.
    """

    def __init__(self, work: Callable[[], np.ndarray]):
        self._work, self._warm = work, False

    def result(self) -> np.ndarray:
        self._warm = True
        return self._work()

    def run(self) -> None:
        if self._warm:
            self._warm = False
        else:
            self._work()


def _prepared(work: Callable[[], np.ndarray], size: Size) -> Prepared:
    job = _Job(work)
    shapes = jax.eval_shape(lambda key: initial_state(key, config_of(size.shape, size.updates)), jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes.params))
    return Prepared(run=job.run, result=job.result, parameters=count)


def _child(way: str, size: Size) -> Callable[[], Prepared]:
    """All seeds in a process of their own, which starts, compiles, trains and writes a folder a run."""

    def work() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            words = [way, str(size.shape), str(size.updates), str(size.seeds), folder]
            environment = os.environ | {"PYTHONPATH": str(pathlib.Path(__file__).parents[1])}
            subprocess.run([sys.executable, "-m", "benchmarks.ablation", *words], env=environment, check=True)
            return _early_losses(pathlib.Path(folder))

    return lambda: _prepared(work, size)


def _early_losses(folder: pathlib.Path) -> np.ndarray:
    """The loss of each seed after its first 100 updates, when the order of sums, which is that of XLA's threads and not
    the same in the two ways, has not yet changed more than its last digits.
    """
    records = [json.loads(line) for path in folder.rglob("metrics.jsonl") for line in path.read_text().splitlines()]
    return np.array([loss for _, loss in sorted((r["seed"], r["loss"]) for r in records if r["step"] == 100)])


def _training(size: Size, saved: bool) -> Prepared:
    """One run, with all that `train` does; compiled before."""

    def work() -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            out: dict[str, Any] = dict(out=os.path.join(folder, "run"), checkpoint_every=100) if saved else {}
            return _weights(train(config_of(size.shape, size.alone), (0,), quiet=True, **out).state.params)

    return _prepared(work, size)


def _bare(size: Size) -> Prepared:
    """The same updates as one scan, compiled before."""
    config = config_of(size.shape, size.alone)
    update = make_update(config)

    def step(state, _):
        return update(state, next_batch(state, config))

    scan = jax.jit(lambda state: jax.lax.scan(step, state, length=config.steps))

    def work() -> np.ndarray:
        state, _ = jax.block_until_ready(scan(initial_state(jax.random.key(0), config)))
        return _weights(jax.tree.map(lambda leaf: leaf[None], state.params))

    return _prepared(work, size)


def _weights(params: Any) -> np.ndarray:
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def _main(way: str, shape: str, updates: str, seeds: str, folder: str) -> None:
    """Trains all seeds, each into a folder of its own."""
    config, path = config_of(Shape.parse(shape), int(updates)), pathlib.Path(folder)
    if way == TOGETHER:
        ablate(config, range(int(seeds)), path / "grid")
    else:
        for seed in range(int(seeds)):
            train(config, (seed,), path / f"seed-{seed}", quiet=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
