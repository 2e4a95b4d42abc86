"""Dropout of single recurrent weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from sequences import BATCH, TIME, assert_identical, assert_same, drawn_like, run

from rnnjax import GRU, LSTM, InputError, MinGRU, Stack, unroll
from rnnjax.cell import abstract_params
from rnnjax.wrappers import DropConnect

x64 = pytest.mark.usefixtures("x64")
KEY = jax.random.key(0)


def drawn(cell):
    params = drawn_like(abstract_params(cell, 5), 0)
    return params, drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), np.float64), 1)


@x64
def test_the_sequence_runs_on_masked_kernels():
    """With a key the cell runs on kernels of which single weights are zero and the others larger, one for all rows."""
    cell = LSTM(6, precision=FLOAT64)
    dropping = DropConnect(cell, rate=0.3)
    params, xs = drawn(cell)
    kernel = np.asarray(dropping.prepare(params, key=KEY, batch_shape=(BATCH,))["recurrent_kernel"])
    shares = kernel / params["recurrent_kernel"]
    np.testing.assert_allclose(np.unique(np.round(shares, 12)), [0, 1 / 0.7], rtol=1e-11)
    assert np.all(np.any(shares == 0, axis=0)) or np.ptp(np.count_nonzero(shares, axis=0)) > 0, "weights, not units"
    assert_same(run(dropping, params, xs, key=KEY), run(cell, params | {"recurrent_kernel": kernel}, xs))


@x64
def test_without_a_key_nothing_is_dropped():
    cell = GRU(6, precision=FLOAT64)
    params, xs = drawn(cell)
    assert_identical(run(DropConnect(cell, rate=0.9), params, xs), run(cell, params, xs))
    assert_identical(run(DropConnect(cell, rate=0.0), params, xs, key=KEY), run(cell, params, xs))


def test_the_share_is_the_one_asked_for():
    """The share of zeros, and the mean of the mask, to four standard errors; other kernels stay as they are."""
    cell = DropConnect(GRU(64), rate=0.2)
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), abstract_params(cell, 5))
    weights = cell.prepare(params, key=KEY)
    mask = np.asarray(weights["recurrent_kernel"])
    assert abs(np.mean(mask == 0) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / mask.size)
    assert abs(mask.mean() - 1) < 4 * np.sqrt(0.25 / mask.size)
    assert np.all(weights["kernel"] == 1)


def test_layers_of_a_stack_are_dropped_independently():
    cell = DropConnect(Stack((GRU(16), GRU(16))))
    params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), abstract_params(cell, 16))
    one, other = (weights["recurrent_kernel"] for weights in cell.prepare(params, key=KEY))
    assert 0.3 < np.mean((one == 0) == (other == 0)) < 0.7


@pytest.mark.parametrize("rate", [1.0, -0.1, "half", None])
def test_bad_rate_is_named(rate):
    with pytest.raises(InputError, match=r"DropConnect\.rate: got .* expected a share in \[0, 1\)"):
        DropConnect(GRU(3), rate=rate)


def test_a_cell_without_recurrent_kernels_is_refused():
    cell = DropConnect(MinGRU(3))
    with pytest.raises(InputError, match=r"DropConnect\.rate: got 0\.5, expected 0: MinGRU\(3\) has no recurrent"):
        unroll(cell, cell.init(KEY, 3), jnp.ones((TIME, 3)), key=KEY)
