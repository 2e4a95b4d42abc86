"""What each step gives to the gradient of the weights: closed forms, and a copy of the parameters for each step."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import linear, network, orthogonal
from catalog import REGISTERED, WRAPPED, Entry
from sequences import BATCH, LENGTHS, RESETS, TIME, example, padded, weighed, with_nan_padding

from rnnjax import GRU, LSTM, InputError, Stack, unroll
from rnnjax.analysis import gradient_shares, parameter_blocks

x64 = pytest.mark.usefixtures("x64")
_shares_of = jax.jit(gradient_shares, static_argnames=("cell", "loss"))


def both(over_outputs, ys, carry):
    """A loss that every output and every part of the final state has a say in."""
    return over_outputs * weighed(ys, jnp.ones(len(ys))) + 0.3 * weighed(carry, jnp.ones(len(ys)))


LOSS = functools.partial(both, 0.7)


def last(ys, carry):
    """A gradient of one for the last output."""
    return jnp.sum(ys[:, -1])


# --- closed forms ------------------------------------------------------------------------------------------------


@x64
@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_linear_orthogonal_network(gain):
    """With h' = g Q h + W x + b step t gives b delta_t, of norm g^(T - t) |h_T|, and W delta_t x_t^T."""
    cell, params, xs = linear(gain * orthogonal(5), 101, (1,))
    found = _shares_of(cell, params, xs)
    fall = np.log(gain) * np.arange(100.0, -1, -1)
    np.testing.assert_allclose(found.log_block_norms["bias"] - found.log_block_norms["bias"][-1], fall, atol=1e-9)
    by_input = np.log(np.linalg.norm(xs[0], axis=-1))
    np.testing.assert_allclose(found.log_block_norms["kernel"], found.log_block_norms["bias"] + by_input, atol=1e-9)
    assert float(jnp.sum(found.shares)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_far_outside_the_range_of_floats(gain):
    """In float32, over 1500 steps: 1e-451, and 1e+451 where the state stays small since it starts at zero."""
    cell, params, xs = linear(gain * np.eye(4), 1500, (2,), precision="float32")
    params = {**params, "bias": jnp.zeros(4)}
    found = _shares_of(cell, params, 0 * xs, last)
    logs = found.log_block_norms["bias"]
    np.testing.assert_allclose(logs - logs[-1], np.log(gain) * np.arange(1499.0, -1, -1), rtol=1e-5)
    assert np.all(np.isneginf(found.log_block_norms["kernel"])), "the inputs are zero"
    series = 0.5 ** np.arange(1.0, 61)  # towards either end of the sequence
    end = np.sum(found.shares, axis=0)[::-1] if gain < 1 else np.sum(found.shares, axis=0)
    np.testing.assert_allclose(end[:60], series, atol=1e-5)
    assert float(jnp.sum(found.shares)) == pytest.approx(1, abs=1e-5)


# --- autodiff ----------------------------------------------------------------------------------------------------


@functools.partial(jax.jit, static_argnums=0)
def one_by_one(cell, params, xs, carry):
    """dL/dw for a copy of the parameters for each step of each row, `[batch, time, ...]`, and for all in one."""
    valid = jnp.arange(TIME) < LENGTHS[:, None]
    places = xs.shape[2:-1]

    def row(copies, xs, carry, valid, resets):
        def step(state, given):
            params, x, valid, reset = given
            pick = lambda where, a, b: jax.tree.map(lambda x, y: jnp.where(where, x, y), a, b)  # noqa: E731
            weights = cell.prepare(params, batch_shape=places)
            before = pick(reset, cell.initial_carry(places), state)
            after, y = cell.advance(weights, before, cell.project(weights, jnp.where(valid, x, 0)))
            return pick(valid, after, state), pick(valid, y, jnp.zeros_like(y))

        return jax.lax.scan(step, carry, (copies, xs, valid, resets))

    def loss(copies):
        final, ys = jax.vmap(row)(copies, xs, carry, valid, jnp.asarray(RESETS))
        return LOSS(ys, final)

    copies = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (BATCH, TIME, *leaf.shape)), params)
    whole = jax.grad(lambda params: LOSS(*unroll(cell, params, xs, carry, lengths=LENGTHS, resets=RESETS)[::-1]))
    return jax.grad(loss)(copies), whole(params)


BRIEF = ("lstm", "lru")


def cases(entries: list[Entry]):
    marks = [pytest.mark.exhaustive, pytest.mark.slow]
    return [pytest.param(entry, id=str(entry), marks=[] if entry.name in BRIEF else marks) for entry in entries]


