"""The laws of running a sequence in blocks of which only the drive of one is in memory."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import CELLS
from sequences import LENGTHS, RESETS, TIME, assert_same, evaluate, example

from rnnjax import LSTM, Precision, unroll
from rnnjax.cell import abstract_params
from rnnjax.engines import Scan, scan
from rnnjax.engines.blocks import even_block, root_block

STEP = 3 * 4 * 8  # bytes of one gate's drive at a step of the examples: rows, features, float64
SOME = [entry for entry in CELLS if entry.name in ("lstm", "gru_reset_before", "stack_of_wrapped")]


@pytest.fixture
def light(monkeypatch):
    """Weights that count for nothing, as they do beside the drive of a long sequence."""
    monkeypatch.setattr(scan, "_WEIGHTS", 0)


@pytest.mark.usefixtures("x64", "light")
@pytest.mark.parametrize("entry", SOME, ids=str)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("hoist", "remat"), [(False, None), (True, None), (True, False)])
def test_drive_in_blocks_changes_nothing(entry, reverse, hoist, remat):
    """Blocks give the outputs, carries and gradients of the whole, in either direction, computed again or stored."""
    cell, params, xs, carry, key = example(entry)
    options = dict(lengths=LENGTHS, resets=RESETS, key=key, reverse=reverse, through_carries=1.0)
    engine = Scan(drive_bytes=STEP)
    in_blocks = evaluate(cell, params, xs, carry, engine=engine, hoist=hoist, remat=remat, **options)
    assert_same(in_blocks, evaluate(cell, params, xs, carry, **options))


def largest(function, *arguments):
    """The number of values in the largest array that a function computes."""
    sizes = []

    def visit(jaxpr):
        for equation in jaxpr.eqns:
            sizes.extend(variable.aval.size for variable in equation.outvars)
            for value in equation.params.values():
                inside = getattr(value, "jaxpr", value)
                if hasattr(inside, "eqns"):
                    visit(inside)

    visit(jax.make_jaxpr(function)(*arguments).jaxpr)
    return max(sizes)


def test_the_drive_of_a_long_sequence_is_never_whole():
    """Forwards, no array is larger than the outputs, which are a quarter of the drive of an LSTM."""
    cell, time = LSTM(8), 4096
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), abstract_params(cell, 2))
    run = lambda engine: largest(lambda xs: unroll(cell, params, xs, engine=engine)[1], jnp.zeros((time, 2)))  # noqa: E731
    assert run(Scan(drive_bytes=1 << 10)) == time * 8
    assert run(Scan()) == time * 32


@pytest.mark.usefixtures("light")
def test_low_precision_counts_its_bytes():
    """A drive in bfloat16 may be of twice as many steps."""
    xs = jnp.zeros((1000, 1, 2))
    for precision, steps in ((Precision(), 8), (Precision("bfloat16"), 10)):
        cell = LSTM(8, precision=precision)
        weights = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), abstract_params(cell, 2))
        drive = jax.eval_shape(cell.project, weights, xs)
        assert Scan(drive_bytes=1 << 10)._stored_block(weights, drive) == steps


@pytest.mark.parametrize("time", [1, 2, 7, 96, 97, 1000])
def test_sizes_of_blocks(time):
    """A root block is the least whose square covers the time; an even one divides the time if nearly as large."""
    assert root_block(time) ** 2 >= time > (root_block(time) - 1) ** 2
    for most in range(1, time + 1):
        block = even_block(time, most)
        assert block <= most
        assert time % block == 0 or block == most
        assert 2 * block > most


def test_no_steps_at_all():
    """A time of 0 needs no blocks."""
    assert root_block(0) == 1
    xs = np.zeros((0, 2), np.float32)
    cell = LSTM(8)
    params = cell.init(jax.random.key(0), 2)
    final, ys = unroll(cell, params, xs, engine=Scan(drive_bytes=1))
    assert ys.shape == (0, 8) and not np.any(final.h)


@pytest.mark.parametrize(("weights", "most"), [(0, 16), (1, 48), (2, 64)])
def test_large_weights_leave_a_sequence_in_one_block(weights, most):
    """Up to 16 times the size whatever the weights, up to 48 times these, and never more than 64 times the size."""
    engine = Scan(drive_bytes=4)
    for time in range(1, 100):
        assert (engine._stored_block(jnp.zeros(weights), jnp.zeros((time, 1))) == time) is (time <= most)


@pytest.mark.usefixtures("x64", "light")
@pytest.mark.parametrize("entry", SOME[:2], ids=str)
def test_the_examples_need_blocks(entry):
    """The law above is about several blocks: the engine given there takes fewer steps at once than there are."""
    cell, params, xs, *_ = example(entry)
    weights = cell.prepare(params)
    block = Scan(drive_bytes=STEP)._stored_block(weights, cell.project(weights, np.moveaxis(xs, 1, 0)))
    assert 0 < block < TIME
