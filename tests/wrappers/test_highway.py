"""A gated residual connection."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from catalog import FLOAT64
from references.functions import sigmoid
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_same, drawn_like, padded, run

from rnnjax import GRU, LSTM, InputError, MinGRU
from rnnjax.cell import abstract_params
from rnnjax.wrappers import Highway

KEY = jax.random.key(0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("cls", [GRU, MinGRU])
def test_highway_mixes_output_and_input(cls):
    """y = t * cell(x) + (1 - t) * x, with the cell's carry; padding stays zero."""
    cell = cls(4, precision=FLOAT64)
    params = drawn_like(abstract_params(Highway(cell), 4), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 4), np.float64), 1)
    final, ys = run(cell, params["cell"], xs, lengths=LENGTHS, resets=RESETS)
    t = sigmoid(xs @ params["kernel"] + params["bias"])
    expected = np.where(padded()[..., None], 0, t * ys + (1 - t) * xs)
    assert_same(run(Highway(cell), params, xs, lengths=LENGTHS, resets=RESETS), (final, expected))


def test_the_gate_starts_nearly_shut():
    """At the start the bias is the one asked for, and says nothing of what the cell computes."""
    params = Highway(LSTM(5), bias=-3.0).init(KEY, 5)
    assert np.all(params["bias"] == -3) and params["kernel"].shape == (5, 5)
    assert Highway(LSTM(5), bias=-3.0).dynamics == Highway(LSTM(5)).dynamics


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: Highway("lstm"), "Highway.cell", "'lstm'", "a cell"),
        (lambda: Highway(LSTM(3), bias="shut"), "Highway.bias", "'shut'", "a number"),
        (lambda: Highway(LSTM(3)).init(KEY, 2), "in_features", "2", "3, the width of the output"),
    ],
)
def test_bad_highway_is_named(make, argument, given, expected):
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    assert given in str(error.value) and expected in str(error.value)
