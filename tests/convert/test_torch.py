"""Weights go to PyTorch and come back: modules of any layers and directions compute what the cells compute.

That one layer agrees, in gradients too, is tested in parity/test_torch.py, also where PyTorch is not installed.
"""

from __future__ import annotations

import numpy as np
import pytest
from convert.networks import FEATURES, INPUTS, SHAPES, assert_close, assert_equal_trees, drawn, inputs, network, run

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, MinGRU, PeepholeLSTM, Precision, Stack
from rnnjax.cells.lstmp import LSTMP
from rnnjax.convert import from_torch, to_torch
from rnnjax.wrappers import DenseStack

CELLS = {
    "rnn_tanh": lambda: Elman(FEATURES),
    "rnn_relu": lambda: Elman(FEATURES, activation="relu"),
    "lstm": lambda: LSTM(FEATURES),
    "gru": lambda: GRU(FEATURES),
    "lstm_projected": lambda: LSTMP(FEATURES, projection_features=2),
}

every_network = pytest.mark.parametrize(
    ("name", "shape"), [(name, shape) for name in CELLS for shape in SHAPES if name != "rnn_relu" or shape == "one"]
)


def module(name, shape, **fields):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layers, directions = SHAPES[shape]
    kind, _, variant = name.partition("_")
    fields |= {"rnn": {"nonlinearity": variant}, "lstm": {"proj_size": 2} if variant else {}, "gru": {}}[kind]
    make = getattr(torch.nn, kind.upper())
    made = make(INPUTS, FEATURES, layers, bidirectional=directions == 2, batch_first=True, **fields)
    torch.manual_seed(0)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def outputs(module):
    import torch

    with torch.no_grad():
        return module(torch.tensor(inputs()))[0].numpy()


@every_network
def test_a_module_of_torch_computes_what_its_cell_computes(name, shape):
    theirs, cell = module(name, shape), network(CELLS[name], *SHAPES[shape])
    assert_close(run(cell, from_torch(cell, theirs.state_dict()), inputs()), outputs(theirs))


@every_network
def test_a_cell_computes_what_its_module_computes(name, shape):
    theirs, cell = module(name, shape), network(CELLS[name], *SHAPES[shape])
    params = drawn(cell)
    import torch

    theirs.load_state_dict({key: torch.tensor(array) for key, array in to_torch(cell, params).items()})
    assert_close(run(cell, params, inputs()), outputs(theirs))


@every_network
def test_there_and_back_is_the_same(name, shape):
    cell = network(CELLS[name], *SHAPES[shape])
    params = drawn(cell)
    assert_equal_trees(params, from_torch(cell, to_torch(cell, params)))


@pytest.mark.parametrize("name", CELLS)
def test_a_module_without_biases(name):
    theirs, cell = module(name, "one", bias=False), CELLS[name]()
    params = from_torch(cell, theirs.state_dict())
    assert not np.any(params["bias"])
    assert_close(run(cell, params, inputs()), outputs(theirs))


def test_a_part_of_a_larger_model():
    cell = LSTM(FEATURES)
    params = drawn(cell)
    state = to_torch(cell, params, prefix="encoder.rnn.") | {"encoder.head.weight": np.ones((2, 2))}
    assert "encoder.rnn.weight_ih_l0" in state
    assert_equal_trees(params, from_torch(cell, state, prefix="encoder.rnn."))
    with pytest.raises(InputError, match=r"state_dict\['rnn.weight_ih_l0'\]: got None"):
        from_torch(cell, {"rnn.bias_ih_l0": np.ones(16)}, prefix="rnn.")


def test_dropout_has_no_weights():
    cell = Stack((Dropout(LSTM(FEATURES), output=0.5), LSTM(FEATURES)))
    plain = network(CELLS["lstm"], 2, 1)
    params = drawn(plain)
    assert_equal_trees(params, from_torch(cell, to_torch(plain, params)))
    assert_equal_trees(params, from_torch(plain, to_torch(Dropout(cell, recurrent=0.1), params)))


def test_parameters_have_the_dtype_of_the_cell():
    cell = LSTM(FEATURES, precision=Precision("bfloat16"))
    params = from_torch(cell, to_torch(LSTM(FEATURES), drawn(LSTM(FEATURES))))
    assert {leaf.dtype.name for leaf in params.values()} == {"bfloat16"}
    assert {leaf.dtype.name for leaf in to_torch(cell, params).values()} == {"float32"}  # NumPy has no bfloat16


