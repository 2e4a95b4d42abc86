"""Weights go to Keras and come back. That one layer agrees, in gradients too, is tested in parity/test_keras.py."""

from __future__ import annotations

import os

import numpy as np
import pytest
from convert.networks import (
    BATCH,
    FEATURES,
    INPUTS,
    SHAPES,
    TIME,
    assert_close,
    assert_equal_trees,
    drawn,
    inputs,
    network,
    run,
)

from rnnjax import GRU, LSTM, Elman, InputError, Stack
from rnnjax.convert import from_keras, to_keras

CELLS = {
    "SimpleRNN": lambda: Elman(FEATURES),
    "LSTM": lambda: LSTM(FEATURES),
    "GRU": lambda: GRU(FEATURES),
    "GRU_before": lambda: GRU(FEATURES, reset_after=False),
}
every_cell = pytest.mark.parametrize("name", CELLS)
every_shape = pytest.mark.parametrize("shape", SHAPES)


def model(name, shape, **fields):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    kind, _, before = name.partition("_")
    fields |= {"reset_after": not before} if kind == "GRU" else {}
    layers, directions = SHAPES[shape]
    stack = keras.Sequential()
    for _ in range(layers):
        layer = getattr(keras.layers, kind)(FEATURES, return_sequences=True, bias_initializer="normal", **fields)
        stack.add(keras.layers.Bidirectional(layer) if directions == 2 else layer)
    stack.build((BATCH, TIME, INPUTS))
    return stack


def outputs(model):
    import keras

    return keras.ops.convert_to_numpy(model(inputs()))


@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, "one") for name in CELLS] + [("LSTM", "deep"), ("GRU", "both_ways"), ("GRU", "deep_both_ways")],
)
def test_a_cell_computes_what_its_layers_compute(name, shape):
    """In both directions: weights of Keras in the cell, and of the cell in Keras."""
    theirs, cell = model(name, shape), network(CELLS[name], *SHAPES[shape])
    assert_close(run(cell, from_keras(cell, theirs.get_weights()), inputs()), outputs(theirs))
    params = drawn(cell)
    theirs.set_weights(to_keras(cell, params))
    assert_close(run(cell, params, inputs()), outputs(theirs))


@every_shape
@every_cell
def test_there_and_back_is_the_same(name, shape):
    cell = network(CELLS[name], *SHAPES[shape])
    params = drawn(cell)
    assert_equal_trees(params, from_keras(cell, to_keras(cell, params)))


@pytest.mark.parametrize("name", ["LSTM", "GRU", "GRU_before"])
def test_layers_without_biases(name):
    theirs, cell = model(name, "one", use_bias=False), CELLS[name]()
    params = from_keras(cell, theirs.get_weights())
    assert not np.any(params["bias"])
    assert_close(run(cell, params, inputs()), outputs(theirs))


ONE = LSTM(FEATURES)


@pytest.mark.parametrize(
    ("cell", "weights", "said"),
    [
        (ONE, lambda: to_keras(ONE, drawn(ONE)) * 2, r"number of arrays: got 6, expected 3 for each of 1 layers"),
        (Stack((ONE, ONE)), lambda: to_keras(ONE, drawn(ONE)), "number of arrays: got 3"),
        (ONE, lambda: to_keras(LSTM(5), drawn(LSTM(5))), r"weights\[0:3\]\['kernel'\]: got shape \(3, 20\)"),
        (GRU(4), lambda: to_keras(CELLS["GRU_before"](), drawn(CELLS["GRU_before"]())), r"\['bias'\]: .*\(2, 12\)"),
        (ONE, lambda: {"kernel": 1}, "weights: got 'dict'"),
        ("lstm", list, "cell: got 'lstm'"),
    ],
)
def test_bad_input_is_named(cell, weights, said):
    with pytest.raises(InputError, match=said):
        from_keras(cell, weights())


def test_parameters_of_another_cell_are_named():
    with pytest.raises(InputError, match=r"params\['recurrent_bias'\]: .*no such key"):
        to_keras(ONE, drawn(GRU(4)))
