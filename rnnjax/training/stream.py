"""Chunks of a run whose batches come from a pipeline: the same update, called from the host."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.applications import Application
from rnnjax.data.pipeline import read_ahead
from rnnjax.tasks import Batch
from rnnjax.training.batches import hand_on
from rnnjax.training.config import Config
from rnnjax.training.fit import History, judge
from rnnjax.training.state import TrainState, make_model
from rnnjax.training.update import make_update


@functools.lru_cache(maxsize=64)
def streamed_update(config: Config) -> Callable[[TrainState, Batch], tuple[TrainState, dict]]:
    """The compiled update of a run, with the state handed on where it is; one program a shape of batch."""
    update = make_update(config)
    return jax.jit(lambda state, batch: update(hand_on(state, config), batch))


class Stream:
    """`config.evaluate_every` updates of each run and one evaluation, on batches from the application's pipeline.

    Batch i is a pure function of the run's seed and i, and is read ahead of its update: a run that goes on from a
    checkpoint reads on from the update at which it was saved.

    Args:
      config: the run.
      seeds: one run each.
    """

    def __init__(self, config: Config, seeds: Sequence[int]):
        assert isinstance(config.task, Application)
        self._config, self._application, self._seeds = config, config.task, tuple(seeds)
        self._update, self._model = streamed_update(config.dynamics), make_model(config.dynamics)
        self._batches: dict[int, Iterator[Batch]] = {}

    def __call__(self, states: TrainState) -> tuple[TrainState, History]:
        """The states after the chunk, with a leading axis over seeds, and what was measured; NaN for a stopped run."""
        rows = [jax.tree.map(lambda leaf, i=i: leaf[i], states) for i in range(len(self._seeds))]
        outcomes = [None if row.stopped else self._run(row, seed) for row, seed in zip(rows, self._seeds, strict=True)]
        measured = next(outcome[1] for outcome in outcomes if outcome is not None)
        nothing = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), measured)
        pairs = [outcome or (row, nothing) for outcome, row in zip(outcomes, rows, strict=True)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *pairs)

    def _run(self, state: TrainState, seed: int) -> tuple[TrainState, History]:
        if seed not in self._batches:
            batches = self._application.batches(self._config.batch_size, seed)
            self._batches[seed] = read_ahead(batches, int(state.step))
        updates: list[dict[str, Any]] = []
        for _ in range(self._config.evaluate_every):
            state, metrics = self._update(state, next(self._batches[seed]))
            updates.append(metrics)
        found = self._application.evaluate(self._model, state.params, "validation").metrics
        evaluations = {name: jnp.asarray(value, jnp.float32) for name, value in found.items() if np.ndim(value) == 0}
        history = History({name: jnp.stack([row[name] for row in updates]) for name in updates[0]}, evaluations)
        return judge(state, evaluations, self._config), history
