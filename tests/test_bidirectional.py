"""The laws of `bidirectional`."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64, IN_FEATURES
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_same, drawn_like, run, weighed, with_nan_padding

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, Stack, bidirectional
from rnnjax.cell import abstract_params

x64 = pytest.mark.usefixtures("x64")

FORWARD, BACKWARD = LSTM(4, precision=FLOAT64), GRU(4, precision=FLOAT64)

MERGES = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": np.add,
    "mean": lambda a, b: (a + b) / 2,
    "product": np.multiply,
}

_bidirectional = jax.jit(bidirectional, static_argnums=(0, 1), static_argnames=("merge", "time_major"))


def both(*arguments, **options):
    """`bidirectional`, compiled, its results as NumPy arrays."""
    return jax.device_get(_bidirectional(*arguments, **options))


def drawn(forward=FORWARD, backward=BACKWARD):
    """Parameters and carries of the two directions, and inputs."""
    cells = (forward, backward)
    params = drawn_like(tuple(abstract_params(cell, IN_FEATURES) for cell in cells), 0)
    carry = drawn_like(tuple(cell.initial_carry((BATCH,)) for cell in cells), 1)
    return params, drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, IN_FEATURES), jnp.float64), 2), carry


@x64
@pytest.mark.parametrize("merge", MERGES)
def test_both_directions_joined(merge):
    """Outputs are those of a forward and a reverse unroll, joined; the backward carry is the state after x_0."""
    params, xs, carry = drawn()
    options = dict(lengths=LENGTHS, resets=RESETS)
    one, ys = run(FORWARD, params[0], xs, carry[0], **options)
    other, zs = run(BACKWARD, params[1], xs, carry[1], reverse=True, **options)
    got = both(FORWARD, BACKWARD, params, with_nan_padding(xs), carry, merge=merge, **options)
    assert_same(got, ((one, other), MERGES[merge](ys, zs)))


@x64
def test_padded_equals_unpadded_in_both_directions():
    """A padded row gives what the same row gives cut to its length; padded outputs are zero."""
    params, xs, carry = drawn()
    final, ys = both(FORWARD, BACKWARD, params, with_nan_padding(xs), carry, lengths=LENGTHS)
    length = int(LENGTHS[2])
    cut_final, cut = both(FORWARD, BACKWARD, params, xs[:, :length], carry)
    assert_same(ys[2, :length], cut[2])
    assert_same(jax.tree.map(lambda leaf: leaf[2], final), jax.tree.map(lambda leaf: leaf[2], cut_final))
    assert not np.any(ys[2, length:]) and not np.any(ys[1])


@x64
def test_each_direction_sees_the_whole_row():
    """The forward half of an output does not depend on later inputs, nor the backward half on earlier ones."""
    params, xs, _ = drawn()
    moved = xs.copy()
    moved[0, 3] += 1.0
    changed = np.any(both(FORWARD, BACKWARD, params, xs)[1] != both(FORWARD, BACKWARD, params, moved)[1], axis=0)
    steps = np.arange(TIME)
    np.testing.assert_array_equal(np.any(changed[:, :4], axis=-1), steps >= 3)
    np.testing.assert_array_equal(np.any(changed[:, 4:], axis=-1), steps <= 3)


@x64
def test_time_major_moves_axes_only():
    """`time_major` moves the time axis of inputs and outputs, and changes nothing else."""
    params, xs, carry = drawn()
    final, ys = both(FORWARD, BACKWARD, params, xs, carry, lengths=LENGTHS)
    got = both(FORWARD, BACKWARD, params, xs.swapaxes(0, 1), carry, lengths=LENGTHS, time_major=True)
    assert_same(got, (final, ys.swapaxes(0, 1)))


@x64
def test_gradients_of_both_directions():
    """Gradients are those of plain autodiff, with hoisting and with rematerialisation."""
    params, xs, carry = drawn()

    def gradients(**options):
        def loss(params, xs, carry):
            outcome = bidirectional(FORWARD, BACKWARD, params, xs, carry, lengths=LENGTHS, **options)
            return weighed(outcome, np.ones(BATCH))

        return jax.device_get(jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(params, xs, carry))

    plain = gradients(hoist=False)
    assert_same(gradients(), plain)
    assert_same(gradients(remat="sqrt"), plain)


@x64
def test_directions_may_differ_in_width_and_kind():
    """A stack one way and an Elman network of another width the other way are concatenated."""
    forward, backward = Stack((LSTM(6, precision=FLOAT64), GRU(3, precision=FLOAT64))), Elman(2, precision=FLOAT64)
    params, xs, carry = drawn(forward, backward)
    (one, other), ys = both(forward, backward, params, xs, carry)
    assert ys.shape == (BATCH, TIME, 5)
    assert_same((one, ys[..., :3]), run(forward, params[0], xs, carry[0]))
    assert_same((other, ys[..., 3:]), run(backward, params[1], xs, carry[1], reverse=True))


@x64
def test_directions_have_dropout_masks_of_their_own():
    """One key gives the two directions different masks, and none without a key."""
    cell = Dropout(Elman(32, precision=FLOAT64), output=0.5)
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    xs = np.ones((BATCH, TIME, IN_FEATURES))
    for key in (jax.random.key(0), jax.random.PRNGKey(0)):
        _, ys = both(cell, cell, (params, params), xs, key=key)
        dropped = ys == 0
        assert 0.2 < np.mean(dropped[:, 0, :32] != dropped[:, 0, 32:]) < 0.8
        assert np.all(dropped == dropped[:, :1])
    assert np.all(both(cell, cell, (params, params), xs)[1] != 0)


@pytest.mark.parametrize(
    ("arguments", "options", "argument", "expected"),
    [
        ((LSTM(4), LSTM(4)), dict(merge="add"), "merge", "concat, sum, mean, product"),
        ((LSTM(4), LSTM(3)), dict(merge="sum"), "merge", '"concat" for outputs of widths (4, 3)'),
        ((LSTM(4), LSTM(4)), dict(reverse=True), "option", "lengths, resets, time_major"),
        ((LSTM(4), LSTM(4)), dict(lengths=[1, 2]), "lengths", "shape (3,)"),
        ((LSTM(4), LSTM(4)), dict(key=3), "key", "jax.random.key"),
    ],
)
def test_bad_input_is_named(arguments, options, argument, expected):
    """What does not fit raises an InputError that names it and says what was expected."""
    params = tuple(cell.init(jax.random.key(0), 5) for cell in arguments)
    with pytest.raises(InputError) as error:
        bidirectional(*arguments, params, np.zeros((3, 7, 5), np.float32), **options)
    assert error.value.argument == argument and expected in str(error.value), error.value
