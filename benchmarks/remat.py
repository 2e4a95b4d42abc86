"""Recomputing instead of storing: memory and time of a training step on long sequences."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

import rnnjax
from benchmarks.prepared import Prepared, prepare
from benchmarks.problem import Shape, make_problem
from benchmarks.race import Race

PLAIN = "plain"
WAYS = {PLAIN: None, "sqrt": "sqrt", "blocks of 25": 25, "blocks of 400": 400}
"""Values of `remat`, by name; the first keeps everything."""

OUTPUTS, FINAL = "remat", "remat of the final state"
LOSSES = {OUTPUTS: "all outputs", FINAL: "the final state"}
"""What the loss of each topic is of. Outputs of all steps are in memory whatever is computed again."""

SHAPE = Shape(8, 10000, 16, 64)
QUICK_SHAPE = Shape(8, 400, 16, 64)


def races(cells: Sequence[str], shape: Shape) -> list[Race]:
    """Races between the ways for each cell and each kind of loss."""
    return [remat_race(cell, shape, topic) for topic in LOSSES for cell in cells]


def remat_race(cell: str, shape: Shape, topic: str = OUTPUTS) -> Race:
    """A race between the ways for one cell and loss."""
    problem = functools.cache(lambda: make_problem(cell, shape))
    made = rnnjax.cells.get(cell, shape.hidden)

    def entry(remat: str | int | None) -> Callable[[], Prepared]:
        def apply(params, xs):
            carry, ys = rnnjax.unroll(made, params, xs, time_major=True, remat=remat)
            return ys if topic == OUTPUTS else jnp.concatenate(jax.tree.leaves(carry), axis=-1)

        return lambda: prepare(apply, problem().params, problem().xs, "training", "cpu")

    entries = {name: entry(remat) for name, remat in WAYS.items()}
    return Race("remat", topic, cell, shape, "training", "cpu", entries)
