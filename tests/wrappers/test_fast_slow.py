"""Fast cells in a row, and a slow one between them."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from catalog import FLOAT64
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_same, drawn_like, evaluate, run

from rnnjax import GRU, LSTM, Dropout, InputError
from rnnjax.cell import abstract_params
from rnnjax.wrappers import FastSlow

KEY = jax.random.key(0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("fast", [2, 4])
def test_step_is_that_of_the_paper(fast):
    """The fast cells update one state in turn; the slow one sees the first and feeds the second; later ones see 0."""
    cell = FastSlow((LSTM(4, precision=FLOAT64),) * fast, GRU(3, precision=FLOAT64))
    params = drawn_like(abstract_params(cell, 5), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), np.float64), 1)
    carry = drawn_like(cell.initial_carry((BATCH,)), 2)
    state, slow = carry
    ys = []
    for t in range(TIME):
        state, y = cell.fast[0].step(params["fast_0"], state, xs[:, t])
        slow, given = cell.slow.step(params["slow"], slow, y)
        for index in range(1, fast):
            state, y = cell.fast[index].step(params[f"fast_{index}"], state, given)
            given = np.zeros((BATCH, 1))
        ys.append(y)
    expected = jax.device_get(((state, slow), np.stack(ys, axis=1)))
    final, outputs = run(cell, params, xs, carry)
    assert_same((tuple(final), outputs), expected)


@pytest.mark.usefixtures("x64")
def test_hoisted_gradients_equal_plain_ones():
    """Cells of one class side by side, with dropout in each, have the gradients of plain differentiation."""
    fast = tuple(Dropout(LSTM(4, precision=FLOAT64), recurrent=0.3) for _ in range(2))
    cell = FastSlow(fast, GRU(3, precision=FLOAT64))
    params = drawn_like(abstract_params(cell, 5), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), np.float64), 1)
    carry = drawn_like(cell.initial_carry((BATCH,)), 2)
    options = dict(lengths=LENGTHS, resets=RESETS, key=KEY, through_carries=1.0)
    assert_same(evaluate(cell, params, xs, carry, **options), evaluate(cell, params, xs, carry, hoist=False, **options))


def test_widths_of_the_inputs():
    """The first fast cell sees the input, the slow one its output, the second the slow one, later ones one zero."""
    shapes = abstract_params(FastSlow((GRU(4), GRU(4), GRU(4)), GRU(3)), 5)
    widths = {name: params["kernel"].shape[0] for name, params in shapes.items()}
    assert widths == {"fast_0": 5, "fast_1": 3, "fast_2": 1, "slow": 4}


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: FastSlow((LSTM(3),), GRU(3)), "FastSlow.fast", "LSTM(3)", "at least two cells"),
        (lambda: FastSlow(LSTM(3), GRU(3)), "FastSlow.fast", "LSTM(3)", "a sequence"),
        (lambda: FastSlow((LSTM(3), LSTM(3)), "gru"), "FastSlow.slow", "'gru'", "a cell"),
        (lambda: FastSlow((LSTM(3), GRU(3)), GRU(3)).init(KEY, 5), "FastSlow.fast", "GRU(3)", "LSTM(3)"),
        (lambda: FastSlow((LSTM(3), LSTM(4)), GRU(3)).init(KEY, 5), "FastSlow.fast", "LSTM(4)", "LSTM(3)"),
    ],
)
def test_bad_fast_slow_is_named(make, argument, given, expected):
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    assert given in str(error.value) and expected in str(error.value)
