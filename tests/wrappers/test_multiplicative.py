"""Recurrent kernels that see a product of input and state."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from catalog import FLOAT64
from references.functions import sigmoid
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_same, drawn_like, evaluate, run

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, MinGRU, Stack
from rnnjax.cell import abstract_params
from rnnjax.wrappers import Multiplicative

KEY = jax.random.key(0)


def drawn(cell):
    params = drawn_like(abstract_params(cell, 5), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), np.float64), 1)
    return params, xs, drawn_like(cell.initial_carry((BATCH,)), 2)


@pytest.mark.usefixtures("x64")
def test_around_an_lstm_it_is_the_multiplicative_lstm():
    """m = (W x) * (U h) takes the place of h in all gates, and nowhere else: Krause et al. 2016."""
    cell = Multiplicative(LSTM(4, precision=FLOAT64))
    params, xs, carry = drawn(cell)
    inner, (h, c), ys = params["cell"], carry, []
    for x in np.moveaxis(xs, 1, 0):
        m = (x @ params["intermediate_kernel"]) * (h @ params["intermediate_recurrent_kernel"])
        i, f, g, o = np.split(x @ inner["kernel"] + m @ inner["recurrent_kernel"] + inner["bias"], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        ys.append(h)
    final, outputs = run(cell, params, xs, carry)
    assert_same((tuple(final), outputs), ((h, c), np.stack(ys, axis=1)))


@pytest.mark.usefixtures("x64")
def test_a_gate_before_the_product_comes_before_the_intermediate_state():
    """In a GRU with the reset gate before the product, U sees r * h; the update gate keeps h itself."""
    cell = Multiplicative(GRU(4, reset_after=False, precision=FLOAT64))
    params, xs, carry = drawn(cell)
    inner, h, x = params["cell"], carry.h, xs[:, 0]
    kernels, u = np.split(inner["recurrent_kernel"], 3, axis=-1), params["intermediate_recurrent_kernel"]
    factor = x @ params["intermediate_kernel"]
    r, z, n = np.split(x @ inner["kernel"] + inner["bias"], 3, axis=-1)
    r, z = (sigmoid(gate + (factor * (h @ u)) @ kernel) for gate, kernel in zip((r, z), kernels, strict=False))
    n = np.tanh(n + (factor * ((r * h) @ u)) @ kernels[2])
    assert_same(jax.device_get(cell.step(params, carry, x)[1]), (1 - z) * n + z * h)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("inner", [LSTM(4, heads=2, precision=FLOAT64), Elman(4, precision=FLOAT64)], ids=repr)
def test_hoisted_gradients_equal_plain_ones(inner):
    """All recurrent kernels have the gradients of plain differentiation, under dropout too."""
    cell = Dropout(Multiplicative(inner), recurrent=0.3)
    arguments = drawn(cell)
    options = dict(lengths=LENGTHS, resets=RESETS, key=KEY, through_carries=1.0)
    assert_same(evaluate(cell, *arguments, **options), evaluate(cell, *arguments, hoist=False, **options))


@pytest.mark.parametrize("inner", [MinGRU(4), Stack((GRU(4), GRU(3)))], ids=repr)
def test_cells_without_one_width_of_state_are_refused(inner):
    with pytest.raises(InputError, match=r"Multiplicative\.cell: got .* matrices for states of one width"):
        Multiplicative(inner).init(KEY, 5)
