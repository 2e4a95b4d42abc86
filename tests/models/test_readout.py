"""A recurrent layer with a linear readout, against the cell and the readout written out."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import LSTM, Dropout, Elman, InputError, Precision, Stack
from rnnjax.models import RecurrentReadout
from rnnjax.models.readout import last_valid

CELL = LSTM(4)
LENGTHS = np.array([7, 0, 1, 4], np.int32)
XS = jax.random.normal(jax.random.key(0), (4, 7, 3))


@functools.lru_cache
def made(cell=CELL, many_to_one=True):
    """A model and its parameters, all drawn at random."""
    model = RecurrentReadout(cell, 2, many_to_one)
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(model.init, jax.random.key(0), XS)
    return model, jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)


@functools.partial(jax.jit, static_argnames=("cell", "many_to_one"))
def apply(xs, lengths=None, carry=None, key=None, *, cell=CELL, many_to_one=True):
    model, params = made(cell, many_to_one)
    return model.apply(params, xs, lengths, carry, rngs=None if key is None else {"dropout": key})


def by_hand(cell=CELL, lengths=LENGTHS):
    """The outputs of every step, `[batch, time, 2]`, and the affine map."""
    params = made(cell)[1]["params"]
    _, ys = rnnjax.unroll(cell, params["cell"], XS, lengths=lengths)
    return ys @ params["readout"]["kernel"] + params["readout"]["bias"], params["readout"]


def test_parameters_are_the_cells_and_an_affine_map():
    """Under "cell" lies what `cell.init` makes, under "readout" a kernel and a bias."""
    shapes = jax.eval_shape(RecurrentReadout(CELL, 2).init, jax.random.key(0), XS)
    assert set(shapes) == {"params"} and set(shapes["params"]) == {"cell", "readout"}
    expected = jax.eval_shape(lambda key: CELL.init(key, 3), jax.random.key(0))
    assert shapes["params"]["cell"] == expected
    readout = jax.tree.map(lambda leaf: leaf.shape, shapes["params"]["readout"])
    assert readout == {"kernel": (4, 2), "bias": (2,)}


def test_the_start_does_not_depend_on_the_inputs():
    """Parameters follow from the key and the width of the inputs alone; another key gives others."""
    init = jax.jit(RecurrentReadout(CELL, 2).init)
    a, b, c = init(jax.random.key(0), XS), init(jax.random.key(0), 2 * XS), init(jax.random.key(1), XS)
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert not np.array_equal(a["params"]["cell"]["kernel"], c["params"]["cell"]["kernel"])
    assert not np.array_equal(a["params"]["readout"]["kernel"], c["params"]["readout"]["kernel"])


def test_many_to_one_reads_the_last_valid_step():
    """A row's output is the affine map of the cell's output at step length - 1; the bias alone for length 0."""
    _, outputs = apply(XS, LENGTHS)
    steps, readout = by_hand()
    assert outputs.shape == (4, 2)
    for row, length in enumerate(LENGTHS):
        expected = steps[row, length - 1] if length else readout["bias"]
        np.testing.assert_allclose(outputs[row], expected, rtol=1e-5, atol=1e-6)


def test_without_lengths_the_last_step_is_read():
    _, outputs = apply(XS)
    np.testing.assert_allclose(outputs, by_hand(lengths=None)[0][:, -1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outputs, apply(XS, np.full(4, 7, np.int32))[1], rtol=1e-5, atol=1e-6)


def test_many_to_many_reads_each_step():
    """Outputs are `[batch, time, outputs]`; past a row's end they are the bias of the readout."""
    _, outputs = apply(XS, LENGTHS, many_to_one=False)
    steps, readout = by_hand()
    assert outputs.shape == (4, 7, 2)
    np.testing.assert_allclose(outputs, steps, rtol=1e-5, atol=1e-6)
    padding = np.arange(7) >= LENGTHS[:, None]
    np.testing.assert_allclose(outputs[padding], np.broadcast_to(readout["bias"], (padding.sum(), 2)), rtol=1e-6)


