"""The laws of a sequence for every cell that others do not stand for, on one compiled program a cell.

The laws are those of `test_unroll`, `test_unroll_padding`, `test_scan` and `test_cells`, where each stands by itself
and is put to many cases. Here the program is the same throughout, that of a padded batch with resets and its gradient,
and what a law compares are results for other numbers.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from catalog import FEATURES, REGISTERED, every_cell_in_brief, every_registered_cell
from sequences import (
    BATCH,
    HALF,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    directional,
    evaluate,
    example,
    inner,
    plus,
    row,
    with_nan_padding,
)

from rnnjax import Precision, unroll
from rnnjax.cells import REGISTRY
from rnnjax.wrappers import FastSlow, Stack
from rnnjax.wrappers.wrapper import Wrapper

pytestmark = pytest.mark.usefixtures("x64")


class Runs:
    """A cell of the catalog and the one program that is run."""

    def __init__(self, entry):
        self.name = entry.name
        self.cell, self.params, self.xs, self.carry, self.key = example(entry)

    def __call__(self, params=None, xs=None, carry=None, lengths=LENGTHS, resets=RESETS):
        given = [self.params, self.xs, self.carry]
        given = [own if other is None else other for own, other in zip(given, (params, xs, carry), strict=True)]
        options = dict(lengths=np.asarray(lengths, np.int32), resets=resets, key=self.key, through_carries=1.0)
        return evaluate(self.cell, *given, **options)


def follows_the_equations(runs, whole):
    """Outputs and states are those of the paper's equations in NumPy, row by row; wrappers have tests of their own."""
    if isinstance(runs.cell, Wrapper | Stack | FastSlow):
        return
    final, ys, _ = whole.outcome
    for index, length in enumerate(LENGTHS):
        state = tuple(leaf[index] for leaf in runs.carry)
        for t in range(length):
            if RESETS[index, t]:
                places = runs.xs.shape[2:-1]
                state = tuple(np.asarray(leaf) for leaf in runs.cell.initial_carry(places))
            state, y = references.EQUATIONS[runs.name](runs.params, state, runs.xs[index, t])
            assert_same(ys[index, t], np.asarray(y))
        assert not np.any(ys[index, length:])
        assert_same(tuple(leaf[index] for leaf in final), tuple(map(np.asarray, state)))


def ignores_padding(runs, whole):
    """NaN in the padding changes nothing, bit for bit, and nothing is NaN."""
    assert_identical(runs(xs=with_nan_padding(runs.xs)), whole)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(whole))


def keeps_rows_apart(runs, whole):
    """Other inputs, states and resets in the last row change nothing in the first, bit for bit."""
    xs, resets = runs.xs.copy(), RESETS.copy()
    xs[2], resets[2] = xs[2][::-1] + 1, ~resets[2]
    carry = jax.tree.map(lambda leaf: np.concatenate([leaf[:2], leaf[:1]]), runs.carry)
    crowded = runs(xs=xs, resets=resets, carry=carry, lengths=[*LENGTHS[:2], TIME - 1])
    assert_identical(row(crowded.outcome, 0), row(whole.outcome, 0))
    assert_identical(row((crowded.xs, crowded.carry), 0), row((whole.xs, whole.carry), 0))


def goes_on_where_it_stopped(runs, whole):
    """The first half, and the second from the state after it, are the whole."""
    first = runs(lengths=np.minimum(LENGTHS, HALF)).outcome
    later = lambda leaf: np.concatenate([leaf[:, HALF:], leaf[:, :HALF]], axis=1)  # noqa: E731
    second = runs(
        xs=later(runs.xs), resets=later(RESETS), carry=first[0], lengths=np.maximum(LENGTHS - HALF, 0)
    ).outcome
    assert_same(second[0], whole.outcome[0])
    assert_same(np.concatenate([first[1][:, :HALF], second[1][:, : TIME - HALF]], axis=1), whole.outcome[1])


