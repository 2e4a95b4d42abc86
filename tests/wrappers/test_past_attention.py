"""A cell that looks back at its own outputs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_same, drawn_like, evaluate, run

from rnnjax import GRU, LRU, LSTM, InputError, unroll
from rnnjax.cell import abstract_params
from rnnjax.wrappers import PastAttention

KEY = jax.random.key(0)


def drawn(cell):
    params = drawn_like(abstract_params(cell, 5), 0)
    return params, drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, 5), np.float64), 1)


def attended(params, past, h, score):
    """y of one step and row, from the outputs before, oldest first."""
    r = np.zeros_like(h)
    if len(past):
        keys = past @ params["key_kernel"]
        e = keys @ h if score == "dot" else np.tanh(keys + h @ params["query_kernel"]) @ params["score"]
        shares = np.exp(e) / np.exp(e).sum()
        r = shares @ past
    return np.tanh(r @ params["context_kernel"] + h @ params["output_kernel"])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("score", ["additive", "dot"])
@pytest.mark.parametrize("inner", [LSTM(4, precision=FLOAT64), LRU(4, precision=FLOAT64)], ids=repr)
def test_outputs_join_what_was_attended_to(inner, score):
    """An attention over up to `window` outputs since the start or the last reset, computed from the cell's outputs."""
    cell = PastAttention(inner, window=3, score=score)
    params, xs = drawn(cell)
    _, hs = run(inner, params["cell"], xs, lengths=LENGTHS, resets=RESETS)
    final, ys = run(cell, params, xs, lengths=LENGTHS, resets=RESETS)
    for row, length in enumerate(LENGTHS):
        past = []
        for t in range(length):
            past = [] if RESETS[row, t] else past[-3:]
            assert_same(ys[row, t], attended(params, np.array(past), hs[row, t], score))
            past.append(hs[row, t])
        past = past[-3:]
        assert np.sum(final.filled[row]) == len(past)
        if past:
            assert_same(final.values[row, -len(past) :], np.array(past))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("score", ["additive", "dot"])
def test_hoisted_gradients_equal_plain_ones(score):
    cell = PastAttention(GRU(4, precision=FLOAT64), window=3, score=score)
    params, xs = drawn(cell)
    options = dict(lengths=LENGTHS, resets=RESETS, through_carries=1.0)
    arguments = params, xs, cell.initial_carry((BATCH,))
    hoisted = evaluate(cell, *arguments, **options)
    assert_same(hoisted, evaluate(cell, *arguments, hoist=False, **options))
    assert all(np.any(leaf) for leaf in jax.tree.leaves(hoisted.params))


def test_huge_scores_have_finite_gradients():
    """Scores that the exponential cannot hold are those of a choice, and an empty window has no gradient of its own."""
    cell = PastAttention(GRU(4), window=3, score="dot")
    params = jax.tree.map(lambda leaf: 100 * leaf, cell.init(KEY, 5))
    loss = lambda params, xs: unroll(cell, params, xs)[1].sum()  # noqa: E731
    gradients = jax.grad(loss, argnums=(0, 1))(params, jax.random.normal(KEY, (TIME, 5)))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    assert np.isfinite(jax.grad(loss)(params, jnp.zeros((1, 5)))["cell"]["kernel"]).all()


@pytest.mark.parametrize(
    ("fields", "argument", "given"),
    [
        (dict(window=0), "PastAttention.window", "0"),
        (dict(window=True), "PastAttention.window", "True"),
        (dict(score="cosine"), "PastAttention.score", "'cosine'"),
    ],
)
def test_bad_past_attention_is_named(fields, argument, given):
    with pytest.raises(InputError, match=given) as error:
        PastAttention(LSTM(3), **fields)
    assert error.value.argument == argument