@pytest.mark.parametrize("many_to_one", [True, False], ids=["last", "each"])
def test_two_halves_are_the_whole(many_to_one):
    """With the carry handed on, windows 0..3 and 4..6 give the outputs and the carry of the whole sequence."""
    carry, outputs = apply(XS, LENGTHS, many_to_one=many_to_one)
    first, second = np.minimum(LENGTHS, 4), np.maximum(LENGTHS - 4, 0)
    middle, early = apply(XS[:, :4], first, many_to_one=many_to_one)
    last, late = apply(XS[:, 4:], second, middle, many_to_one=many_to_one)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), last, carry)
    joined = jnp.where((LENGTHS > 4)[:, None], late, early) if many_to_one else jnp.concatenate([early, late], 1)
    np.testing.assert_allclose(joined, outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(carry.h[1], np.zeros(4))


def test_any_batch_axes():
    """Rows may lie on any number of axes, none included."""
    _, outputs = apply(XS, LENGTHS)
    _, square = apply(XS.reshape(2, 2, 7, 3), LENGTHS.reshape(2, 2))
    np.testing.assert_allclose(square, outputs.reshape(2, 2, 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(apply(XS[3], LENGTHS[3])[1], outputs[3], rtol=1e-5, atol=1e-6)


def test_dropout_follows_from_its_stream():
    """One key, one outcome; another key another; without the stream the model is that without dropout."""
    cell = Dropout(CELL, input=0.4, output=0.3, recurrent=0.4)
    one, again, other = (apply(XS, key=jax.random.key(seed), cell=cell)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.any(one == other)
    np.testing.assert_allclose(apply(XS, cell=cell)[1], apply(XS)[1], rtol=1e-5, atol=1e-6)
    assert not np.allclose(one, apply(XS)[1])


def test_a_stack_is_a_cell_like_another():
    """The carry of a stack is a tuple of its layers' carries, and the readout has the width of the last."""
    cell = Stack((Elman(5), LSTM(4)))
    carry, outputs = apply(XS, LENGTHS, cell=cell)
    assert jax.tree.map(jnp.shape, carry) == jax.tree.map(jnp.shape, cell.initial_carry((4,)))
    steps, _ = by_hand(cell)
    np.testing.assert_allclose(outputs[0], steps[0, -1], rtol=1e-5, atol=1e-6)


def test_the_readout_has_the_precision_of_the_cells_parameters():
    for name, more in (("bfloat16", ()), ("float32", ()), ("float32", ("bfloat16", "float32"))):
        model = RecurrentReadout(Elman(4, precision=Precision(name, *more)), 2)
        params = jax.eval_shape(model.init, jax.random.key(0), XS)["params"]
        assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {name}


def test_a_carry_that_does_not_fit_is_named():
    with pytest.raises(InputError, match=r"carry\.h: got shape \(3, 4\), expected shape \(4, 4\)"):
        apply(XS, None, CELL.initial_carry((3,)))


def test_last_valid_is_a_selection():
    """Entry [i, length_i - 1] of `[batch, time, n]`, zero for length 0, whatever stands elsewhere, NaN included."""
    ys = jnp.arange(4 * 7 * 2.0).reshape(4, 7, 2)
    valid = np.arange(7) < LENGTHS[:, None]
    expected = np.stack([ys[i, n - 1] if n else np.zeros(2) for i, n in enumerate(LENGTHS)])
    np.testing.assert_array_equal(last_valid(ys, LENGTHS), expected)
    np.testing.assert_array_equal(last_valid(jnp.where(valid[..., None], ys, jnp.nan), LENGTHS), expected)
    gradient = jax.grad(lambda ys: last_valid(ys, LENGTHS).sum())(ys)
    read = np.arange(7) == LENGTHS[:, None] - 1
    np.testing.assert_array_equal(gradient, np.stack([read, read], -1))
