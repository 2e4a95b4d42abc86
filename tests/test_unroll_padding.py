"""The laws of `unroll` about padding, chunks and resets, each for every cell, in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from catalog import FLOAT64, every_computation
from gapped import Gapped, gapped_example
from sequences import (
    BATCH,
    HALF,
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
    with_nan_padding,
)

from rnnjax import GRU, LSTM, unroll

x64 = pytest.mark.usefixtures("x64")


# --- padding -----------------------------------------------------------------------------------------------------


@x64
@every_computation
def test_padded_equals_unpadded(entry):
    """A padded row gives the outputs, final carry and gradients of the same row cut to its length."""
    cell, params, xs, carry, key = example(entry)
    whole = evaluate(cell, params, with_nan_padding(xs), carry, lengths=LENGTHS, resets=RESETS, key=key)
    parts = {
        length: evaluate(
            cell, params, xs[:, :length], carry, resets=RESETS[:, :length], key=key, rows=(LENGTHS == length) * 1.0
        )
        for length in (TIME, HALF)
    }
    final, ys, _ = whole.outcome
    for index, length in enumerate(LENGTHS):
        assert not np.any(ys[index, length:]), "padded outputs are exactly zero"
        if length:
            expected_final, expected_ys, _ = parts[length].outcome
            assert_same(ys[index, :length], expected_ys[index])
            assert_same(row(final, index), row(expected_final, index))
            assert_same(whole.xs[index, :length], parts[length].xs[index])
            assert_same(row(whole.carry, index), row(parts[length].carry, index))
    assert not np.any(whole.xs[padded()]), "no gradient flows into padding"
    # An empty row hands its carry through: the loss is linear in it, and no parameter takes part.
    assert_identical(row(final, 1), row(carry, 1))
    assert_same(row(whole.carry, 1), row(jax.device_get(jax.grad(weighed)(carry, np.ones(BATCH))), 1))
    assert_same(whole.params, jax.tree.map(np.add, *(part.params for part in parts.values())))


@x64
@every_computation
@pytest.mark.parametrize("reverse", [False, True])
def test_content_of_padding_has_no_effect(entry, reverse):
    """NaN in the padding changes nothing, bit for bit: not outputs, carries or gradients, forwards or backwards."""
    cell, params, xs, carry, key = example(entry)
    options = dict(lengths=LENGTHS, resets=RESETS, key=key, reverse=reverse, through_carries=1.0)
    clean = evaluate(cell, params, xs, carry, **options)
    assert_identical(evaluate(cell, params, with_nan_padding(xs), carry, **options), clean)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(clean))


@x64
@every_computation
@pytest.mark.parametrize("reverse", [False, True])
def test_trap_row_of_length_zero_keeps_its_carry(entry, reverse):
    """The final carry of an empty row is the carry it was given, its outputs are zero, in either direction."""
    cell, params, xs, carry, key = example(entry)
    options = dict(lengths=LENGTHS, resets=RESETS, key=key, reverse=reverse)
    final, ys, carries = evaluate(cell, params, xs, carry, **options).outcome
    assert_identical(row(final, 1), row(carry, 1))
    assert not np.any(ys[1])
    for t in range(TIME):
        assert_identical(row(carries, (1, t)), row(carry, 1))


@x64
def test_empty_row_without_a_carry_keeps_the_initial_one():
    """Without a carry an empty row ends in the cell's initial carry, which need not be zero."""
    cell = Gapped(4, precision=FLOAT64)
    params, xs, _ = gapped_example()
    final, _ = run(cell, params, xs, lengths=LENGTHS)
    assert_identical(final.h[1], cell.initial_carry().h)


@x64
@pytest.mark.parametrize("remat", [None, "sqrt"])
def test_no_time_steps_at_all(remat):
    """A sequence of length 0 has empty outputs and hands its carry through, with gradients."""
    cell, params, xs, carry, _ = example_of(LSTM)
    got = evaluate(cell, params, xs[:, :0], carry, remat=remat)
    final, ys, carries = got.outcome
    assert_identical(final, carry)
    assert ys.shape == (BATCH, 0, 4) and carries.h.shape == (BATCH, 0, 4)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(got.params))


@x64
def test_lengths_may_be_any_integers():
    """A list, NumPy integers of any width and a JAX array mean the same lengths, inside `jit` too."""
    cell, params, xs, carry, _ = example_of(GRU)
    expected = run(cell, params, xs, carry, lengths=LENGTHS)
    for lengths in (list(map(int, LENGTHS)), LENGTHS.astype(np.uint8), jnp.asarray(LENGTHS, jnp.int32)):
        assert_same(unroll(cell, params, xs, carry, lengths=lengths), expected)
        closed_over = jax.jit(lambda xs, lengths=lengths: unroll(cell, params, xs, carry, lengths=lengths))
        assert_same(closed_over(xs), expected)


