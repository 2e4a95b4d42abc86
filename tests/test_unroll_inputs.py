"""What `unroll` takes for inputs, in a pytree too, and what it says of those that do not fit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from gapped import Gapped, gapped_example
from sequences import LENGTHS, RESETS, assert_identical, assert_same, evaluate, padded, row, run, with_nan_padding

import rnnjax
from rnnjax import GRU, LSTM, InputError, unroll

x64 = pytest.mark.usefixtures("x64")


# --- inputs that are a pytree ------------------------------------------------------------------------------------


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
