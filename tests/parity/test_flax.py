"""The same weights and inputs give the same outputs, final states and gradients as the cells of Flax Linen."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from parity.problem import FEATURES, INPUTS, LENGTHS, assert_agree, draws, inputs, masked

from rnnjax import GRU, LSTM, Elman, Precision, unroll
from rnnjax.convert import from_flax

linen = pytest.importorskip("flax.linen")
pytestmark = pytest.mark.usefixtures("x64")

DOUBLE = Precision("float64")
CASES = {
    "SimpleCell": (Elman(FEATURES, precision=DOUBLE), {}, "h"),
    "SimpleCell relu": (Elman(FEATURES, activation="relu", precision=DOUBLE), {"activation_fn": jax.nn.relu}, "h"),
    "LSTMCell": (LSTM(FEATURES, precision=DOUBLE), {}, "ch"),
    "OptimizedLSTMCell": (LSTM(FEATURES, precision=DOUBLE), {}, "ch"),
    "GRUCell": (GRU(FEATURES, precision=DOUBLE), {}, "h"),
}


def drawn(module):
    """Parameters of a module, biases too."""
    start = module.initialize_carry(jax.random.key(0), (1, INPUTS))
    stated = jax.eval_shape(module.init, jax.random.key(0), start, np.zeros((1, INPUTS)))["params"]
    leaves, structure = jax.tree.flatten(stated)
    values = draws(0, **{str(index): leaf.shape for index, leaf in enumerate(leaves)})
    return structure.unflatten(list(values.values()))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_cell_agrees_with_flax(name, reverse):
    """Padded rows, forwards and backwards: outputs, final carry and gradients agree, from a given carry."""
    cell, fields, order = CASES[name]
    module = getattr(linen, name.split()[0])(FEATURES, dtype=jnp.float64, param_dtype=jnp.float64, **fields)
    theirs = linen.RNN(module, return_carry=True, reverse=reverse, keep_order=True)
    carry = tuple(draws(3, **{field: (3, FEATURES) for field in cell.initial_carry()._fields}).values())
    state = type(cell.initial_carry())

    def ours(params, xs, carry):
        return unroll(cell, from_flax(cell, params), xs, state(*carry), lengths=LENGTHS, reverse=reverse)

    def flax(params, xs, carry):
        named = dict(zip(cell.initial_carry()._fields, carry, strict=True))
        start = tuple(named[field] for field in order) if len(order) > 1 else named[order[0]]
        final, ys = theirs.apply({"params": {"cell": params}}, xs, initial_carry=start, seq_lengths=LENGTHS)
        final = dict(zip(order, final if len(order) > 1 else (final,), strict=True))
        return tuple(final[field] for field in cell.initial_carry()._fields), masked(ys)

    assert_agree(ours, flax, drawn(module), inputs(), carry)