# --- chunks and resets -------------------------------------------------------------------------------------------


@x64
@every_computation
def test_chunks_with_carry_handed_on_equal_the_whole(entry):
    """Two chunks, the carry of the first handed to the second, equal one run, with resets and dropout."""
    cell, params, xs, carry, key = example(entry)
    whole_final, whole, _ = evaluate(cell, params, xs, carry, resets=RESETS, key=key).outcome
    pieces = []
    for part in (slice(0, HALF), slice(HALF, TIME)):
        carry, piece, _ = evaluate(cell, params, xs[:, part], carry, resets=RESETS[:, part], key=key).outcome
        pieces.append(piece)
    assert_same(np.concatenate(pieces, axis=1), whole)
    assert_same(carry, whole_final)


@x64
def test_chunks_of_padded_rows_equal_the_whole():
    """Chunks of any sizes with the lengths that fall into them equal one run; a row may end before a chunk begins."""
    cell, params, xs, carry, _ = example_of(LSTM)
    lengths = np.array([TIME, 2, 5])
    whole_final, whole = run(cell, params, xs, carry, lengths=lengths)
    pieces = []
    for start, stop in ((0, 1), (1, 5), (5, TIME)):
        part = np.clip(lengths - start, 0, stop - start)
        carry, piece = run(cell, params, xs[:, start:stop], carry, lengths=part)
        pieces.append(piece)
    assert_same(np.concatenate(pieces, axis=1), whole)
    assert_same(carry, whole_final)


@x64
@every_computation
def test_reset_is_a_fresh_start_before_its_input(entry):
    """With a reset at t a row goes on as if its sequence began with x_t, and the other rows do not notice."""
    cell, params, xs, carry, key = example(entry)
    never, once = np.zeros((BATCH, TIME), bool), np.zeros((BATCH, TIME), bool)
    once[0, HALF] = True
    final, ys, _ = evaluate(cell, params, xs, carry, resets=once, key=key).outcome
    undisturbed_final, undisturbed, _ = evaluate(cell, params, xs, carry, resets=never, key=key).outcome
    begun = jax.device_get(cell.initial_carry((BATCH, *entry.places)))
    fresh_final, fresh, _ = evaluate(cell, params, xs[:, HALF:], begun, resets=never[:, HALF:], key=key).outcome
    assert_same(ys[0, HALF:], fresh[0])
    assert_same(row(final, 0), row(fresh_final, 0))
    assert_identical(ys[0, :HALF], undisturbed[0, :HALF])
    others = slice(1, None)
    assert_identical((ys[others], row(final, others)), (undisturbed[others], row(undisturbed_final, others)))
    in_jumps = "1" in references.FLAT.get(entry.name, ())  # signs may be the same by chance
    assert in_jumps or not np.allclose(ys[0, HALF], undisturbed[0, HALF]), "the reset acts at its own step already"


@x64
@every_computation
def test_trap_reset_selects_so_that_no_nan_leaks(entry):
    """A carry of NaN or infinity does not outlive a reset, nor reach the gradients of what comes after."""
    cell, params, xs, carry, key = example(entry)
    resets = RESETS.copy()
    resets[:, 0] = [True, False, True]
    clean = evaluate(cell, params, xs, carry, resets=resets, key=key)
    rows = np.array([True, False, True])
    for bad in (np.nan, np.inf):
        broken = jax.tree.map(lambda leaf, bad=bad: np.where(by_row(rows, leaf), bad, leaf), carry)
        assert_identical(evaluate(cell, params, xs, broken, resets=resets, key=key), clean)
    for leaf in jax.tree.leaves(clean.carry):
        assert not np.any(leaf[0]) and not np.any(leaf[2]), "no gradient flows through a reset"
    late = np.zeros((BATCH, TIME), bool)
    late[:, 3] = True
    nan = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), carry)
    assert np.isfinite(evaluate(cell, params, xs, nan, resets=late, key=key).outcome[1][:, 3:]).all()


@x64
def test_reset_puts_the_initial_carry_of_the_cell_in_place():
    """A reset is not a zero: the state before the step is what `initial_carry` says."""
    cell = Gapped(4, precision=FLOAT64)
    params, xs, carry = gapped_example()
    resets = np.zeros((BATCH, TIME), bool)
    resets[:, 3] = True
    _, ys = run(cell, params, xs, carry, resets=resets)
    _, fresh = run(cell, params, jax.tree.map(lambda leaf: leaf[:, 3:], xs))
    assert_same(ys[:, 3:], fresh)
