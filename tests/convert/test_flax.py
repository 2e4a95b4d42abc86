"""Weights go to Flax and come back. That the modules of Linen agree, in gradients too, is tested in parity/."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from convert.networks import FEATURES, INPUTS, TIME, assert_close, assert_equal_trees, drawn, inputs, run
from flax import linen, nnx

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, PeepholeLSTM
from rnnjax.convert import from_flax, to_flax
from rnnjax.convert.flax import LAYOUTS

MODULES = [(cell(FEATURES), module) for cell, layouts in LAYOUTS.items() for module in layouts]
every_module = pytest.mark.parametrize(("cell", "module"), MODULES, ids=[module for _, module in MODULES])


def params_for(cell, module):
    """Parameters that the module can hold."""
    params = drawn(cell)
    if module == "nnx.GRUCell":
        params["recurrent_bias"] *= 0
    return params


def linen_outputs(name, params):
    return linen.RNN(getattr(linen, name)(FEATURES)).apply({"params": {"cell": params}}, inputs())


def nnx_made(name):
    fields = dict(bias_init=nnx.initializers.normal(0.5), rngs=nnx.Rngs(0))
    return getattr(nnx, name)(INPUTS, FEATURES, **fields)


@every_module
def test_a_module_with_the_weights_of_a_cell_computes_the_same(cell, module):
    params = params_for(cell, module)
    kind, _, name = module.partition(".")
    converted = to_flax(cell, params, module)
    if kind == "linen":
        theirs = linen_outputs(name, converted)
    else:
        made = nnx_made(name)
        nnx.update(made, converted)
        theirs = nnx.RNN(made)(inputs())
    assert_close(run(cell, params, inputs()), theirs)


@every_module
def test_a_cell_with_the_weights_of_a_module_computes_the_same(cell, module):
    kind, _, name = module.partition(".")
    if kind == "linen":
        made = linen.RNN(getattr(linen, name)(FEATURES, bias_init=jax.nn.initializers.normal(0.5))
                         if name != "GRUCell" else linen.GRUCell(FEATURES))  # fmt: skip
        variables = made.init(jax.random.key(0), inputs())
        theirs, params = made.apply(variables, inputs()), variables["params"]["cell"]
    else:
        made = nnx_made(name)
        theirs, params = nnx.RNN(made)(inputs()), nnx.state(made, nnx.Param)
    assert_close(run(cell, from_flax(cell, params), inputs()), theirs)
    assert np.shape(theirs)[1] == TIME


@every_module
def test_there_and_back_is_the_same(cell, module):
    params = params_for(cell, module)
    assert_equal_trees(params, from_flax(cell, to_flax(cell, params, module)))


def test_the_module_of_linen_is_the_one_unless_told():
    for cell in (LSTM(4), GRU(4), Elman(4), Dropout(LSTM(4), output=0.5)):
        assert "dense_i" not in to_flax(cell, drawn(cell))


ONE = LSTM(FEATURES)


def without(tree, name):
    return {key: value for key, value in tree.items() if key != name}


@pytest.mark.parametrize(
    ("cell", "params", "said"),
    [
        (ONE, lambda: without(to_flax(ONE, drawn(ONE)), "if"), r"\['if.kernel'\]: got None.* linen.LSTMCell of LSTM"),
        (ONE, lambda: to_flax(ONE, drawn(ONE)) | {"x": {"bias": np.ones(4)}}, r"\['x.bias'\]: .*no such key"),
        (ONE, lambda: to_flax(LSTM(5), drawn(LSTM(5))), r"\['ii.kernel'\]: got shape \(3, 5\)"),
        (ONE, lambda: to_flax(GRU(4), drawn(GRU(4))), r"\['\w+.kernel'\]: got None"),
        (ONE, lambda: {"cell": to_flax(ONE, drawn(ONE))}, r"got None"),
        (ONE, lambda: [1], "params: got 'list'"),
        (GRU(4, reset_after=False), dict, "reset_after: got False"),
        (PeepholeLSTM(4), dict, "one of Elman, LSTM, GRU"),
    ],
)
def test_bad_input_is_named(cell, params, said):
    with pytest.raises(InputError, match=said):
        from_flax(cell, params())


def test_a_module_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"module: got 'nnx.GRUCell', expected one of linen.LSTMCell"):
        to_flax(ONE, drawn(ONE), "nnx.GRUCell")
    with pytest.raises(InputError, match=r"params\['recurrent_bias'\]: .*zero: nnx.GRUCell has no such bias"):
        to_flax(GRU(4), drawn(GRU(4)), "nnx.GRUCell")
