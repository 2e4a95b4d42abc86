"""The tagger: padding, spelling, words that training forgets."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU
from rnnjax.models.tagger import UNKNOWN, Spelling, Tagger

_rng = np.random.default_rng(0)
LENGTHS = np.array([5, 2, 1])
WORDS = np.where(np.arange(5) < LENGTHS[:, None], _rng.integers(1, 9, (3, 5)), 0).astype(np.int32)
SIZES = np.where(WORDS > 0, _rng.integers(1, 5, (3, 5)), 0)
SPELLED = np.where(np.arange(4) < SIZES[..., None], _rng.integers(1, 7, (3, 5, 4)), 0).astype(np.int32)
INPUTS = {"words": WORDS, "characters": SPELLED, "rarity": np.zeros((3, 5), np.float32)}


@functools.lru_cache
def made():
    model = Tagger(GRU(4), 9, 7, 3, 5, 6, dropout=0.0)
    params = jax.jit(model.init)(jax.random.key(0), INPUTS, LENGTHS)["params"]

    @jax.jit
    def run(inputs, lengths, key=None):
        rngs = None if key is None else {"dropout": key}
        return model.apply({"params": params}, inputs, lengths, rngs=rngs)[1]

    return run


def test_a_sentence_does_not_see_its_padding_nor_its_neighbours():
    run = made()
    rng, valid = np.random.default_rng(1), np.arange(5) < LENGTHS[:, None]
    kept = valid & (np.arange(3) == 1)[:, None]
    others = {
        "words": np.where(kept, WORDS, rng.integers(0, 9, WORDS.shape)).astype(np.int32),
        "characters": np.where(kept[..., None], SPELLED, np.roll(SPELLED, 1, axis=0)).astype(np.int32),
        "rarity": INPUTS["rarity"],
    }
    np.testing.assert_allclose(run(others, LENGTHS)[kept], run(INPUTS, LENGTHS)[kept], atol=1e-6)
    assert np.abs(np.asarray(run(others, LENGTHS) - run(INPUTS, LENGTHS)))[0].max() > 1e-3


def test_both_directions_are_read():
    """The scores of a word in the middle depend on the first and on the last word."""
    run = made()
    before = np.asarray(run(INPUTS, LENGTHS))[0, 2]
    for place in (0, 4):
        words = WORDS.copy()
        words[0, place] = words[0, place] % 8 + 1
        assert np.abs(np.asarray(run({**INPUTS, "words": words}, LENGTHS))[0, 2] - before).max() > 1e-4


def test_in_training_a_word_of_rarity_one_is_unknown():
    run, key = made(), jax.random.key(1)
    unknown = {**INPUTS, "words": np.where(WORDS > 0, UNKNOWN, 0)}
    forgotten = {**INPUTS, "rarity": np.ones((3, 5), np.float32)}
    valid = np.arange(5) < LENGTHS[:, None]
    np.testing.assert_allclose(run(forgotten, LENGTHS, key)[valid], run(unknown, LENGTHS)[valid], atol=1e-5)
    np.testing.assert_allclose(run(forgotten, LENGTHS)[valid], run(INPUTS, LENGTHS)[valid], atol=1e-5)


@pytest.mark.parametrize("kind", ["convolution", "recurrent"])
def test_a_spelling_sees_order_and_ends_but_no_padding(kind):
    """Words of the same characters in another order differ, and so does a beginning of a word from the word."""
    words = jnp.asarray([[1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 3, 0], [2, 3, 4, 0]])
    model = Spelling(7, 6, kind)
    found, params = jax.jit(model.init_with_output)(jax.random.key(0), words)
    for i in range(4):
        for j in range(i):
            assert np.abs(np.asarray(found[i] - found[j])).max() > 1e-3
    wide = jax.jit(model.apply)(params, jnp.pad(words, [(0, 0), (0, 3)]))
    np.testing.assert_allclose(wide, found, atol=1e-6)


def test_without_spelling_a_word_is_its_number():
    model = Tagger(GRU(2), 9, 7, 3, 5, 0)
    params = jax.eval_shape(model.init, jax.random.key(0), INPUTS, LENGTHS)["params"]
    assert set(params) == {"words_table", "layer", "readout"}
