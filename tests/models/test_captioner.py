"""From an image to words: decoding writes what the model, given those words, finds likeliest."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import LSTM, GatedDeltaNet
from rnnjax.models import Blocks, Captioner
from rnnjax.models.captioner import describe

IMAGES = np.random.default_rng(0).random((3, 6, 5, 1)).astype(np.float32)
WORDS, LENGTH, END = 4, 3, 2


@functools.lru_cache
def made(cell=LSTM(3)):
    model = Captioner(cell, WORDS, features=3, channels=(2, 2))
    inputs = {"image": IMAGES, "words": np.zeros((3, LENGTH), np.int32)}
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]
    random = np.random.default_rng(1)
    return model, jax.tree.map(lambda leaf: random.standard_normal(leaf.shape, np.float32), shapes)


@functools.partial(jax.jit, static_argnames="cell")
def logits_of(words, cell=LSTM(3)):
    """Logits given words `[3, LENGTH]`, each shown the ones before it."""
    model, params = made(cell)
    before = jnp.pad(words, [(0, 0), (1, 0)])[:, :-1]
    return model.apply({"params": params}, {"image": IMAGES, "words": before})[1]


@functools.partial(jax.jit, static_argnames=("cell", "width"))
def written(cell=LSTM(3), width=1):
    return describe(*made(cell), IMAGES, end=END, length=LENGTH, width=width)


@pytest.mark.parametrize("cell", [LSTM(3), GatedDeltaNet(4, heads=2), Blocks(4, heads=2, span=LENGTH)], ids=repr)
def test_greedy_words_are_the_likeliest_given_those_before(cell):
    """Whatever the state of the cell looks like, and with keys and values kept in its place."""
    words = np.asarray(written(cell))
    best = np.asarray(logits_of(jnp.asarray(words), cell)).argmax(-1)
    for row, expected in zip(words, best, strict=True):
        ends = np.flatnonzero(row == END)
        read = ends[0] + 1 if len(ends) else LENGTH
        np.testing.assert_array_equal(row[:read], expected[:read])


def test_a_wide_beam_finds_the_likeliest_caption():
    """The best by enumeration: all captions that end, and those that are cut at the most words."""
    found = np.asarray(written(width=WORDS**LENGTH))
    captions = {}
    for words in itertools.product(range(WORDS), repeat=LENGTH):
        logs = np.asarray(jax.nn.log_softmax(logits_of(jnp.asarray([words] * 3))), float)
        read = words.index(END) + 1 if END in words else LENGTH
        for row in range(3):
            captions[row, words[:read]] = sum(logs[row, t, words[t]] for t in range(read))
    for row in range(3):
        best = max((caption for key, caption in captions if key == row), key=lambda caption: captions[row, caption])
        assert tuple(found[row, : len(best)].tolist()) == best


def test_images_matter_and_words_of_the_future_do_not():
    words = jnp.asarray(np.random.default_rng(2).integers(0, WORDS, (3, LENGTH)), jnp.int32)
    first = np.asarray(logits_of(words))
    later = np.asarray(logits_of(words.at[:, -1].set((words[:, -1] + 1) % WORDS)))
    np.testing.assert_array_equal(first, later)
    assert not np.allclose(logits_of(words)[0], logits_of(words.at[0].set(words[1]))[1])
