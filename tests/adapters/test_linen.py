"""Any cell as a module of Linen computes what `unroll` computes, with parameters and carry of the cell's own."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import pytest
from adapters.kinds import (
    CELLS,
    DROPPING,
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

from rnnjax import GRU, LSTM, InputError, bidirectional, unroll
from rnnjax.adapters.linen import RNN, RNNCell
from rnnjax.cell import abstract_params

OPTIONS = {
    "plain": {},
    "lengths": dict(seq_lengths=LENGTHS),
    "resets": dict(resets=RESETS),
    "reverse": dict(reverse=True, seq_lengths=LENGTHS),
    "time_major": dict(time_major=True),
}


def made(cell, **fields):
    """A module and its variables."""
    module = RNN(cell, return_carry=True, **fields)
    return module, module.init(jax.random.key(0), XS)


@every_kind
def test_parameters_are_those_of_the_cell(name):
    _, variables = made(CELLS[name])
    assert list(variables) == ["params"]
    assert_is_all_of(CELLS[name], variables["params"])


@every_case
def test_a_sequence_is_what_unroll_makes_of_it(name, option):
    module, variables = made(CELLS[name])
    outcome = module.apply(variables, given(option), **OPTIONS[option])
    assert_same(outcome, expected(CELLS[name], variables["params"], option))


@every_option
def test_options_may_be_attributes(option):
    module, variables = made(CELLS["lstm"], **{k: v for k, v in OPTIONS[option].items() if isinstance(v, bool)})
    arrays = {k: v for k, v in OPTIONS[option].items() if not isinstance(v, bool)}
    assert_same(module.apply(variables, given(option), **arrays), expected(CELLS["lstm"], variables["params"], option))
    ys = module.apply(variables, given(option), return_carry=False, **arrays)
    assert_same(ys, expected(CELLS["lstm"], variables["params"], option)[1])


@every_kind
def test_gradients_are_those_of_unroll(name):
    module, variables = made(CELLS[name])
    of_params = jax.jit(jax.grad(lambda params: loss(module.apply({"params": params}, XS))))(variables["params"])
    assert_same(of_params, gradient(CELLS[name], variables["params"]))


@every_kind
def test_a_cell_runs_in_the_rnn_of_linen(name):
    module = nn.RNN(RNNCell(CELLS[name]), return_carry=True)
    variables = module.init(jax.random.key(0), XS)
    params = variables["params"]["cell"]
    assert_is_all_of(CELLS[name], params)
    assert_same(module.apply(variables, XS), expected(CELLS[name], params))


def test_chunks_with_the_carry_handed_on():
    module, variables = made(CELLS["stack"])
    carry, _ = module.apply(variables, XS[:, :2])
    carry, ys = module.apply(variables, XS[:, 2:], initial_carry=carry)
    whole, all_ys = module.apply(variables, XS)
    assert_same((carry, ys), (whole, all_ys[:, 2:]))


def test_both_directions():
    """In Linen's own module, padded."""
    module = nn.Bidirectional(RNN(LSTM(4)), RNN(GRU(4)), return_carry=True)
    variables = module.init(jax.random.key(0), XS)
    params = tuple(variables["params"][name] for name in ("forward_rnn", "backward_rnn"))
    outcome = module.apply(variables, XS, seq_lengths=LENGTHS)
    assert_same(outcome, bidirectional(LSTM(4), GRU(4), params, XS, lengths=LENGTHS))


def test_outputs_in_another_order_are_refused():
    module, variables = made(LSTM(4))
    with pytest.raises(InputError, match="keep_order: got False"):
        module.apply(variables, XS, reverse=True, keep_order=False)


def test_dropout_is_drawn_by_its_stream_alone():
    module, variables = made(DROPPING)
    key = {"dropout": jax.random.key(1)}
    assert_one_mask_a_sequence(module.apply(variables, XS, rngs=key)[1])
    assert_same(module.apply(variables, XS), expected(DROPPING, variables["params"]))
    module = nn.RNN(RNNCell(DROPPING), split_rngs={"params": False, "dropout": False})
    assert_one_mask_a_sequence(module.apply({"params": {"cell": variables["params"]}}, XS, rngs=key))


def test_fixed_parameters_have_no_gradient():
    module, variables = made(FIXED)
    of_params = jax.grad(lambda params: loss(module.apply({"params": params}, XS)))(variables["params"])
    zero = jax.tree.map(lambda leaf: not np.any(leaf), of_params)
    assert zero["layer_1"] == {"bias": False, "kernel": False, "recurrent_kernel": True}
    assert not any(zero["layer_0"].values())


def test_inputs_with_times():
    module = RNN(Clocked(4), return_carry=True)
    variables = module.init(jax.random.key(0), TIMED)
    assert_same(module.apply(variables, TIMED), unroll(Clocked(4), variables["params"], TIMED))


def test_two_modules_draw_different_parameters():
    class Two(nn.Module):
        @nn.compact
        def __call__(self, xs):
            return RNN(LSTM(4))(RNN(LSTM(4))(xs))

    params = Two().init(jax.random.key(0), XS)["params"]
    assert sorted(params) == ["RNN_0", "RNN_1"]
    assert (params["RNN_0"]["kernel"] != params["RNN_1"]["kernel"]).any()


def test_parameters_of_another_cell_are_refused():
    module, variables = made(LSTM(4))
    with pytest.raises(Exception, match="shape"):
        RNN(LSTM(5)).apply(variables, XS)


@every_registered_computation
def test_every_cell_is_a_module(entry):
    cell, in_features, shape = registered(entry)
    module = RNN(cell, return_carry=True)
    xs = jax.ShapeDtypeStruct(shape, np.float32)
    outcome, variables = jax.eval_shape(module.init_with_output, jax.random.key(0), xs)
    assert shapes(outcome) == expected_shapes(cell, shape)
    assert shapes(variables["params"]) == shapes(abstract_params(cell, in_features))
