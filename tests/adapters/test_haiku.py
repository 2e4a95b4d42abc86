"""Any cell as a module of Haiku computes what `unroll` computes, with parameters and carry of the cell's own."""

from __future__ import annotations

import importlib

import jax
import numpy as np
import pytest
from adapters.kinds import (
    CELLS,
    DROPPING,
    FIXED,
    LENGTHS,
    OPTIONS,
    TIMED,
    XS,
    Clocked,
    assert_is_all_of,
    assert_one_mask_a_sequence,
    assert_same,
    every_case,
    every_kind,
    expected,
    expected_shapes,
    given,
    gradient,
    loss,
    registered,
    shapes,
)
from catalog import every_registered_computation

from rnnjax import LSTM, unroll
from rnnjax.cell import abstract_params
from rnnjax.convert.arrays import nested

hk = pytest.importorskip("haiku")
adapter = importlib.import_module("rnnjax.adapters.haiku")  # once the framework is there, it has to import


def swapped(outcome):
    """Haiku's order: outputs first."""
    return outcome[::-1]


def network(cell, **options):
    return hk.transform(lambda xs: adapter.RNN(cell)(xs, **options))


def made(cell):
    return network(cell).init(jax.random.key(0), XS)


def params_of(params, module="rnn"):
    """The cell's parameters, from those of a transformed function."""
    assert list(params) == [module]
    return nested(params[module])


@every_kind
def test_parameters_are_those_of_the_cell(name):
    assert_is_all_of(CELLS[name], params_of(made(CELLS[name])))


@every_case
def test_a_sequence_is_what_unroll_makes_of_it(name, option):
    params = made(CELLS[name])
    outcome = jax.jit(network(CELLS[name], **OPTIONS[option]).apply)(params, None, given(option))
    assert_same(outcome, swapped(expected(CELLS[name], params_of(params), option)))


@every_kind
def test_gradients_are_those_of_unroll(name):
    params = made(CELLS[name])
    of_params = jax.jit(jax.grad(lambda params: loss(network(CELLS[name]).apply(params, None, XS))))(params)
    assert_same(params_of(of_params), gradient(CELLS[name], params_of(params)))


@pytest.mark.parametrize("unroll", ["dynamic_unroll", "static_unroll"])
@every_kind
def test_a_core_runs_in_the_unrolls_of_haiku(name, unroll):
    def function(xs):
        core = adapter.RNNCore(CELLS[name])
        return getattr(hk, unroll)(core, xs, core.initial_state(len(xs)), time_major=False)

    transformed = hk.transform(function)
    params = transformed.init(jax.random.key(0), XS)
    assert_is_all_of(CELLS[name], params_of(params, "rnn_core"))
    outcome = transformed.apply(params, None, XS)
    assert_same(outcome, swapped(expected(CELLS[name], params_of(params, "rnn_core"))))


def test_a_core_without_a_batch():
    def function(xs):
        core = adapter.RNNCore(LSTM(4))
        return hk.dynamic_unroll(core, xs, core.initial_state(None))

    transformed = hk.transform(function)
    params = transformed.init(jax.random.key(0), XS[0])
    expected = unroll(LSTM(4), params_of(params, "rnn_core"), XS[0])
    assert_same(transformed.apply(params, None, XS[0]), swapped(expected))


def test_a_core_resets():
    """Haiku's own wrapper puts the initial state in place where it is told to."""

    def function(xs, resets):
        core = hk.ResetCore(adapter.RNNCore(LSTM(4)))
        return hk.dynamic_unroll(core, (xs, resets), core.initial_state(len(xs)), time_major=False)

    transformed = hk.transform(function)
    resets = OPTIONS["resets"]["resets"]
    params = transformed.init(jax.random.key(0), XS, resets)
    own = nested(next(iter(params.values())))
    assert_same(transformed.apply(params, None, XS, resets), swapped(expected(LSTM(4), own, "resets")))


def test_all_states():
    params = made(LSTM(4))
    ys, states = network(LSTM(4), return_carries=True, lengths=LENGTHS).apply(params, None, XS)
    _, all_ys, carries = unroll(LSTM(4), params_of(params), XS, return_carries=True, lengths=LENGTHS)
    assert_same((ys, states), (all_ys, carries))


def test_dropout_is_drawn_in_training_alone():
    params = made(DROPPING)
    training = network(DROPPING, is_training=True)
    assert_one_mask_a_sequence(training.apply(params, jax.random.key(1), XS)[0])
    outcome = network(DROPPING).apply(params, jax.random.key(1), XS)
    assert_same(outcome, swapped(expected(DROPPING, params_of(params))))


def test_fixed_parameters_have_no_gradient():
    of_params = params_of(jax.grad(lambda params: loss(network(FIXED).apply(params, None, XS)))(made(FIXED)))
    zero = jax.tree.map(lambda leaf: not np.any(leaf), of_params)
    assert zero["layer_1"] == {"bias": False, "kernel": False, "recurrent_kernel": True}
    assert not any(zero["layer_0"].values())


def test_inputs_with_times():
    params = network(Clocked(4)).init(jax.random.key(0), TIMED)
    outcome = network(Clocked(4)).apply(params, None, TIMED)
    assert_same(outcome, swapped(unroll(Clocked(4), params_of(params), TIMED)))


def test_two_modules_draw_different_parameters():
    transformed = hk.transform(lambda xs: adapter.RNN(LSTM(4))(adapter.RNN(LSTM(4))(xs)[0]))
    params = transformed.init(jax.random.key(0), XS)
    assert sorted(params) == ["rnn", "rnn_1"]
    assert (params["rnn"]["kernel"] != params["rnn_1"]["kernel"]).any()


@every_registered_computation
def test_every_cell_is_a_module(entry):
    cell, in_features, shape = registered(entry)
    xs = jax.ShapeDtypeStruct(shape, np.float32)
    params = jax.eval_shape(network(cell).init, jax.random.key(0), xs)
    assert shapes(params_of(params)) == shapes(abstract_params(cell, in_features))
    outcome = jax.eval_shape(lambda params, xs: network(cell).apply(params, None, xs), params, xs)
    assert shapes(outcome) == swapped(expected_shapes(cell, shape))
