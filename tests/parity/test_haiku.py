"""The same weights and inputs give the same outputs, final states and gradients as the cores of Haiku."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from parity.problem import BATCH, FEATURES, INPUTS, LENGTHS, assert_agree, at_last_step, draws, inputs, masked

from rnnjax import GRU, LSTM, Elman, Precision, unroll

haiku = pytest.importorskip("haiku")
pytestmark = pytest.mark.usefixtures("x64")

DOUBLE = Precision("float64")


def drawn(gates):
    """The parameters of a cell with so many gates."""
    return draws(
        0, kernel=(INPUTS, gates * FEATURES), recurrent_kernel=(FEATURES, gates * FEATURES), bias=(gates * FEATURES,)
    )


def vanilla(params):
    """Haiku's two linear layers have a bias each; one of them is enough."""
    return {
        "vanilla_rnn/linear": {"w": params["kernel"], "b": params["bias"]},
        "vanilla_rnn/linear_1": {"w": params["recurrent_kernel"], "b": jnp.zeros(FEATURES)},
    }


def lstm(params):
    """Haiku has one matrix for [x, h], gates in the order i, g, f, o, and adds 1 to the forget gate's bias."""

    def reordered(blocks):
        i, f, g, o = jnp.split(blocks, 4, axis=-1)
        return jnp.concatenate([i, g, f, o], axis=-1)

    kernel = jnp.concatenate([params["kernel"], params["recurrent_kernel"]], axis=0)
    plus_one = np.repeat([0.0, 1.0, 0.0, 0.0], FEATURES)
    return {"lstm/linear": {"w": reordered(kernel), "b": reordered(params["bias"] - plus_one)}}


def gru(params):
    """Haiku's order is z, r, a, and its z opens to the candidate: the complement of ours, sigmoid(-a)."""

    def reordered(blocks):
        r, z, a = jnp.split(blocks, 3, axis=-1)
        return jnp.concatenate([-z, r, a], axis=-1)

    return {
        "gru": {
            "w_i": reordered(params["kernel"]),
            "w_h": reordered(params["recurrent_kernel"]),
            "b": reordered(params["bias"]),
        }
    }


CASES = {
    "VanillaRNN": (Elman(FEATURES, activation="relu", precision=DOUBLE), drawn(1), vanilla),
    "LSTM": (LSTM(FEATURES, precision=DOUBLE), drawn(4), lstm),
    "GRU": (GRU(FEATURES, reset_after=False, precision=DOUBLE), drawn(3), gru),
}


@pytest.mark.parametrize("name", CASES)
def test_cell_agrees_with_haiku(name):
    """Padded rows: outputs, state after each row's last step, and gradients agree, from a given state."""
    cell, params, mapped = CASES[name]
    fields = cell.initial_carry()._fields
    carry = tuple(draws(3, **{field: (BATCH, FEATURES) for field in fields}).values())

    def core(xs, carry):
        start = haiku.LSTMState(*carry) if name == "LSTM" else carry[0]
        make = getattr(haiku, name)
        return haiku.dynamic_unroll(make(FEATURES), xs, start, time_major=False, return_all_states=True)

    network = haiku.without_apply_rng(haiku.transform(core))
    stated = jax.eval_shape(network.init, jax.random.key(0), inputs(), carry)
    assert jax.tree.map(jnp.shape, mapped(params)) == jax.tree.map(jnp.shape, stated)

    def theirs(params, xs, carry):
        ys, states = network.apply(mapped(params), xs, carry)
        final = at_last_step(states)
        return tuple(final) if name == "LSTM" else (final,), masked(ys)

    def ours(params, xs, carry):
        return unroll(cell, params, xs, type(cell.initial_carry())(*carry), lengths=LENGTHS)

    assert_agree(ours, theirs, params, inputs(), carry)
