"""The Transformer: steps with a cache against the whole, causality, padding."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.models.encoder_decoder import Pair
from rnnjax.models.transformer import Transformer, TransformerEncoderDecoder, positions

RNG = np.random.default_rng(0)
XS = RNG.standard_normal((2, 5, 3), np.float32)
LENGTHS = np.array([5, 2], np.int32)
SOURCE, PREFIX = RNG.integers(4, 9, (2, 6)).astype(np.int32), RNG.integers(4, 9, (2, 4)).astype(np.int32)
PAIR = Pair(SOURCE, PREFIX, np.zeros(2, np.float32))
CAUSAL = Transformer(8, layers=1, heads=2, causal=True)
ENCODER = CAUSAL.clone(causal=False)
TRANSLATOR = TransformerEncoderDecoder(9, 9, features=8, layers=2, heads=2)


@functools.lru_cache
def drawn(model, *inputs):
    """Parameters, all drawn at random, so that norms and biases are no identities."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), PAIR if not inputs else XS, LENGTHS)["params"]
    rng = np.random.default_rng(1)
    return {"params": jax.tree.map(lambda leaf: 0.5 * rng.standard_normal(leaf.shape, np.float32), shapes)}


@functools.partial(jax.jit, static_argnames=("model",))
def outputs(variables, xs, lengths=None, *, model):
    return model.apply(variables, xs, lengths)[1]


def test_an_encoder_layer_written_out():
    """One layer, one head: the equations of the docstring, with Flax's own attention and norms."""
    model = Transformer(8, layers=1, heads=1, hidden=6)
    variables = drawn(model, "sequence")
    p = variables["params"]
    norm = lambda xs, w: nn.LayerNorm().apply({"params": w}, xs)  # noqa: E731
    dense = lambda xs, w: xs @ w["kernel"] + w["bias"]  # noqa: E731
    layer = p["stack_0"]
    xs = dense(XS[:1], p["inner"]) + positions(5, 8)
    read = norm(xs, layer["own_norm"])
    kernels = layer["self_attention"]
    q, k, v = (read @ kernels[f"{name}_kernel"] for name in ("query", "key", "value"))
    xs = xs + nn.dot_product_attention(q[:, :, None], k[:, :, None], v[:, :, None])[:, :, 0] @ kernels["output_kernel"]
    xs = xs + dense(nn.relu(dense(norm(xs, layer["wide_norm"]), layer["wide"])), layer["narrow"])
    found = outputs(variables, XS[:1], model=model)
    np.testing.assert_allclose(found, norm(xs, p["norm"]), rtol=1e-4, atol=1e-5)


def test_steps_are_the_whole():
    """A causal Transformer gives step by step, from a cache longer than needed, what it gives at once."""
    variables = drawn(CAUSAL, "sequence")
    whole = outputs(variables, XS, model=CAUSAL)
    past = CAUSAL.apply(variables, (2,), 7, method="start")
    step = jax.jit(functools.partial(CAUSAL.apply, method="step"))
    for time in range(5):
        past, y = step(variables, past, XS[:, time])
        np.testing.assert_allclose(y, whole[:, time], rtol=1e-4, atol=1e-5)


def test_what_each_step_sees():
    """Of a causal one nothing later, of an encoder all."""
    later = XS.copy()
    later[:, 3] = 9
    for model, sees in ((CAUSAL, False), (ENCODER, True)):
        variables = drawn(model, "sequence")
        one, other = outputs(variables, XS, model=model), outputs(variables, later, model=model)
        assert np.allclose(one[:, :3], other[:, :3], atol=1e-6) is not sees


def test_padding_has_no_effect():
    """What stands past a row's length changes nothing, not even NaN, and zeros come out there."""
    variables = drawn(ENCODER, "sequence")
    padded = np.where((np.arange(5) < LENGTHS[:, None])[..., None], XS, np.nan).astype(np.float32)
    found = outputs(variables, padded, LENGTHS, model=ENCODER)
    assert not found[1, 2:].any()
    alone = outputs(variables, np.stack([XS[1, :2]] * 2), model=ENCODER)
    np.testing.assert_allclose(found[1, :2], alone[0], rtol=1e-4, atol=1e-5)


def test_translation_step_by_step():
    """Decoding with caches gives what teacher forcing gives, in each place of a beam; source padding has no effect."""
    variables = drawn(TRANSLATOR)
    whole = outputs(variables, PAIR, LENGTHS, model=TRANSLATOR)
    assert whole.shape == (2, 4, 9)
    source = np.where(np.arange(6) < LENGTHS[:, None], SOURCE, 8)
    apply = functools.partial(TRANSLATOR.apply, variables)

    @jax.jit
    def steps():
        memory, carry = apply(source, LENGTHS, 6, method="encode")
        carry = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf], axis=1), carry)
        advance = lambda carry, word: apply(memory, carry, jnp.stack([word, word], axis=1), method="step")  # noqa: E731
        return jax.lax.scan(advance, carry, PREFIX.T)[1]

    found = jnp.moveaxis(steps(), 0, 2)
    for place in range(2):
        np.testing.assert_allclose(found[:, place], whole, rtol=1e-3, atol=1e-4)


def test_positions_are_sines_of_the_step():
    table = positions(10, 6)
    assert table.shape == (10, 6) and table.dtype == np.float32
    np.testing.assert_allclose(table[:, 0], np.sin(np.arange(10)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(table[:, 5], np.cos(np.arange(10) / 10000 ** (2 / 3)), rtol=1e-5, atol=1e-6)
    assert positions(4, 5).shape == (4, 5)


def test_dropout_needs_its_stream():
    model = CAUSAL.clone(dropout=0.5)
    variables = drawn(CAUSAL, "sequence")
    whole = outputs(variables, XS, model=CAUSAL)
    run = jax.jit(lambda rngs: model.apply(variables, XS, rngs=rngs)[1])
    np.testing.assert_allclose(run({}), whole, rtol=1e-5, atol=1e-6)
    assert not np.allclose(run({"dropout": jax.random.key(0)}), whole)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="heads"):
        jax.eval_shape(Transformer(8, heads=3).init, jax.random.key(0), XS)
    with pytest.raises(InputError, match="shared_words"):
        jax.eval_shape(TransformerEncoderDecoder(9, 8).init, jax.random.key(0), PAIR)
