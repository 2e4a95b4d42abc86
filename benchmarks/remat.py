"""Recomputing instead of storing: memory and time of a training step on long sequences."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

import rnnjax
from benchmarks.peers.ours import prepare_cell
from benchmarks.prepared import Prepared, prepare
from benchmarks.problem import Shape, initial_problem, make_problem
from benchmarks.race import Race
from rnnjax.cell import abstract_params
from rnnjax.engines.blocks import bytes_of

PLAIN, UNASKED = "plain", "unasked"
WAYS = {PLAIN: False, UNASKED: None, "sqrt": "sqrt", "blocks of 25": 25, "blocks of 400": 400}
"""Values of `remat`, by name; the first keeps everything, the second is the default."""

OUTPUTS, FINAL = "remat", "remat of the final state"
LOSSES = {OUTPUTS: "all outputs", FINAL: "the final state"}
"""What the loss of each topic is of. Outputs of all steps are in memory whatever is computed again."""

EACH = "each cell"
"""The topic of the default beside nothing recomputed, for every cell that the scan serves."""

EACH_STEP = Shape(16, 1, 64, 64)
EACH_BYTES = 20_000_000
"""A step of the sequences of that topic, of which there are as many as make a drive of that size: just too large to be
run in one block.
"""

SHAPE = Shape(8, 10000, 16, 64)
QUICK_SHAPE = Shape(8, 400, 16, 64)


def races(cells: Sequence[str], shape: Shape, each: Sequence[str]) -> list[Race]:
    """Races between the ways for each cell and each kind of loss, and between two of them for many cells more."""
    return [
        *(remat_race(cell, shape, topic) for topic in LOSSES for cell in cells),
        *(each_race(name) for name in each if _is_scanned(name)),
    ]


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


def each_race(name: str) -> Race:
    """A race between the first two ways, each checked against itself: some cells start with gradients of 1e14."""
    cell, shape = rnnjax.cells.get(name, EACH_STEP.hidden), _just_in_blocks(name)

    def entry(way: str) -> Callable[[], Prepared]:
        problem = functools.partial(initial_problem, name, shape)
        return lambda: prepare_cell(cell, problem(), "training", "cpu", remat=WAYS[way]).against_itself()

    return Race("remat", EACH, name, shape, "training", "cpu", {way: entry(way) for way in (PLAIN, UNASKED)})


def _is_scanned(name: str) -> bool:
    """Whether a cell goes through time step by step, over inputs without places."""
    cell = rnnjax.cells.REGISTRY[name]
    return not (cell.affine_in_state or cell.spatial_axes)


def _just_in_blocks(name: str) -> Shape:
    """The shape of a cell's race."""
    cell = rnnjax.cells.get(name, EACH_STEP.hidden)
    step = jax.ShapeDtypeStruct((1, EACH_STEP.batch, EACH_STEP.inputs), jnp.float32)
    project = lambda params, xs: cell.project(cell.prepare(params), xs)  # noqa: E731
    drive = jax.eval_shape(project, abstract_params(cell, EACH_STEP.inputs), step)
    return dataclasses.replace(EACH_STEP, time=EACH_BYTES // bytes_of(drive))