def starts_afresh_at_a_reset(runs, whole):
    """After a reset nothing is left of what was, not even NaN."""
    resets = RESETS.copy()
    resets[:, HALF] = True
    nan = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), runs.carry)
    long = np.full(BATCH, TIME)
    late = runs(carry=nan, resets=resets, lengths=long).outcome
    later = lambda leaf: np.concatenate([leaf[:, HALF:], leaf[:, :HALF]], axis=1)  # noqa: E731
    alone = runs(xs=later(runs.xs), resets=later(resets), lengths=long - HALF).outcome
    assert_same(late[0], alone[0])
    assert_same(late[1][:, HALF:], alone[1][:, : TIME - HALF])


def has_its_slope_as_gradient(runs, whole):
    """Along a direction in each parameter, the inputs and each carry, the gradient is the slope of the loss."""
    at, step = (runs.params, runs.xs, runs.carry), 1e-5
    for leaf, direction in directional(at, seed=7).items():
        above, below = (runs(*plus(at, sign * step, direction)).loss for sign in (1, -1))
        slope = (above - below) / (2 * step)
        assert abs(slope - inner(whole.gradients, direction)) < 1e-7 * max(1.0, abs(slope)), leaf
        flat = leaf in references.FLAT.get(runs.name, ())
        assert (slope == 0.0) == flat, f"whether the loss depends on {leaf}"


LAWS = (
    follows_the_equations, ignores_padding, keeps_rows_apart, goes_on_where_it_stopped, starts_afresh_at_a_reset,
    has_its_slope_as_gradient,
)  # fmt: skip


@every_cell_in_brief
def test_laws_of_a_sequence(entry):
    """Equations, padding, rows, chunks, resets and gradients, all of which fail by name."""
    runs = Runs(entry)
    whole = runs()
    failures = {}
    for law in LAWS:
        try:
            law(runs, whole)
        except AssertionError as error:
            failures[law.__name__] = str(error)
    assert not failures, "\n\n".join(f"{name}: {message}" for name, message in failures.items())


@every_registered_cell
def test_structure_of_the_jacobian(entry):
    """Units of the state depend on each other where the class says so, and nowhere else."""
    cell, params, xs, carry, _ = example(entry)
    start = row(carry, 0)
    if entry.places:
        pytest.skip("the state of a place depends on those around it: a structure of its own")
    if "1" in references.FLAT.get(entry.name, ()):
        pytest.skip("the state changes in jumps, and has no derivative but zero")

    def step(carry):
        return cell.step(params, carry, jnp.asarray(xs[0, 0]))[0]

    jacobian = jax.device_get(jax.jit(jax.jacrev(step))(start))
    seen = []
    for name, after, of_after in zip(carry._fields, start, jacobian, strict=True):
        for other, before, block in zip(carry._fields, start, of_after, strict=True):
            if np.size(after) > 1 and np.size(before) > 1:  # a clock is no unit
                block = np.reshape(block, (np.size(after), np.size(before)))
                apart = block.shape[0] == block.shape[1] and not np.any(block - np.diag(np.diag(block)))
                seen.append((f"{name} of {other}", apart, np.any(block == 0.0)))
    if cell.jacobian == "diagonal":
        assert all(apart for _, apart, _ in seen), seen
    else:
        assert not all(apart for _, apart, _ in seen), "each unit sees itself alone"
    if cell.jacobian == "block":
        assert any(zeros for _, _, zeros in seen), "every unit sees every other"


@pytest.mark.parametrize("entry", [entry for entry in REGISTERED if len(entry.places) < 3], ids=str)
def test_ten_thousand_steps_from_the_start_are_finite(entry):
    """From the initial parameters of each preset, 10,000 steps of normal inputs stay finite, in float32. Convolutions
    over space are left out for their time: over lines and planes they are the same.
    """
    presets = {"default", "paper"} & set(getattr(REGISTRY[entry.name], "presets", {}))

    @functools.partial(jax.jit, static_argnums=0)
    def run(cell, params):
        xs = jax.random.normal(jax.random.key(1), (1, 10_000, *entry.places, entry.in_features))
        return unroll(cell, params, xs, engine="scan")

    with jax.enable_x64(False):
        for cell in [entry.cell(Precision()), *(REGISTRY[entry.name](FEATURES, preset=preset) for preset in presets)]:
            params = cell.init(jax.random.key(0), entry.in_features)
            leaves = jax.device_get(jax.tree.leaves(run(cell.dynamics, params)))
            assert all(np.isfinite(leaf).all() for leaf in leaves), cell
