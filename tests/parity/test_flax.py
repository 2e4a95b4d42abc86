"""The same weights and inputs give the same outputs, final states and gradients as the cells of Flax Linen."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from parity.problem import FEATURES, INPUTS, LENGTHS, assert_agree, draws, inputs, masked

from rnnjax import GRU, LSTM, Elman, Precision, unroll

linen = pytest.importorskip("flax.linen")
pytestmark = pytest.mark.usefixtures("x64")

DOUBLE = Precision("float64")
PARAMS = draws(
    0,
    kernel=(INPUTS, 4 * FEATURES),
    recurrent_kernel=(FEATURES, 4 * FEATURES),
    bias=(4 * FEATURES,),
    recurrent_bias=(FEATURES,),
)


def of_gates(count, *names):
    """The parameters of a cell with so many gates."""
    return {name: PARAMS[name][..., : count * FEATURES] for name in names}


def by_gate(params, name, count):
    return jnp.split(params[name], count, axis=-1)


def simple(params):
    """Flax keeps the bias with the input kernel."""
    return {
        "i": {"kernel": params["kernel"], "bias": params["bias"]},
        "h": {"kernel": params["recurrent_kernel"]},
    }


def lstm(params):
    """Flax keeps one kernel a gate, named by gate, and the bias with the recurrent kernel."""
    kernels, recurrent, biases = (by_gate(params, name, 4) for name in ("kernel", "recurrent_kernel", "bias"))
    return {f"i{gate}": {"kernel": kernel} for gate, kernel in zip("ifgo", kernels, strict=True)} | {
        f"h{gate}": {"kernel": kernel, "bias": bias}
        for gate, kernel, bias in zip("ifgo", recurrent, biases, strict=True)
    }


def gru(params):
    """Flax keeps the biases with the input kernels, and one with the candidate's recurrent kernel."""
    kernels, recurrent, biases = (by_gate(params, name, 3) for name in ("kernel", "recurrent_kernel", "bias"))
    theirs = {
        f"i{gate}": {"kernel": kernel, "bias": bias} for gate, kernel, bias in zip("rzn", kernels, biases, strict=True)
    }
    theirs |= {f"h{gate}": {"kernel": kernel} for gate, kernel in zip("rz", recurrent[:2], strict=True)}
    theirs["hn"] = {"kernel": recurrent[2], "bias": params["recurrent_bias"]}
    return theirs


CASES = {
    "SimpleCell": (
        Elman(FEATURES, precision=DOUBLE), of_gates(1, "kernel", "recurrent_kernel", "bias"), simple, {}, ("h",),
    ),
    "SimpleCell relu": (
        Elman(FEATURES, activation="relu", precision=DOUBLE), of_gates(1, "kernel", "recurrent_kernel", "bias"),
        simple, {"activation_fn": jax.nn.relu}, ("h",),
    ),
    "LSTMCell": (LSTM(FEATURES, precision=DOUBLE), of_gates(4, "kernel", "recurrent_kernel", "bias"), lstm, {}, "ch"),
    "OptimizedLSTMCell": (
        LSTM(FEATURES, precision=DOUBLE), of_gates(4, "kernel", "recurrent_kernel", "bias"), lstm, {}, "ch",
    ),
    "GRUCell": (
        GRU(FEATURES, precision=DOUBLE), of_gates(3, "kernel", "recurrent_kernel", "bias", "recurrent_bias"),
        gru, {}, ("h",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_cell_agrees_with_flax(name, reverse):
    """Padded rows, forwards and backwards: outputs, final carry and gradients agree, from a given carry."""
    cell, params, mapped, fields, order = CASES[name]
    theirs = linen.RNN(
        getattr(linen, name.split()[0])(FEATURES, dtype=jnp.float64, param_dtype=jnp.float64, **fields),
        return_carry=True, reverse=reverse, keep_order=True,
    )  # fmt: skip
    carry = tuple(draws(3, **{field: (3, FEATURES) for field in cell.initial_carry()._fields}).values())
    state = type(cell.initial_carry())

    def ours(params, xs, carry):
        return unroll(cell, params, xs, state(*carry), lengths=LENGTHS, reverse=reverse)

    def flax(params, xs, carry):
        named = dict(zip(cell.initial_carry()._fields, carry, strict=True))
        start = tuple(named[field] for field in order) if len(order) > 1 else named[order[0]]
        variables = {"params": {"cell": mapped(params)}}
        final, ys = theirs.apply(variables, xs, initial_carry=start, seq_lengths=LENGTHS)
        final = dict(zip(order, final if len(order) > 1 else (final,), strict=True))
        return tuple(final[field] for field in cell.initial_carry()._fields), masked(ys)

    assert_agree(ours, flax, params, inputs(), carry)


def test_parameters_are_all_of_flax():
    """The mapped parameters are exactly those that Flax initialises: none is missing, none is left over."""
    for name, (_, params, mapped, _, _) in CASES.items():
        theirs = getattr(linen, name.split()[0])(FEATURES)
        start = theirs.initialize_carry(jax.random.key(0), (1, INPUTS))
        stated = jax.eval_shape(theirs.init, jax.random.key(0), start, np.zeros((1, INPUTS)))
        assert jax.tree.map(jnp.shape, mapped(params)) == jax.tree.map(jnp.shape, stated["params"])
