"""Chunks of a run whose batches come from a pipeline: the same update, called from the host."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnjax.applications import Application
from rnnjax.data.pipeline import read_ahead
from rnnjax.tasks import Batch
from rnnjax.training.batches import hand_on
from rnnjax.training.config import Config
from rnnjax.training.fit import History, judge
from rnnjax.training.hosts import held_here, laid_out, spans_hosts
from rnnjax.training.mesh import DATA
from rnnjax.training.state import TrainState, make_model
from rnnjax.training.update import make_update


@functools.lru_cache(maxsize=64)
def streamed_update(
    config: Config, mesh: Mesh | None = None
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
    """The compiled update of a run, with the state handed on where it is; one program a shape of batch.

    Args:
      config: the run.
      mesh: over whose axis "data" the rows of each batch are split; `None` is one device.
    """
    update = make_update(config)

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        return update(hand_on(state, config), batch)

    if mesh is None:
        return jax.jit(step)
    (whole, rows), states = _shardings(mesh), _of_state(mesh)
    return jax.jit(step, in_shardings=(states, rows), out_shardings=(states, whole))


class Stream:
    """`config.evaluate_every` updates of each run and one evaluation, on batches from the application's pipeline.

    Batch i is a pure function of the run's seed and i, and is read ahead of its update: a run that goes on from a
    checkpoint reads on from the update at which it was saved.

    With a mesh each device has some rows of each batch, and each host reads those of its devices alone.

    Args:
      config: the run.
      seeds: one run each.
      mesh: over whose axis "data" the rows of each batch are split; `None` is one device.
    """

    def __init__(self, config: Config, seeds: Sequence[int], mesh: Mesh | None = None):
        assert isinstance(config.task, Application)
        self._config, self._application, self._seeds = config, config.task, tuple(seeds)
        self._update, self._model = streamed_update(config.dynamics, mesh), make_model(config.dynamics)
        self._mesh = mesh
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
            shard = (jax.process_index(), jax.process_count()) if spans_hosts(self._mesh) else (0, 1)
            batches = self._application.batches(self._config.batch_size, seed, shard)
            self._batches[seed] = read_ahead(batches, int(state.step))
        if self._mesh is not None:
            state = laid_out(state, _of_state(self._mesh))
        updates: list[dict[str, Any]] = []
        for _ in range(self._config.evaluate_every):
            state, metrics = self._update(state, self._placed(next(self._batches[seed])))
            updates.append(metrics)
        if self._mesh is not None:
            state, updates = held_here(_gather(self._mesh)((state, updates)))
        found = self._application.evaluate(self._model, state.params, "validation").metrics
        evaluations = {name: jnp.asarray(value, jnp.float32) for name, value in found.items() if np.ndim(value) == 0}
        history = History({name: jnp.stack([row[name] for row in updates]) for name in updates[0]}, evaluations)
        return judge(state, evaluations, self._config), history

    def _placed(self, batch: Batch) -> Batch:
        if self._mesh is None:
            return batch
        rows = _shardings(self._mesh)[1]
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(rows, np.asarray(leaf)), batch)


def _shardings(mesh: Mesh) -> tuple[NamedSharding, NamedSharding]:
    """Of what every device holds, and of rows that are split."""
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(DATA))


def _of_state(mesh: Mesh) -> Any:
    whole, rows = _shardings(mesh)
    return TrainState._make(rows if field == "carry" else whole for field in TrainState._fields)


@functools.lru_cache(maxsize=16)
def _gather(mesh: Mesh) -> Callable:
    return jax.jit(lambda tree: tree, out_shardings=_shardings(mesh)[0])
