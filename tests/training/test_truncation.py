"""Truncated back-propagation: the carry crosses the borders of windows, gradients do not, each target counts once."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import rnnjax
from rnnjax import Dropout, Elman
from rnnjax.tasks import Batch, CopyMemory, Latch
from rnnjax.training import Config, Optimizer, make_model, make_update, train
from rnnjax.training.batches import hand_on, next_batch, window, windows

# The trace of this momentum is the last gradient itself: 1e-30 of the one before is lost in rounding.
GRADIENT_AS_TRACE = Optimizer("momentum", 0.05, momentum=1e-30, clip="none")


@pytest.fixture(scope="module")
def last_step(small):
    """One target a row, at step 10 or 11: windows 0..4, 5..9 and 10, of which the first holds no target."""
    task = Latch(10, "two_sequence")
    return small(task=task, optimizer=GRADIENT_AS_TRACE, truncation=5, steps=6, evaluate_every=6)


@pytest.fixture(scope="module")
def each_step(small):
    """A target a step, rows of 6 to 8 steps: windows 0..2, 3..5 and 6..7. The rate is too small to move anything."""
    task = CopyMemory(3, "henaff", symbols=2, items=2)
    optimizer = dataclasses.replace(GRADIENT_AS_TRACE, learning_rate=1e-30)
    return small(task=task, optimizer=optimizer, truncation=3, steps=6, evaluate_every=6)


@functools.lru_cache(maxsize=2)
def trajectory(config: Config, start):
    """The states before each of six updates and after the last, and the metrics of each."""
    state = start(config)
    update = make_update(config)
    advance = jax.jit(lambda state: update(hand_on(state, config), next_batch(state, config)))
    states, metrics = [state], []
    for _ in range(6):
        state, metric = advance(state)
        states.append(state)
        metrics.append(metric)
    return states, metrics


def whole(config, state):
    """The batch that the windows of an update are cut from."""
    key = jax.random.fold_in(jax.random.fold_in(state.key, 0), state.step // windows(config))
    return config.task.sample(key, config.batch_size)


def step_by_step(config, params, carry, batch, begin):
    """The loss of one window and the carry after it, with `cell.step` alone; steps past a row's end do nothing."""
    targets, losses, counts = batch.targets, 0.0, 0.0
    for t in range(begin, min(begin + config.truncation, config.task.time)):
        valid = t < batch.lengths
        stepped, y = config.cell.step(params["cell"], carry, batch.inputs[:, t])
        carry = jax.tree.map(lambda new, old, valid=valid: jnp.where(valid[:, None], new, old), stepped, carry)
        logits = y @ params["readout"]["kernel"] + params["readout"]["bias"]
        due = targets if config.task.many_to_one else targets[:, t]
        counts_now = (t == batch.lengths - 1) if config.task.many_to_one else valid
        losses += jnp.sum(-jax.nn.log_softmax(logits)[jnp.arange(len(due)), due] * counts_now)
        counts += jnp.sum(counts_now)
    return losses / jnp.maximum(counts, 1), carry


