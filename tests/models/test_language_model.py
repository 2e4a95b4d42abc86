"""The language model: state handed on, tied weights, the sampled loss."""

from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from rnnjax import GRU, LSTM, Stack
from rnnjax.models.language_model import LanguageModel, losses_of, states_of, writer

TOKENS = 11
CODES = np.random.default_rng(0).integers(0, TOKENS, (2, 13)).astype(np.int32)
MODELS = {
    "stack": LanguageModel(Stack((GRU(4), LSTM(3))), TOKENS, 3, tied=True, samples=4),
    "many tokens": LanguageModel(GRU(4), 600, 3),
}


@functools.lru_cache
def params_of(name):
    return jax.jit(MODELS[name].init)(jax.random.key(0), {"tokens": CODES})["params"]


@functools.lru_cache
def logits_of(name):
    """`tokens -> logits`, with the drawn parameters."""
    params = params_of(name)
    return jax.jit(lambda tokens: MODELS[name].apply({"params": params}, {"tokens": tokens})[1])


@pytest.mark.parametrize("name", MODELS)
def test_chunks_with_the_state_handed_on_give_the_whole(name):
    model, params = MODELS[name], params_of(name)
    run, start = losses_of(model), model.cell.initial_carry((2,))
    _, whole = run(params, start, CODES[:, :-1], CODES[:, 1:])
    carry, first = run(params, start, CODES[:, :6], CODES[:, 1:7])
    _, second = run(params, carry, CODES[:, 6:-1], CODES[:, 7:])
    np.testing.assert_allclose(np.concatenate([first, second], 1), whole, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_what_comes_later_changes_nothing(name):
    before = logits_of(name)(CODES)
    changed = CODES.copy()
    changed[:, 7] = (changed[:, 7] + 1) % TOKENS
    after = logits_of(name)(changed)
    np.testing.assert_array_equal(before[:, :7], after[:, :7])
    assert np.abs(np.asarray(before - after))[:, 7:].max() > 1e-4


def test_tied_weights_are_the_embedding():
    assert "kernel" not in params_of("stack") and params_of("stack")["embedding"].shape == (TOKENS, 3)
    assert params_of("many tokens")["kernel"].shape == (600, 4)


def test_the_sampled_loss_is_for_training_alone():
    """With a random stream and targets the output is a loss a target, near the full one where all are sampled."""
    model, params = LanguageModel(GRU(4), TOKENS, 3, samples=5000), params_of("many tokens")
    params = jax.tree.map(lambda leaf: leaf[:TOKENS] if leaf.shape[0] == 600 else leaf, params)
    inputs = {"tokens": CODES[:, :-1], "targets": CODES[:, 1:]}
    run = jax.jit(lambda inputs, rngs: model.apply({"params": params}, inputs, rngs=rngs)[1])
    assert jax.eval_shape(run, inputs, None).shape == (2, 12, TOKENS)
    sampled = run(inputs, {"dropout": jax.random.key(0)})
    _, full = losses_of(model)(params, model.cell.initial_carry((2,)), CODES[:, :-1], CODES[:, 1:])
    np.testing.assert_allclose(sampled, full, atol=0.15)


def test_writing_is_reading_on():
    """Greedily written, each token is the likeliest after all before it; the prompt may come in one piece."""
    model, params = MODELS["many tokens"], params_of("many tokens")
    made = np.asarray(writer(model, 8, 0.0, None, None)(params, CODES[:, :5], jax.random.key(0)))
    logits = logits_of("many tokens")(np.concatenate([CODES[:, :5], made], 1))
    np.testing.assert_array_equal(np.asarray(logits).argmax(-1)[:, 4:-1], made)


def test_states_are_the_outputs_of_the_recurrent_layer():
    model, params = MODELS["many tokens"], params_of("many tokens")
    states = np.asarray(states_of(model)(params, CODES))
    np.testing.assert_allclose(states @ params["kernel"].T + params["bias"], logits_of("many tokens")(CODES), atol=1e-5)