def test_tensors_of_half_precision():
    torch = pytest.importorskip("torch")
    cell = LSTM(FEATURES)
    state = {key: torch.tensor(leaf).bfloat16() for key, leaf in to_torch(cell, drawn(cell)).items()}
    np.testing.assert_allclose(from_torch(cell, state)["kernel"], drawn(cell)["kernel"], atol=0.02)


def state_of(cell):
    return to_torch(cell, drawn(cell))


DEEP = network(CELLS["lstm"], 2, 1)
PAIR = network(CELLS["lstm"], 1, 2)
ONE = LSTM(FEATURES)


@pytest.mark.parametrize(
    ("cell", "state", "said"),
    [
        (ONE, lambda: state_of(DEEP), r"number of layers: got 2, expected 1 for LSTM\(4\)"),
        (DEEP, lambda: state_of(ONE), r"number of layers: got 1, expected 2"),
        (ONE, dict, r"number of layers: got 0, expected 1"),
        (ONE, lambda: state_of(PAIR), r"number of directions: got 2, expected 1"),
        (PAIR, lambda: state_of(ONE), r"number of directions: got 1, expected 2"),
        (ONE, lambda: state_of(ONE) | {"weight_hr_l0": np.ones((4, 4))}, r"\['weight_hr_l0'\]: .*no such key"),
        (
            ONE,
            lambda: state_of(ONE) | {"head.bias": np.ones(4)},
            r"\['head.bias'\]: got shape \(4,\), expected no such",
        ),
        (
            ONE,
            lambda: state_of(LSTM(5)),
            r"\['weight_ih_l0'\]: got shape \(20, 3\), expected shape \(16, in_features\)",
        ),
        (GRU(FEATURES), lambda: state_of(ONE), r"\['weight_ih_l0'\]: got shape \(16, 3\)"),
        (DEEP, lambda: state_of(DEEP) | {"weight_ih_l1": np.ones((16, 3))}, r"\['weight_ih_l1'\]: .*\(16, 4\)"),
        (PAIR, lambda: state_of(PAIR) | {"weight_ih_l0_reverse": np.ones((16, 2))}, r"_reverse'\]: .*\(16, 3\)"),
        (ONE, lambda: {k: v for k, v in state_of(ONE).items() if k != "bias_hh_l0"}, r"'bias_hh_l0'\]: got None"),
        (ONE, lambda: [1], "state_dict: got 'list'"),
        (PeepholeLSTM(4), dict, "cell: got PeepholeLSTM"),
        (MinGRU(4), dict, "one of Elman, LSTM, LSTMP, GRU"),
        (LSTM(4, heads=2), dict, "heads=1"),
        (GRU(4, reset_after=False), dict, "reset_after: got False"),
        (Elman(4, activation="sin"), dict, 'activation: got \'sin\', expected "tanh" or "relu"'),
        (Stack((LSTM(4), GRU(4))), dict, "layers of equal cells"),
        (Stack((LSTM(4), LSTM(5))), dict, "layers of equal cells"),
        ((DEEP, DEEP), dict, "a pair of cells"),
        (DenseStack((LSTM(4), LSTM(4))), dict, "cell: got DenseStack"),
        ("lstm", dict, "cell: got 'lstm'"),
    ],
)
def test_bad_input_is_named(cell, state, said):
    with pytest.raises(InputError, match=said):
        from_torch(cell, state())


@pytest.mark.parametrize(
    ("cell", "params", "said"),
    [
        (ONE, lambda: drawn(GRU(4)), r"params\['recurrent_bias'\]: .*no such key"),
        (ONE, lambda: drawn(LSTM(5)), r"params\['kernel'\]: got shape \(3, 20\)"),
        (ONE, lambda: {"kernel": np.ones((3, 16))}, r"params\['recurrent_kernel'\]: got None"),
        (ONE, lambda: 3, "params: got 'int'"),
        (DEEP, lambda: drawn(ONE), "expected the keys layer_0, layer_1"),
        (PAIR, lambda: drawn(ONE), "params: got 'dict', expected one pair"),
        (PAIR, lambda: (drawn(ONE), drawn(GRU(4))), r"params\[0\]\[1\]\['recurrent_bias'\]"),
    ],
)
def test_parameters_of_another_cell_are_named(cell, params, said):
    with pytest.raises(InputError, match=said):
        to_torch(cell, params())
