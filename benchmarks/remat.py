"""Recomputing instead of storing: memory and time of a training step on long sequences."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

import rnnjax
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
        *(remat_race(name, _just_in_blocks(name), EACH) for name in each if _is_scanned(name)),
    ]


def remat_race(cell: str, shape: Shape, topic: str = OUTPUTS) -> Race:
    """A race between the ways for one cell and loss; of the topic of each cell between the first two."""
    problem = functools.cache(lambda: initial_problem(cell, shape) if topic == EACH else make_problem(cell, shape))
    made = rnnjax.cells.get(cell, shape.hidden)

    def entry(remat: str | int | None) -> Callable[[], Prepared]:
        def apply(params, xs):
            carry, ys = rnnjax.unroll(made, params, xs, time_major=True, remat=remat)
            return jnp.concatenate(jax.tree.leaves(carry), axis=-1) if topic == FINAL else ys

        def prepared() -> Prepared:
            made = prepare(apply, problem().params, problem().xs, "training", "cpu")
            # Some cells start chaotic: a gradient of 1e14 is another one after the last bit of an input has changed.
            return dataclasses.replace(made, expected=made.result()) if topic == EACH else made

        return prepared

    ways = (PLAIN, UNASKED) if topic == EACH else WAYS
    return Race("remat", topic, cell, shape, "training", "cpu", {name: entry(WAYS[name]) for name in ways})


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
