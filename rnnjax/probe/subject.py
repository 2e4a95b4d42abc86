"""What is probed: a cell with its parameters, inputs to run it on, and a loss."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.cells import get
from rnnjax.errors import InputError, check
from rnnjax.models.readout import read_steps
from rnnjax.tasks import Task

Array = jax.Array
PyTree = Any

_PLACES = 4  # of each spatial axis, for a cell that has some


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is probed.

    Attributes:
      title: what it is, for the heading.
      details: lines for the small print.
      cell: the cell.
      networks: the parameters of the cell by moment: "fresh", or "at initialisation" and "after N updates".
      xs: inputs `[rows, time, ..., in_features]`.
      losses: for each moment the loss `(ys, carry) -> scalar`, or `None` for half the squared norm of the last output.
      lengths: `[rows]`, or `None` where every row is full.
      in_features: width of the inputs.
      seed: of what is drawn on the way.
    """

    title: str
    details: tuple[str, ...]
    cell: Cell
    networks: Mapping[str, PyTree]
    xs: Array
    losses: Mapping[str, Callable[[Array, PyTree], Array] | None]
    lengths: Array | None
    in_features: int
    seed: int

    @property
    def latest(self) -> str:
        """The last of the moments."""
        return list(self.networks)[-1]

    @property
    def time(self) -> int:
        """Steps of the inputs."""
        return self.xs.shape[1]

    def rows(self, count: int) -> tuple[Array, Array | None]:
        """The inputs and lengths of the first rows."""
        return self.xs[:count], None if self.lengths is None else self.lengths[:count]


def fresh(
    cell: str | Cell = "lstm",
    *,
    hidden: int = 64,
    length: int = 100,
    in_features: int = 4,
    rows: int = 8,
    seed: int = 0,
) -> Subject:
    """A cell as it is initialised, on Gaussian noise of variance 1.

    Args:
      cell: a cell, or the name of one.
      hidden: width of its state, where it is given by name.
      length: steps of the inputs.
      in_features: width of the inputs.
      rows: sequences.
      seed: of the parameters and inputs.

    Raises:
      InputError: an unknown name, or a number out of range.
    """
    for name, given, least in (
        ("hidden", hidden, 1),
        ("length", length, 2),
        ("in_features", in_features, 1),
        ("rows", rows, 1),
    ):
        check(isinstance(given, int) and given >= least, name, given, f"an int of at least {least}")
    made = get(cell, hidden) if isinstance(cell, str) else cell
    key, xs_key = jax.random.split(jax.random.key(seed))
    places = (_PLACES,) * made.spatial_axes
    xs = jax.random.normal(xs_key, (rows, length, *places, in_features))
    title = f"{cell if isinstance(cell, str) else type(made).__name__}, freshly initialised"
    details = (repr(made), f"{rows} rows of Gaussian noise, {length} steps, {in_features} features · seed {seed}")
    networks = {"fresh": made.init(key, in_features)}
    return Subject(title, details, made, networks, xs, {"fresh": None}, None, in_features, seed)


def trained(run: str | os.PathLike, *, which: str = "best", seed: int | None = None, rows: int = 8) -> Subject:
    """A run of `rnnjax train`, before and after, on the first rows of its task's validation split.

    Args:
      run: the run's folder.
      which: the "best" checkpoint, or the "latest".
      seed: which of the run's seeds; `None` is the first.
      rows: sequences.

    Raises:
      InputError: no such run, no checkpoint, a damaged one, or a seed that was not run.
    """
    from rnnjax.training import initial_state, restore_run

    check(isinstance(rows, int) and rows > 0, "rows", rows, "a positive int")
    config, seeds, state, step = restore_run(run, which)
    if not isinstance(config.task, Task):
        raise InputError("run", str(run), f"a run of a task; `rnnjax report` shows one of {config.task.name!r}")
    seed = seeds[0] if seed is None else seed
    check(seed in seeds, "seed", seed, f"a seed of the run, one of {', '.join(map(str, seeds))}")
    place, task = seeds.index(seed), config.task
    before = initial_state(jax.random.key(seed), config).params
    after = jax.tree.map(lambda leaf: leaf[place], state.params)
    batch = jax.tree.map(lambda leaf: leaf[:rows], task.evaluation("validation", rows))
    lengths = batch.lengths if task.variable_length else None

    def loss_of(readout):
        def loss(ys: Array, carry: PyTree) -> Array:
            del carry
            ys = read_steps(ys, lengths) if task.many_to_one else ys
            return task.loss(ys @ readout["kernel"] + readout["bias"], batch) * jnp.shape(ys)[0]  # a sum over rows

        return loss

    moments = {"at initialisation": before, f"after {step} updates": after}
    return Subject(
        f"{type(config.cell).__name__} on {task.name}",
        (repr(config.cell), f"{task!r} · {which} checkpoint, update {step} · seed {seed} · {rows} rows"),
        config.cell,
        {moment: params["cell"] for moment, params in moments.items()},
        batch.inputs,
        {moment: loss_of(params["readout"]) for moment, params in moments.items()},
        lengths,
        task.in_features,
        seed,
    )
