"""The same weights and inputs give the same outputs, final states and gradients as the cells of Equinox."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from parity.problem import BATCH, FEATURES, INPUTS, LENGTHS, TIME, assert_agree, draws, inputs, masked

from rnnjax import GRU, LSTM, Precision, unroll

equinox = pytest.importorskip("equinox")
pytestmark = pytest.mark.usefixtures("x64")

DOUBLE = Precision("float64")


def drawn(gates, **more):
    """The parameters of a cell with so many gates."""
    shapes = dict(kernel=(INPUTS, gates * FEATURES), recurrent_kernel=(FEATURES, gates * FEATURES))
    return draws(0, **shapes, bias=(gates * FEATURES,), **more)


CASES = {
    "LSTMCell": (LSTM(FEATURES, precision=DOUBLE), drawn(4)),
    "GRUCell": (GRU(FEATURES, precision=DOUBLE), drawn(3, recurrent_bias=(FEATURES,))),
}


def with_weights(cell, params):
    """Equinox keeps PyTorch's layout: weights transposed, gates i, f, g, o and r, z, n."""
    leaves = [params["kernel"].T, params["recurrent_kernel"].T, params["bias"]]
    where = lambda cell: [cell.weight_ih, cell.weight_hh, cell.bias]  # noqa: E731
    cell = equinox.tree_at(where, cell, leaves)
    if "recurrent_bias" in params:
        cell = equinox.tree_at(lambda cell: cell.bias_n, cell, params["recurrent_bias"])
    return cell


@pytest.mark.parametrize("name", CASES)
def test_cell_agrees_with_equinox(name):
    """Padded rows: outputs, state after each row's last step, and gradients agree, from a given state."""
    cell, params = CASES[name]
    fields = cell.initial_carry()._fields
    carry = tuple(draws(3, **{field: (BATCH, FEATURES) for field in fields}).values())
    blank = getattr(equinox.nn, name)(INPUTS, FEATURES, key=jax.random.key(0))

    def theirs(params, xs, carry):
        own = with_weights(blank, params)

        def one_row(xs, state, length):
            def step(state, inputs):
                t, x = inputs
                after = own(x, state if len(fields) > 1 else state[0])
                after = after if len(fields) > 1 else (after,)
                after = jax.tree.map(lambda new, old: jax.numpy.where(t < length, new, old), after, state)
                return after, after[0]

            return jax.lax.scan(step, state, (np.arange(TIME), xs))

        final, ys = jax.vmap(one_row)(xs, carry, LENGTHS)
        return final, masked(ys)

    def ours(params, xs, carry):
        return unroll(cell, params, xs, type(cell.initial_carry())(*carry), lengths=LENGTHS)

    assert_agree(ours, theirs, params, inputs(), carry)
