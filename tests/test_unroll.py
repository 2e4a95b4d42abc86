"""The laws of `unroll`, each for every cell, in float64."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from catalog import FLOAT64, every_computation
from sequences import (
    BATCH,
    HALF,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    drawn_like,
    evaluate,
    example,
    padded,
    row,
    run,
    weighed,
    with_nan_padding,
)

import rnnjax
from rnnjax import GRU, LSTM, Elman, InputError, UnitCell, unroll
from rnnjax.cell import abstract_params
from rnnjax.kernel import dot

x64 = pytest.mark.usefixtures("x64")


def by_row(condition, leaf):
    """A condition for each row, to select in a leaf of any number of axes."""
    return condition.reshape(-1, *(1,) * (leaf.ndim - 1))


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


# --- inputs that are a pytree ------------------------------------------------------------------------------------


class GappedState(NamedTuple):
    h: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Gapped(UnitCell):
    """A cell outside the library: inputs `{"gap": [..., 1], "x": [..., n]}`, a state that decays and starts at 1/2."""

    def init(self, key, in_features):
        kernel_key, recurrent_key = jax.random.split(key)
        dtype = self.precision.dtype("params")
        return {
            "kernel": jax.random.normal(kernel_key, (in_features["x"], self.features), dtype),
            "recurrent_kernel": jax.random.normal(recurrent_key, (self.features, self.features), dtype),
            "bias": jnp.zeros(self.features, dtype),
        }

    def initial_carry(self, batch_shape=()):
        return GappedState(self.zeros(batch_shape) + jnp.asarray(0.5, self.precision.dtype("carry")))

    def project(self, weights, xs):
        return {"x": super().project(weights, xs["x"]), "keep": jnp.exp(-(xs["gap"] ** 2))}

    def recur(self, weights, carry, drive):
        h = jnp.tanh(drive["x"] + dot(drive["keep"] * carry.h, weights["recurrent_kernel"]))
        return GappedState(h), h


def gapped_example():
    """Parameters, inputs `{"gap", "x"}` and a carry for `Gapped(4)`."""
    cell = Gapped(4, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, {"gap": 1, "x": 5}), 0)
    shapes = {"gap": (BATCH, TIME, 1), "x": (BATCH, TIME, 5)}
    xs = drawn_like({name: jax.ShapeDtypeStruct(shape, jnp.float64) for name, shape in shapes.items()}, 1)
    return params, xs, drawn_like(cell.initial_carry((BATCH,)), 2)


@x64
def test_inputs_may_be_a_pytree():
    """Padding, resets, direction, axes and hoisting hold for inputs that are a dictionary of arrays."""
    cell = Gapped(4, precision=FLOAT64)
    params, xs, carry = gapped_example()
    assert jax.tree.map(jnp.shape, cell.init(jax.random.key(0), {"gap": 1, "x": 5})) == jax.tree.map(jnp.shape, params)
    dirty = {name: with_nan_padding(leaf) for name, leaf in xs.items()}
    for reverse in (False, True):
        options = dict(lengths=LENGTHS, resets=RESETS, reverse=reverse)
        got = evaluate(cell, params, dirty, carry, through_carries=1.0, **options)
        assert_same(got, evaluate(cell, params, xs, carry, through_carries=1.0, hoist=False, **options))
        assert got.xs.keys() == xs.keys()
        assert not any(np.any(leaf[padded()]) for leaf in got.xs.values())
    alone = run(cell, params, row(xs, 0), row(carry, 0), resets=RESETS[0], reverse=True)
    assert_same(alone, row(got.outcome[:2], 0))
    time_first = jax.tree.map(lambda leaf: np.moveaxis(leaf, 1, 0), xs)
    final, ys = run(cell, params, time_first, carry, resets=RESETS.T, time_major=True, lengths=LENGTHS, reverse=True)
    assert_same((final, np.moveaxis(ys, 0, 1)), got.outcome[:2])


# --- bad input ---------------------------------------------------------------------------------------------------


def example_of(cls, batch_shape=(BATCH,)):
    """An example of a cell class with four features."""
    from catalog import Entry

    return example(Entry(cls.__name__, lambda precision: cls(4, precision=precision)), batch_shape=batch_shape)


def bad(argument: str, given: str, expected: str, cell=None, xs=None, carry=None, params=None, **options):
    case = (argument, given, expected, cell or LSTM(4), xs, carry, params, options)
    return pytest.param(*case, id=f"{argument}-{given}"[:60])


ZEROS = np.zeros((3, 7, 5), np.float32)
KERNEL = {"kernel": np.zeros((5, 16)), "recurrent_kernel": np.zeros((4, 16)), "bias": np.zeros(16)}


@pytest.mark.parametrize(
    ("argument", "given", "expected", "cell", "xs", "carry", "params", "options"),
    [
        bad("xs", "dtype int32", "floating", xs=ZEROS.astype(np.int32)),
        bad("xs", "dtype bool", "floating", xs=ZEROS.astype(bool)),
        bad("xs", "shape (5,)", "at least two axes", xs=ZEROS[0, 0]),
        bad("xs", "shape ()", "at least two axes", xs=[1.0, 2.0]),
        bad("xs", "shape (5,)", "at least 2 axes", xs=ZEROS[0, 0], time_major=True),
        bad("xs", "[]", "at least one array", xs=[]),
        bad("xs", "'float'", "an array", xs=[1.0], time_major=True),
        bad("xs", "(7, 3, 5), (7, 2, 5)", "agree in all axes but the last", xs=[ZEROS, ZEROS[:2]]),
        bad("params['kernel']", "shape (5, 16)", "shape (6, 16) for LSTM(4)", xs=np.zeros((3, 7, 6), np.float32)),
        bad("params['bias']", "shape (4,)", "shape (16,)", params=KERNEL | {"bias": np.zeros(4)}),
        bad("params", "PyTreeDef", "PyTreeDef", params={"kernel": np.zeros((5, 16))}),
        bad("params", "PyTreeDef", "PyTreeDef", cell=GRU(4), params=KERNEL),
        bad("carry", "PyTreeDef", "LSTMState", carry=np.zeros((3, 4), np.float32)),
        bad("carry.c", "shape (2, 4)", "shape (3, 4)", carry=LSTM(4).initial_carry((3,))._replace(c=np.zeros((2, 4)))),
        bad(
            "carry.h", "dtype int32", "dtype float32",
            carry=LSTM(4).initial_carry((3,))._replace(h=np.zeros((3, 4), np.int32)),
        ),
        bad(
            "carry.h", "dtype bfloat16", "dtype float32",
            carry=jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), LSTM(4).initial_carry((3,))),
        ),
        bad("lengths", "8", "0..7", lengths=[7, 8, 1]),
        bad("lengths", "-1", "0..7", lengths=[7, -1, 1]),
        bad("lengths", "shape (2,)", "shape (3,)", lengths=[7, 1]),
        bad("lengths", "shape ()", "shape (3,)", lengths=7),
        bad("lengths", "dtype float64", "integer", lengths=[7.0, 1.0, 2.0]),
        bad("lengths", "dtype bool", "integer", lengths=[True, False, True]),
        bad("resets", "shape (3,)", "shape (3, 7)", resets=np.zeros(3, bool)),
        bad("resets", "shape (3, 7)", "shape (7, 3)", resets=np.zeros((3, 7), bool), xs=ZEROS.swapaxes(0, 1),
            time_major=True),
        bad("resets", "dtype float32", "bool", resets=np.zeros((3, 7), np.float32)),
        bad("engine", "'cudnn2'", "scan", engine="cudnn2"),
        bad("remat", "0", "positive int", remat=0),
        bad("remat", "'linear'", "sqrt", remat="linear"),
        bad("unroll", "0", "a positive int", unroll=0),
        bad("key", "3", "jax.random.key", key=3),
        bad("key", "Array", "one key", key=jax.random.split(jax.random.key(0))),
    ],
)  # fmt: skip
def test_bad_input_is_named(argument, given, expected, cell, xs, carry, params, options):
    """Every argument that does not fit raises an InputError that names it, what was given and what was expected."""
    params = cell.init(jax.random.key(0), 5) if params is None else params
    with pytest.raises(InputError) as error:
        unroll(cell, params, ZEROS if xs is None else xs, carry, **options)
    assert error.value.argument == argument
    message = str(error.value)
    assert message.startswith(f"{argument}: got ") and given in message, message
    assert expected in message.partition(", expected ")[2], message


def test_bad_input_is_found_while_tracing():
    """Shapes and dtypes are checked inside `jit`, before anything is compiled; lengths that are traced are not."""
    cell = LSTM(4)
    params = cell.init(jax.random.key(0), 5)
    with pytest.raises(InputError, match="xs: got dtype int32"):
        jax.jit(lambda xs: unroll(cell, params, xs))(ZEROS.astype(np.int32))
    known = jnp.array([1, 8, 2])
    with pytest.raises(InputError, match="lengths: got 8"):
        jax.jit(lambda xs: unroll(cell, params, xs, lengths=known))(ZEROS)
    jax.eval_shape(lambda lengths: unroll(cell, params, ZEROS, lengths=lengths), np.array([1, 8, 2]))


def test_float64_inputs_need_no_double_precision():
    """NumPy's float64 inputs are taken in single precision where JAX has double precision switched off."""
    cell = LSTM(4)
    params = cell.init(jax.random.key(0), 5)
    _, ys = unroll(cell, params, np.ones((3, 7, 5)))
    assert ys.dtype == jnp.float32
    assert_identical(ys, rnnjax.unroll(cell, params, np.ones((3, 7, 5), np.float32))[1])