@x64
@pytest.mark.parametrize("entry", cases(REGISTERED + [entry for entry in WRAPPED if entry.name == "stack"]))
def test_equals_autodiff_through_copies_of_the_parameters(entry: Entry):
    """With padding, resets and a loss of everything; contributions add up to the gradient."""
    cell, params, xs, carry, _ = example(entry)
    found = _shares_of(cell, params, with_nan_padding(xs), LOSS, carry, lengths=LENGTHS, resets=RESETS)
    copies, whole = jax.device_get(one_by_one(cell, params, np.where(np.isnan(xs), 0, xs), carry))
    flat = lambda tree: np.concatenate(  # noqa: E731
        [np.reshape(leaf, (BATCH, TIME, -1)).view(float) for leaf in jax.tree.leaves(tree)], -1
    )
    each = flat(copies)
    total = flat(jax.tree.map(lambda leaf: np.broadcast_to(leaf, (BATCH, TIME, *leaf.shape)), whole))[0, 0]
    np.testing.assert_allclose(each.sum((0, 1)), total, rtol=1e-9, atol=1e-12)
    if not np.any(total):  # a network of signs
        assert np.all(np.isnan(found.shares)) and np.isneginf(found.log_total)
        return
    np.testing.assert_allclose(found.shares, each @ total / (total @ total), rtol=1e-9, atol=1e-12)
    assert float(jnp.sum(found.shares)) == pytest.approx(1, abs=1e-12)
    assert np.all(np.asarray(found.shares)[padded()] == 0)
    np.testing.assert_allclose(np.exp(found.log_norms), np.linalg.norm(each.sum(0), axis=-1), rtol=1e-9, atol=1e-14)
    assert np.exp(found.log_total) == pytest.approx(np.linalg.norm(total), rel=1e-9)
    blocks, by_step = parameter_blocks(cell, whole), parameter_blocks(cell, copies)
    assert set(found.log_block_totals) == set(found.log_block_norms) == set(blocks)
    for name, block in blocks.items():
        assert np.exp(found.log_block_totals[name]) == pytest.approx(np.linalg.norm(np.ravel(block)), rel=1e-9)
        steps = np.linalg.norm(np.reshape(np.sum(by_step[name], axis=0), (TIME, -1)), axis=-1)
        np.testing.assert_allclose(np.exp(found.log_block_norms[name]), steps, rtol=1e-9, atol=1e-14)


# --- use ---------------------------------------------------------------------------------------------------------


@pytest.mark.exhaustive
@pytest.mark.slow
def test_any_batch_shape():
    cell, params, xs = linear(0.9 * orthogonal(5), 101, (1,), precision="float32")
    found = gradient_shares(cell, params, xs[:, None])
    assert found.shares.shape == (1, 1, 101) and found.log_norms.shape == (101,)
    assert list(found.log_block_norms) == list(found.log_block_totals) == list(parameter_blocks(cell, params))
    one = _shares_of(cell, params, xs[0])
    assert one.shares.shape == (101,)
    np.testing.assert_allclose(found.shares[0, 0], one.shares, rtol=1e-3, atol=1e-6)


def test_blocks_of_parameters():
    """A block a gate of the leaves that hold one, in stacks too; the rest is whole."""
    cell, params, _ = network(Stack((LSTM(4, heads=2), GRU(3))), 1, in_features=5)
    blocks = parameter_blocks(cell, params)
    kernel = params["layer_0"]["kernel"]
    np.testing.assert_array_equal(blocks["layer_0/kernel/forget"], kernel[:, 4:8])
    assert blocks["layer_0/recurrent_kernel/candidate"].shape == (2, 2, 2)
    assert blocks["layer_1/recurrent_bias"].shape == (3,)
    assert sum(leaf.size for leaf in blocks.values()) == cell.parameter_count(5)
    assert list(parameter_blocks(LSTM(4), params["layer_0"]))[:4] == [f"bias/{gate}" for gate in LSTM.gates]
    stacked = parameter_blocks(cell, jax.tree.map(lambda leaf: np.stack([leaf] * 7), params))
    assert stacked["layer_0/bias/output"].shape == (7, 4)


def test_errors_name_the_argument():
    cell, params, xs = network(GRU(4), 6)
    with pytest.raises(InputError, match=r"loss: got shape \(2,\), expected a function that returns a scalar"):
        gradient_shares(cell, params, xs, lambda ys, carry: ys[:, -1, 0])
    with pytest.raises(InputError, match="params"):
        gradient_shares(GRU(5), params, xs)
