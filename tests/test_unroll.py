"""The laws of `unroll` about rows, axes, carries and transformations, each for every cell, in float64."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from catalog import FLOAT64, every_computation
from gapped import Gapped, gapped_example
from sequences import (
    BATCH,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    by_row,
    evaluate,
    example,
    example_of,
    padded,
    row,
    run,
    weighed,
)

from rnnjax import GRU, LSTM, Elman, unroll

x64 = pytest.mark.usefixtures("x64")


# --- rows, axes, direction ---------------------------------------------------------------------------------------


@x64
@every_computation
def test_rows_do_not_touch_each_other(entry):
    """Another row's inputs, carry, length and resets change nothing in a row, bit for bit."""
    cell, params, xs, carry, key = example(entry)
    alone = evaluate(cell, params, xs, carry, lengths=LENGTHS, resets=RESETS, key=key)
    for kept in range(BATCH):
        others = np.arange(BATCH) != kept
        crowded = evaluate(
            cell,
            params,
            np.where(by_row(others, xs), np.nan, xs),
            jax.tree.map(lambda leaf, others=others: np.where(by_row(others, leaf), 9.0, leaf), carry),
            lengths=np.where(others, TIME, LENGTHS),
            resets=np.where(others[:, None], ~RESETS, RESETS),
            key=key,
        )
        assert_identical(row(crowded.outcome, kept), row(alone.outcome, kept))
        assert_identical(row((crowded.xs, crowded.carry), kept), row((alone.xs, alone.carry), kept))


@x64
@every_computation
def test_reverse_is_the_row_flipped_within_its_length(entry):
    """Running backwards equals flipping each row within its own length, running forwards, and flipping back."""
    cell, params, xs, carry, key = example(entry)
    steps = np.arange(TIME)
    order = np.where(steps < LENGTHS[:, None], LENGTHS[:, None] - 1 - steps, steps)

    def flip(leaf):
        return np.take_along_axis(leaf, order.reshape(BATCH, TIME, *(1,) * (leaf.ndim - 2)), axis=1)

    options = dict(lengths=LENGTHS, key=key)
    final, ys, carries = evaluate(cell, params, xs, carry, resets=RESETS, reverse=True, **options).outcome
    flipped = evaluate(cell, params, flip(xs), carry, resets=flip(RESETS), **options)
    assert_same(final, flipped.outcome[0])
    assert_same(ys, flip(flipped.outcome[1]))
    valid = ~padded()
    assert_same(row(carries, valid), row(jax.tree.map(flip, flipped.outcome[2]), valid))
    assert_same(row(carries, (slice(None), 0)), final)


@x64
@every_computation
def test_any_number_of_batch_axes(entry):
    """No batch axis, one or two give the same rows, with lengths and resets."""
    cell, params, xs, carry, _ = example(entry)
    one = evaluate(cell, params, xs, carry, lengths=LENGTHS, resets=RESETS).outcome
    for index in range(BATCH):
        own = dict(lengths=LENGTHS[index], resets=RESETS[index], return_carries=True)
        assert_same(run(cell, params, xs[index], row(carry, index), **own), row(one, index))
    _, _, xs_2, carry_2, _ = example(entry, seed=20)
    lengths_2, resets_2 = LENGTHS[::-1].copy(), ~RESETS
    other = evaluate(cell, params, xs_2, carry_2, lengths=lengths_2, resets=resets_2).outcome

    def both(a, b):
        return jax.tree.map(lambda x, y: np.stack([x, y]), a, b)

    options = dict(lengths=both(LENGTHS, lengths_2), resets=both(RESETS, resets_2), return_carries=True)
    assert_same(run(cell, params, both(xs, xs_2), both(carry, carry_2), **options), both(one, other))


@x64
def test_trap_two_batch_axes_with_lengths():
    """Lengths and resets of shape [a, b] go with inputs [a, b, time, features], with gradients."""
    rng = np.random.default_rng(0)
    cell, params, xs, carry, _ = example_of(GRU, batch_shape=(2, 3))
    lengths, resets = rng.integers(0, TIME + 1, (2, 3)), rng.random((2, 3, TIME)) < 0.3
    two = evaluate(cell, params, xs, carry, lengths=lengths, resets=resets, rows=(1.0, 2.0))

    def flat(tree):
        return jax.tree.map(lambda leaf: leaf.reshape(6, *leaf.shape[2:]), tree)

    options = dict(lengths=lengths.reshape(6), resets=resets.reshape(6, TIME))
    one = evaluate(cell, params, flat(xs), flat(carry), **options, rows=np.ones(6))
    assert_same(flat(two.outcome), one.outcome)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(two.gradients))