@pytest.mark.parametrize("case", ["last_step", "each_step"])
def test_windows_are_the_sequence_with_gradients_cut(case, request, start, assert_close, assert_identical):
    """Each update has the loss, carry and gradient of its own steps, from the carry before as a constant."""
    config = request.getfixturevalue(case)
    states, metrics = trajectory(config, start)
    assert windows(config) == 3
    by_hand = jax.jit(jax.value_and_grad(lambda *a: step_by_step(config, *a), has_aux=True), static_argnums=3)
    for number, (before, after, metric) in enumerate(zip(states, states[1:], metrics, strict=False)):
        batch, part = whole(config, before), number % 3
        if part == 0:
            carry = config.cell.initial_carry((config.batch_size,))
        (loss, carry), gradient = by_hand(before.params, carry, batch, part * config.truncation)
        counted = not (case == "last_step" and part == 0)
        np.testing.assert_allclose(metric["loss"], loss, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(metric["grad_norm"], optax.tree.norm(gradient), rtol=1e-4, atol=1e-6)
        assert float(metric["counted"]) == counted and float(metric["nonfinite"]) == 0
        assert_close(after.carry, carry, 1e-5, 1e-6)
        if counted:
            assert float(metric["grad_norm"]) > 1e-3
            assert_close(optax.tree_utils.tree_get(after.opt_state, "trace"), gradient, 1e-4, 1e-6)
            moved = jax.tree.map(lambda p, g: p - config.optimizer.learning_rate * g, before.params, gradient)
            assert_close(after.params, moved, 1e-5, 1e-6)
        else:
            assert_identical((after.params, after.opt_state), (before.params, before.opt_state))
            assert float(metric["update_norm"]) == float(metric["clipped"]) == 0
    if case == "last_step":  # before the fourth update there was a gradient, which the empty window leaves in place
        trace = optax.tree_utils.tree_get(states[4].opt_state, "trace")
        assert optax.tree.norm(trace) > 1e-3
    lengths = np.asarray(whole(config, states[0]).lengths)
    assert len(set(lengths)) > 1, "all rows of one length"


def test_windows_at_rest_are_the_whole_sequence(each_step, start, assert_close):
    """With parameters that do not move, windows end in the carry of `unroll`, and average to the loss of a whole."""
    config = each_step
    states, metrics = trajectory(config, start)
    assert_close(states[-1].params, states[0].params, 0, 1e-28)
    params = states[0].params
    for first in (0, 3):
        batch = whole(config, states[first])
        carry, ys = rnnjax.unroll(config.cell, params["cell"], batch.inputs, lengths=batch.lengths)
        assert_close(states[first + 3].carry, carry, 1e-5, 1e-6)
        loss = config.task.loss(ys @ params["readout"]["kernel"] + params["readout"]["bias"], batch)
        counts = [batch.mask[:, begin : begin + 3].sum() for begin in (0, 3, 6)]
        losses = [metric["loss"] for metric in metrics[first : first + 3]]
        np.testing.assert_allclose(np.average(losses, weights=counts), loss, rtol=1e-5)


def test_a_sequence_has_one_dropout_mask(each_step, start, assert_close):
    """Windows at rest end in the carry of the whole sequence under one key: masks do not change in between."""
    config = dataclasses.replace(each_step, cell=Dropout(Elman(8), input=0.3, recurrent=0.4))
    states, _ = trajectory(config, start)
    for first in (0, 3):
        before, batch = states[first], whole(config, states[first])
        key = jax.random.fold_in(jax.random.fold_in(before.key, 1), first // 3)
        variables = {"params": before.params}
        carry, _ = make_model(config).apply(variables, batch.inputs, batch.lengths, rngs={"dropout": key})
        assert_close(states[first + 3].carry, carry, 1e-5, 1e-6)


def test_a_new_batch_starts_from_the_initial_carry(each_step, start, assert_identical):
    """`hand_on` keeps the carry within a batch and resets it before the next, which is another batch."""
    config = each_step
    state = start(config)
    state = state._replace(carry=jax.tree.map(jnp.ones_like, state.carry))
    for step in range(7):
        fresh = step % 3 == 0
        expected = jax.tree.map(jnp.zeros_like, state.carry) if fresh else state.carry
        assert_identical(hand_on(state._replace(step=jnp.int32(step)), config).carry, expected)
    first, second = (whole(config, state._replace(step=jnp.int32(step))) for step in (0, 3))
    assert not np.array_equal(first.inputs, second.inputs)


def test_the_recorded_loss_is_that_of_windows_with_targets(last_step, start):
    """A window in which nothing counts is left out of the means, and does not make the loss look smaller."""
    _, metrics = trajectory(last_step, start)
    assert [float(metric["counted"]) for metric in metrics] == [0, 1, 1, 0, 1, 1]
    [record] = train(last_step, quiet=True).records
    for name in ("loss", "grad_norm", "update_norm"):
        mean = np.mean([metric[name] for metric in metrics if metric["counted"]])
        np.testing.assert_allclose(record[name], mean, rtol=1e-5, err_msg=name)


def drawn(many_to_one, time=11, rows=6):
    """A batch of rows of all lengths, none of whose entries is zero."""
    rng = np.random.default_rng(0)
    lengths = np.array([11, 1, 4, 5, 8, 10], np.int32)
    targets = rng.integers(1, 9, rows if many_to_one else (rows, time)).astype(np.int32)
    mask = np.ones(rows) if many_to_one else np.arange(time) < lengths[:, None]
    inputs = rng.standard_normal((rows, time, 2)).astype(np.float32)
    return Batch(jnp.asarray(inputs), jnp.asarray(targets), jnp.asarray(mask, jnp.float32), jnp.asarray(lengths))


@pytest.mark.parametrize("many_to_one", [True, False], ids=["last_step", "each_step"])
@pytest.mark.parametrize("size", [1, 4, 11, 16])
def test_windows_partition_a_batch(size, many_to_one):
    """Side by side, windows are the batch with zeros behind it; lengths and masks add up to those of the batch."""
    batch = drawn(many_to_one)
    parts = [window(batch, jnp.int32(i), size, many_to_one) for i in range(-(-11 // size))]
    joined = jnp.concatenate([part.inputs for part in parts], 1)
    np.testing.assert_array_equal(joined[:, :11], batch.inputs)
    assert not joined[:, 11:].any()
    np.testing.assert_array_equal(sum(part.lengths for part in parts), batch.lengths)
    for begin, part in zip(range(0, 11, size), parts, strict=True):
        np.testing.assert_array_equal(part.lengths, np.clip(batch.lengths - begin, 0, size))
    if many_to_one:
        np.testing.assert_array_equal(sum(part.mask for part in parts), batch.mask)
        for row, length in enumerate(batch.lengths):
            assert parts[(int(length) - 1) // size].mask[row] == 1
            assert all(np.array_equal(part.targets, batch.targets) for part in parts)
    else:
        for given, cut in ((batch.mask, "mask"), (batch.targets, "targets")):
            joined = jnp.concatenate([getattr(part, cut) for part in parts], 1)
            np.testing.assert_array_equal(joined[:, :11], given)
            assert not joined[:, 11:].any()


@pytest.mark.parametrize(("truncation", "count"), [(None, 1), (1, 11), (4, 3), (11, 1), (12, 1)])
def test_a_batch_serves_as_many_updates_as_it_has_windows(truncation, count, small):
    config = small(task=Latch(10, "two_sequence"), cell=Elman(8), truncation=truncation)
    assert windows(config) == count
