"""Any cell as a module of Equinox computes what `unroll` computes, with parameters and carry of the cell's own."""

from __future__ import annotations

import importlib

import jax
import numpy as np
import pytest
from adapters.kinds import (
    CELLS,
    DROPPING,
    FEATURES,
    FIXED,
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
    stacked_steps,
)
from catalog import every_registered_computation

from rnnjax import LSTM, unroll
from rnnjax.cell import abstract_params
from rnnjax.inputs import Timed

eqx = pytest.importorskip("equinox")
adapter = importlib.import_module("rnnjax.adapters.equinox")  # once the framework is there, it has to import


def made(cell, kind="RNN"):
    return getattr(adapter, kind)(cell, FEATURES, key=jax.random.key(0))


@every_kind
def test_parameters_are_those_of_the_cell(name):
    module = made(CELLS[name])
    assert_is_all_of(CELLS[name], module.params)
    assert_same(module.params, CELLS[name].init(jax.random.key(0), FEATURES))
    arrays, rest = eqx.partition(module, eqx.is_array)
    assert not jax.tree.leaves(rest) and jax.tree.structure(arrays) == jax.tree.structure(module)


@every_case
def test_a_sequence_is_what_unroll_makes_of_it(name, option):
    module = made(CELLS[name])
    outcome = eqx.filter_jit(lambda module, xs: module(xs, **OPTIONS[option]))(module, given(option))
    assert_same(outcome, expected(CELLS[name], module.params, option))


@every_kind
def test_gradients_are_those_of_unroll(name):
    module = made(CELLS[name])
    of_module = eqx.filter_jit(eqx.filter_grad(lambda module: loss(module(XS))))(module)
    assert_same(of_module.params, gradient(CELLS[name], module.params))


@every_kind
def test_steps_make_the_sequence(name):
    cell = made(CELLS[name], "RNNCell")
    assert_is_all_of(CELLS[name], cell.params)
    step = eqx.filter_jit(lambda cell, carry, x: cell(carry, x))
    outcome = stacked_steps(lambda carry, x: step(cell, carry, x), cell.initial_carry((len(XS),)))
    carry, ys = expected(CELLS[name], cell.params)
    assert_same(outcome, (carry, np.asarray(ys)))


def test_rows_may_be_mapped():
    """Equinox' habit: a module is for one row, `jax.vmap` makes the batch."""
    module = made(LSTM(4))
    assert_same(jax.vmap(module)(XS), module(XS))


def test_dropout_is_drawn_by_a_key_alone():
    module = made(DROPPING)
    assert_one_mask_a_sequence(module(XS, key=jax.random.key(1))[1])
    assert_same(module(XS), expected(DROPPING, module.params))


def test_fixed_parameters_have_no_gradient():
    of_params = eqx.filter_grad(lambda module: loss(module(XS)))(made(FIXED)).params
    zero = jax.tree.map(lambda leaf: not np.any(leaf), of_params)
    assert zero["layer_1"] == {"bias": False, "kernel": False, "recurrent_kernel": True}
    assert not any(zero["layer_0"].values())


def test_a_module_is_saved_and_read(tmp_path):
    module = made(CELLS["stack"])
    eqx.tree_serialise_leaves(tmp_path / "module.eqx", module)
    blank = eqx.filter_eval_shape(made, CELLS["stack"])
    assert_same(eqx.tree_deserialise_leaves(tmp_path / "module.eqx", blank).params, module.params)


def test_inputs_with_times():
    module = adapter.RNN(Clocked(4), Timed(FEATURES, 1), key=jax.random.key(0))
    assert_same(module(TIMED), unroll(Clocked(4), module.params, TIMED))


@every_registered_computation
def test_every_cell_is_a_module(entry):
    cell, in_features, shape = registered(entry)
    module = eqx.filter_eval_shape(adapter.RNN, cell, in_features, key=jax.random.key(0))
    assert shapes(module.params) == shapes(abstract_params(cell, in_features))
    outcome = eqx.filter_eval_shape(lambda module, xs: module(xs), module, jax.ShapeDtypeStruct(shape, np.float32))
    assert shapes(outcome) == expected_shapes(cell, shape)
