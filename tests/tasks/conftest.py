"""Every task and variant of the registry, and large samples of them."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from rnnjax.tasks import (
    Adding,
    CopyMemory,
    Counting,
    Digits,
    EmbeddedReber,
    FlipFlop,
    Latch,
    ModularSum,
    NoiseFreeLag,
    Task,
    TemporalOrder,
)

ROWS = 10_000  # one size throughout: every sampler is compiled once

ADDING = {"halves": 20, "anywhere": 20, "pascanu": 40, "hs97": 30}  # the variants, each at a length that shows it

CASES = [
    *(Adding(length, variant) for variant, length in ADDING.items()),
    *(CopyMemory(length=6, variant=variant, items=5) for variant in CopyMemory.variants),
    *(TemporalOrder(20, symbols, variant) for variant in TemporalOrder.variants for symbols in (2, 3)),
    *(Latch(length=20, variant=variant, informative=2) for variant in Latch.variants),
    Digits("row"),
    Digits("pixel", permuted=True),
    EmbeddedReber(14),
    *(NoiseFreeLag(6, variant) for variant in NoiseFreeLag.variants),
    FlipFlop(12, pulse=0.25),
    ModularSum(6, shortest=1),
    ModularSum(9, modulus=5),
    Counting(6),
    Counting(5, letters=3, shortest=2),
]


def label(task: Task) -> str:
    options = [str(value) for value in vars(task).values() if isinstance(value, str)]
    numbers = [str(getattr(task, field, "")) for field in ("modulus", "letters")]
    return "-".join([task.name, *options, *(["3"] if getattr(task, "symbols", 0) == 3 else []), *filter(None, numbers)])


@pytest.fixture(scope="session", params=CASES, ids=label)
def task(request):
    return request.param


@functools.lru_cache(maxsize=4)
def _draw(task, seed):
    return jax.tree.map(np.asarray, task.sample(jax.random.key(seed), ROWS))


@pytest.fixture(scope="session")
def draw():
    """`draw(task, seed=0)`: 10,000 rows of a task as numpy arrays, of which the last few are kept."""
    return lambda task, seed=0: _draw(task, seed)


@functools.partial(jax.jit, static_argnums=0)
def _measure(task, outputs, batch):
    metrics = task.metrics(outputs, batch)
    return metrics, task.solved(metrics), task.target_loss(outputs, batch)


@pytest.fixture(scope="session")
def measure():
    """`measure(task, outputs, batch)`: the metrics, whether they solve the task, and the loss of each target."""
    return lambda task, outputs, batch: jax.tree.map(np.asarray, _measure(task, np.float32(outputs), batch))


@pytest.fixture(scope="session")
def oracle():
    """`oracle(task, batch)`: outputs that are certain of the targets."""

    def outputs(task, batch):
        if np.issubdtype(batch.targets.dtype, np.integer):
            return 60 * np.eye(task.outputs, dtype=np.float32)[batch.targets]
        bits = batch.targets.shape[-1] > 1 and task.name != "flip_flop"
        return 60 * (2 * batch.targets - 1) if bits else batch.targets

    return outputs


@pytest.fixture(scope="session")
def assert_odds():
    """`assert_odds(hits, odds)`: boolean `[rows, ...]` are true with these odds, within five standard errors."""

    def assert_within(hits, odds):
        odds = np.broadcast_to(odds, hits.shape[1:])
        tolerance = 5 * np.sqrt(odds * (1 - odds) / len(hits))
        np.testing.assert_array_less(np.abs(hits.mean(0) - odds), tolerance + 1e-12)

    return assert_within
