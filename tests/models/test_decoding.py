"""Sampling and greedy decoding, on a chain whose distributions are known."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.models.decoding import greedy, restricted, sample

CLASSES = 5
TABLE = jnp.asarray(np.random.default_rng(0).normal(size=(CLASSES, CLASSES)) * 2, jnp.float32)
KEY = jax.random.key(0)


def step(carry, token):
    """Logits that depend on the last token; the carry counts the steps."""
    return carry + 1, TABLE[token]


@functools.partial(jax.jit, static_argnames=("length", "how"))
def drawn(token, key, length, how=()):
    return sample(step, 0, token, key, length, **dict(how))


@functools.partial(jax.jit, static_argnames=("length", "end"))
def likeliest(token, length, end=None):
    return greedy(step, 0, token, length, end=end)


def test_greedy_follows_the_largest_logits():
    carry, tokens = likeliest(jnp.arange(CLASSES), 6)
    now = np.arange(CLASSES)
    for made in np.asarray(tokens).T:
        now = np.asarray(TABLE)[now].argmax(-1)
        np.testing.assert_array_equal(made, now)
    assert int(carry) == 6 and tokens.shape == (CLASSES, 6)


@pytest.mark.parametrize("how", [{"temperature": 0.0}, {"temperature": 1e-7}, {"top_k": 1}, {"top_p": 1e-6}], ids=str)
def test_without_a_choice_sampling_is_greedy(how):
    start = jnp.arange(CLASSES)
    np.testing.assert_array_equal(drawn(start, KEY, 8, tuple(how.items()))[1], likeliest(start, 8)[1])


@pytest.mark.parametrize("how", [{}, {"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.8}], ids=str)
def test_samples_follow_the_distribution(how):
    """Chi-square over the tokens drawn after one token: within the 0.999 quantile, and no token that was left out."""
    from scipy.stats import chi2

    count = 4000
    tokens = np.asarray(drawn(jnp.full(count, 2), KEY, 1, tuple(how.items()))[1])[:, 0]
    share = np.asarray(jax.nn.softmax(restricted(TABLE[2], **how)), np.float64)
    found = np.bincount(tokens, minlength=CLASSES)
    assert (found[share == 0] == 0).all()
    kept = share > 0
    distance = ((found[kept] - count * share[kept]) ** 2 / (count * share[kept])).sum()
    assert distance < chi2.ppf(0.999, kept.sum() - 1)


def test_rows_and_steps_are_drawn_independently():
    """Uniform tokens: neither two rows nor two steps are the same draw."""
    uniform = lambda carry, token: (carry, jnp.zeros((*token.shape, 50)))  # noqa: E731
    tokens = np.asarray(sample(uniform, None, jnp.zeros(40, int), KEY, 40)[1])
    assert len(np.unique(tokens, axis=0)) == 40 and len(np.unique(tokens, axis=1).T) == 40


def test_what_is_drawn_depends_on_the_key_alone():
    start = jnp.zeros(3, int)
    np.testing.assert_array_equal(drawn(start, KEY, 9)[1], drawn(start, KEY, 9)[1])
    assert (np.asarray(drawn(start, KEY, 9)[1]) != np.asarray(drawn(start, jax.random.key(1), 9)[1])).any()


LOGITS = np.log(np.array([[0.1, 0.4, 0.05, 0.3, 0.15], [0.2, 0.2, 0.2, 0.2, 0.2]], np.float32))


@pytest.mark.parametrize("top_p", [0.05, 0.35, 0.45, 0.65, 0.75, 0.9, 0.97])
def test_top_p_keeps_the_smallest_set_of_enough_mass(top_p):
    """What is kept has the mass; without its least likely member it has not."""
    shares = np.exp(LOGITS)
    for share, kept in zip(shares, np.isfinite(np.asarray(restricted(jnp.asarray(LOGITS), top_p=top_p))), strict=True):
        assert share[kept].sum() >= top_p - 1e-6
        assert share[kept].sum() - share[kept].min() < top_p
        assert kept.all() or share[kept].min() >= share[~kept].max()


def test_what_is_kept_keeps_its_proportions():
    logits = jnp.asarray(LOGITS)
    for how, power in (
        ({"top_k": 3}, 1),
        ({"top_p": 0.8}, 1),
        ({"temperature": 0.5}, 2),
        ({"top_k": 2, "top_p": 0.9}, 1),
    ):
        share, kept = np.asarray(jax.nn.softmax(restricted(logits, **how))), np.exp(LOGITS) ** power
        kept = np.where(share > 0, kept, 0)
        np.testing.assert_allclose(share, kept / kept.sum(-1, keepdims=True), rtol=1e-5)


def test_top_k_keeps_so_many_the_first_of_equal_ones():
    for count in (1, 2, 4, 5, 9):
        kept = np.isfinite(np.asarray(restricted(jnp.asarray(LOGITS), top_k=count)))
        assert (kept.sum(-1) == min(count, CLASSES)).all()
        assert kept[1, : min(count, CLASSES)].all()


def test_nothing_restricted_leaves_the_distribution():
    np.testing.assert_allclose(jax.nn.softmax(restricted(jnp.asarray(LOGITS), top_p=1.0)), np.exp(LOGITS), rtol=1e-5)


def test_a_row_ends_with_its_end():
    end = int(likeliest(jnp.zeros(1, int), 3)[1][0, 1])
    for _, tokens in (likeliest(jnp.arange(CLASSES), 12, end), drawn(jnp.zeros(9, int), KEY, 12, (("end", end),))):
        tokens = np.asarray(tokens)
        ended = np.cumsum(tokens == end, axis=1) > 0
        assert ended.any() and (tokens[ended] == end).all()


@pytest.mark.parametrize(
    ("argument", "how"),
    [
        ("temperature", {"temperature": -1.0}),
        ("temperature", {"temperature": float("nan")}),
        ("top_k", {"top_k": 0}),
        ("top_k", {"top_k": 1.5}),
        ("top_p", {"top_p": 0.0}),
        ("top_p", {"top_p": 1.5}),
        ("length", {"length": 0}),
    ],
)
def test_bad_input_is_named(argument, how):
    with pytest.raises(InputError) as error:
        sample(step, 0, jnp.zeros(1, int), KEY, **{"length": 3, **how})
    assert error.value.argument == argument
