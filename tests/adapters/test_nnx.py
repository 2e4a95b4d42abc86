"""Any cell as a module of NNX computes what `unroll` computes, with parameters and carry of the cell's own."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest
from adapters.kinds import (
    CELLS,
    DROPPING,
    FEATURES,
    FIXED,
    LENGTHS,
    RESETS,
    TIMED,
    XS,
    Clocked,
    assert_is_all_of,
    assert_one_mask_a_sequence,
    assert_same,
    every_case,
    every_kind,
    every_option,
    expected,
    expected_shapes,
    given,
    gradient,
    loss,
    registered,
    shapes,
)
from catalog import every_registered_computation
from flax import nnx

from rnnjax import GRU, LSTM, InputError, bidirectional, unroll
from rnnjax.adapters.nnx import RNN, RNNCell
from rnnjax.cell import abstract_params
from rnnjax.inputs import Timed

OPTIONS = {
    "plain": {},
    "lengths": dict(seq_lengths=LENGTHS),
    "resets": dict(resets=RESETS),
    "reverse": dict(reverse=True, seq_lengths=LENGTHS),
    "time_major": dict(time_major=True),
}


def made(cell, **fields):
    return RNN(cell, FEATURES, return_carry=True, rngs=nnx.Rngs(0), **fields)


def params_of(module):
    """The cell's parameters inside a module, as NNX states them."""
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))["params"]


@every_kind
def test_parameters_are_those_of_the_cell(name):
    module = made(CELLS[name])
    assert_is_all_of(CELLS[name], params_of(module))
    _, params, rest = nnx.split(module, nnx.Param, ...)
    assert jax.tree.leaves(params) and not jax.tree.leaves(rest)


@every_case
def test_a_sequence_is_what_unroll_makes_of_it(name, option):
    module = made(CELLS[name])
    outcome = nnx.jit(lambda module: module(given(option), **OPTIONS[option]))(module)
    assert_same(outcome, expected(CELLS[name], params_of(module), option))


@every_option
def test_options_may_be_attributes(option):
    module = made(CELLS["lstm"], **{k: v for k, v in OPTIONS[option].items() if isinstance(v, bool)})
    arrays = {k: v for k, v in OPTIONS[option].items() if not isinstance(v, bool)}
    assert_same(module(given(option), **arrays), expected(CELLS["lstm"], params_of(module), option))
    ys = module(given(option), return_carry=False, **arrays)
    assert_same(ys, expected(CELLS["lstm"], params_of(module), option)[1])


@every_kind
def test_gradients_are_those_of_unroll(name):
    module = made(CELLS[name])
    of_params = nnx.jit(nnx.grad(lambda module: loss(module(XS))))(module)
    assert_same(nnx.to_pure_dict(of_params)["params"], gradient(CELLS[name], params_of(module)))


def test_a_module_is_trained():
    module = made(LSTM(4))
    optimizer = nnx.Optimizer(module, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def update(module, optimizer):
        value, gradients = nnx.value_and_grad(lambda module: loss(module(XS)))(module)
        optimizer.update(module, gradients)
        return value

    losses = [float(update(module, optimizer)) for _ in range(10)]
    assert losses[-1] < 0.9 * losses[0]


@every_kind
def test_a_cell_runs_in_the_rnn_of_nnx(name):
    cell = RNNCell(CELLS[name], FEATURES, rngs=nnx.Rngs(0))
    assert_is_all_of(CELLS[name], params_of(cell))
    assert_same(nnx.RNN(cell, return_carry=True)(XS), expected(CELLS[name], params_of(cell)))


def test_chunks_with_the_carry_handed_on():
    module = made(CELLS["stack"])
    carry, _ = module(XS[:, :2])
    carry, ys = module(XS[:, 2:], initial_carry=carry)
    whole, all_ys = module(XS)
    assert_same((carry, ys), (whole, all_ys[:, 2:]))


def test_both_directions():
    """In NNX' own module, padded."""
    rngs = nnx.Rngs(0)
    module = nnx.Bidirectional(RNN(LSTM(4), FEATURES, rngs=rngs), RNN(GRU(4), FEATURES, rngs=rngs))
    params = params_of(module.forward_rnn), params_of(module.backward_rnn)
    outcome = module(XS, seq_lengths=LENGTHS, return_carry=True)
    assert_same(outcome, bidirectional(LSTM(4), GRU(4), params, XS, lengths=LENGTHS))


def test_outputs_in_another_order_are_refused():
    with pytest.raises(InputError, match="keep_order: got False"):
        made(LSTM(4))(XS, reverse=True, keep_order=False)


def test_dropout_is_drawn_by_its_stream_alone():
    module = made(DROPPING)
    assert_one_mask_a_sequence(module(XS, rngs=nnx.Rngs(dropout=1))[1])
    for rngs in (None, nnx.Rngs(params=1)):
        assert_same(module(XS, rngs=rngs), expected(DROPPING, params_of(module)))
    cell = RNNCell(DROPPING, FEATURES, rngs=nnx.Rngs(0))
    _, y = cell(cell.initialize_carry(XS[:, 0].shape), XS[:, 0], rngs=nnx.Rngs(dropout=1))
    assert 0.2 < (np.asarray(y) == 0).mean() < 0.8


def test_fixed_parameters_have_no_gradient():
    of_params = nnx.to_pure_dict(nnx.grad(lambda module: loss(module(XS)))(made(FIXED)))["params"]
    zero = jax.tree.map(lambda leaf: not np.any(leaf), of_params)
    assert zero["layer_1"] == {"bias": False, "kernel": False, "recurrent_kernel": True}
    assert not any(zero["layer_0"].values())


def test_inputs_with_times():
    module = RNN(Clocked(4), Timed(FEATURES, 1), return_carry=True, rngs=nnx.Rngs(0))
    assert_same(module(TIMED), unroll(Clocked(4), params_of(module), TIMED))


@every_registered_computation
def test_every_cell_is_a_module(entry):
    cell, in_features, shape = registered(entry)
    module = nnx.eval_shape(lambda: RNN(cell, in_features, return_carry=True, rngs=nnx.Rngs(0)))
    assert shapes(params_of(module)) == shapes(abstract_params(cell, in_features))
    outcome = nnx.eval_shape(lambda module, xs: module(xs), module, jax.ShapeDtypeStruct(shape, np.float32))
    assert shapes(outcome) == expected_shapes(cell, shape)