@x64
@every_computation
def test_time_major_is_the_same_run_with_axes_moved(entry):
    """`time_major` moves the time axis of inputs, resets, outputs and carries to the front, and nothing else."""
    cell, params, xs, carry, key = example(entry)
    final, ys, carries = evaluate(cell, params, xs, carry, resets=RESETS, lengths=LENGTHS, key=key).outcome

    def first(tree):
        return jax.tree.map(lambda leaf: np.moveaxis(leaf, 0, 1), tree)

    options = dict(lengths=LENGTHS, time_major=True, return_carries=True, key=key)
    got = run(cell, params, first(xs), carry, resets=RESETS.T, **options)
    assert_same(got, (final, first(ys), first(carries)))


# --- carries and steps -------------------------------------------------------------------------------------------


@x64
@every_computation
def test_carries_are_the_states_after_each_step(entry):
    """`carries[t]` is the final carry of a run that ends after step t, and the last one is the final carry."""
    cell, params, xs, carry, key = example(entry)
    options = dict(resets=RESETS, key=key)
    final, _, carries = evaluate(cell, params, xs, carry, lengths=LENGTHS, **options).outcome
    for t in range(TIME):
        until = evaluate(cell, params, xs, carry, lengths=np.minimum(LENGTHS, t + 1), **options).outcome[0]
        assert_same(row(carries, (slice(None), t)), until)
    assert_identical(row(carries, (slice(None), -1)), final)


@x64
@every_computation
def test_unroll_is_step_scanned_by_hand(entry):
    """`unroll` equals calling `step` once for each input, with the same key for dropout."""
    cell, params, xs, carry, key = example(entry)
    never = np.zeros((BATCH, TIME), bool)
    final, ys, carries = evaluate(cell, params, xs, carry, resets=never, key=key).outcome
    step = jax.jit(cell.step)
    for t in range(TIME):
        carry, y = jax.device_get(step(params, carry, xs[:, t], key=key))
        assert_same(y, ys[:, t])
        assert_same(carry, row(carries, (slice(None), t)))
    assert_same(carry, final)


@x64
def test_without_a_carry_the_initial_one_is_used():
    """`carry=None` is the cell's initial carry."""
    cell = Gapped(4, precision=FLOAT64)
    params, xs, _ = gapped_example()
    assert_same(run(cell, params, xs), run(cell, params, xs, cell.initial_carry((BATCH,))))


# --- transformations ---------------------------------------------------------------------------------------------


@x64
@every_computation
def test_vmap_over_rows_and_over_parameters(entry):
    """Mapped over rows, each with parameters of its own, `unroll` gives the batch; gradients of the rows add up."""
    cell, params, xs, carry, _ = example(entry)
    batched = evaluate(cell, params, xs, carry, lengths=LENGTHS, resets=RESETS)
    cotangents = jax.device_get(jax.grad(weighed)(batched.outcome[:2], np.ones(BATCH)))

    def alone(params, xs, carry, lengths, resets, cotangent):
        outcome, vjp = jax.vjp(lambda *args: unroll(cell, *args, lengths=lengths, resets=resets), params, xs, carry)
        return outcome, vjp(cotangent)

    own = jax.tree.map(lambda leaf: np.stack([leaf] * BATCH), params)
    mapped = jax.device_get(jax.jit(jax.vmap(alone))(own, xs, carry, LENGTHS, RESETS, cotangents))
    outcome, (d_params, d_xs, d_carry) = mapped
    assert_same(outcome, batched.outcome[:2])
    assert_same((d_xs, d_carry), (batched.xs, batched.carry))
    assert_same(jax.tree.map(lambda leaf: leaf.sum(0), d_params), batched.params)


@x64
@pytest.mark.parametrize("make", [Elman, LSTM, GRU])
def test_jit_changes_nothing(make):
    """Called plainly, `unroll` gives what its compiled form gives."""
    cell, params, xs, carry, key = example_of(make)
    options = dict(lengths=LENGTHS, resets=RESETS, key=key)
    plain = unroll(cell, params, xs, carry, return_carries=True, **options)
    assert_same(plain, evaluate(cell, params, xs, carry, **options).outcome)


@x64
@pytest.mark.parametrize("steps", [3, 20])
def test_steps_an_iteration_do_not_matter(steps):
    """`unroll=` changes how many steps the loop takes at once, not what it computes."""
    cell, params, xs, carry, _ = example_of(Elman)
    expected = evaluate(cell, params, xs, carry, lengths=LENGTHS)
    assert_same(evaluate(cell, params, xs, carry, lengths=LENGTHS, unroll=steps), expected)


@x64
@pytest.mark.parametrize("hoist", [True, False])
def test_arrays_may_be_of_numpy(hoist):
    """NumPy inputs, resets, carry and parameters are taken as they are, time first or not, outside `jit` too."""
    cell, params, xs, carry, _ = example_of(GRU)
    expected = run(cell, params, xs, carry, resets=RESETS)
    assert_same(unroll(cell, params, xs, carry, resets=RESETS, hoist=hoist), expected)
    time_first = xs.swapaxes(0, 1)
    final, ys = unroll(cell, params, time_first, carry, resets=RESETS.T, time_major=True, hoist=hoist)
    assert_same((final, ys.swapaxes(0, 1)), expected)
