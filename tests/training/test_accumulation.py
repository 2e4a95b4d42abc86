"""A batch in micro-batches is the batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import LSTM, Elman, InputError
from rnnjax.tasks import Batch, CopyMemory, Latch
from rnnjax.training import Config, Optimizer, Pascanu, make_update
from rnnjax.training.accumulation import in_parts
from rnnjax.training.batches import hand_on, next_batch

KEY = jax.random.key(0)


def test_parts_add_up_and_rows_keep_their_place():
    """Values and gradients are sums over rows, and what is handed on comes back row by row."""

    def measure(params, carry, batch, key):
        value, gradients = jax.value_and_grad(lambda p: jnp.sum(jnp.sin(p * batch.inputs)))(params)
        return (value, carry + batch.inputs), gradients

    rows = jnp.arange(24.0).reshape(12, 2)
    batch = Batch(rows, rows[:, 0], jnp.ones(12), jnp.ones(12, jnp.int32))
    params = jnp.asarray([0.3, 0.7])
    (value, carry), gradients = measure(params, 10 * rows, batch, KEY)
    for parts in (1, 3, 12):
        (value_, carry_), gradients_ = in_parts(measure, parts)(params, 10 * rows, batch, KEY)
        np.testing.assert_allclose(value_, value, rtol=1e-5)
        np.testing.assert_allclose(gradients_, gradients, rtol=1e-5)
        np.testing.assert_array_equal(carry_, carry)


def test_narrow_gradients_are_added_up_in_a_wide_dtype():
    """In bfloat16, 256 + 1 is 256: 300 ones would add up to that."""
    measure = lambda params, carry, batch, key: ((jnp.float32(0), carry), jnp.ones_like(params))  # noqa: E731
    batch = Batch(jnp.zeros((300, 1)), jnp.zeros(300), jnp.ones(300), jnp.ones(300, jnp.int32))
    (_, carry), gradients = in_parts(measure, 300)(jnp.zeros(2, jnp.bfloat16), None, batch, KEY)
    assert carry is None and gradients.dtype == jnp.bfloat16
    np.testing.assert_array_equal(gradients.astype(jnp.float32), 300)


OPTIONS = dict(steps=4, batch_size=8, evaluate_every=4)
CONFIGS = {  # one target a row, with a state handed on, and one at each step
    "windows": Config(Latch(6, "two_sequence"), Elman(4), Optimizer("sgd", 1.0), truncation=4, **OPTIONS),
    "each_step": Config(CopyMemory(3, "henaff", symbols=2, items=2), Elman(4), Optimizer("sgd", 1.0), **OPTIONS),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_update_is_that_of_the_whole_batch(name, start, assert_close):
    """Loss, norms, parameters and carries agree, though the parts hold different numbers of targets that count."""
    config = CONFIGS[name]
    state = start(config)
    state = state._replace(step=state.step + 1)  # the second window
    batch = next_batch(state, config)
    counts = jnp.asarray([1, 0, 1, 1, 0, 0, 1, 0.0])  # one, none, two and one in the parts, of rows j and j + 4
    batch = batch._replace(mask=batch.mask * counts.reshape(-1, *[1] * (batch.mask.ndim - 1)))
    given = hand_on(state, config), batch
    whole = jax.jit(make_update(config))(*given)
    parts = jax.jit(make_update(type(config)(**{**vars(config), "micro_batches": 4})))(*given)
    assert_close(parts, whole, rtol=1e-5, atol=1e-5)


def temporary_bytes(micro_batches):
    """What one update needs besides its arguments and results."""
    config = Config(Latch(50), LSTM(16), steps=1, batch_size=64, evaluate_every=1, micro_batches=micro_batches)
    state = jax.eval_shape(lambda: _start(config))
    batch = jax.eval_shape(lambda state: next_batch(state, config), state)
    analysis = jax.jit(make_update(config)).lower(state, batch).compile().memory_analysis()
    return analysis.temp_size_in_bytes


def _start(config):
    from rnnjax.training import initial_state

    return initial_state(KEY, config)


@pytest.mark.slow
def test_micro_batches_need_less_memory():
    """What the backward pass keeps is that of one part: an eighth, and what does not depend on the batch."""
    assert temporary_bytes(8) < temporary_bytes(1) / 4


@pytest.mark.parametrize("given", [0, -1, 3, 16, 2.0])
def test_parts_that_do_not_divide_a_batch_are_refused(given, small):
    with pytest.raises(InputError, match=r"Config\.micro_batches: got .* expected a divisor of batch_size=8"):
        small(micro_batches=given)


def test_a_regulariser_sees_the_whole_batch(small):
    with pytest.raises(InputError, match=r"Config\.micro_batches: got 2, expected 1 with a regulariser"):
        small(micro_batches=2, regularizer=Pascanu())
