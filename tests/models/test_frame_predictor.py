"""Next frames: squares as channels and back, causality, and a film that goes on by itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import LSTM, ConvGRU2D
from rnnjax.errors import InputError
from rnnjax.models import FramePredictor
from rnnjax.models.frame_predictor import patches, roll_out, unpatched

FILMS = np.random.default_rng(0).random((2, 4, 4, 6, 1)).astype(np.float32)
MODEL = FramePredictor(ConvGRU2D(2), patch=2)


@functools.lru_cache
def params():
    shapes = jax.eval_shape(MODEL.init, jax.random.key(0), FILMS)["params"]
    random = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: random.standard_normal(leaf.shape, np.float32), shapes)


@jax.jit
def run(films, carry=None):
    return MODEL.apply({"params": params()}, films, None, carry)


def test_squares_become_channels_and_places_again():
    frames = np.random.default_rng(2).random((3, 4, 6, 2)).astype(np.float32)
    cut = np.asarray(patches(jnp.asarray(frames), 2))
    assert cut.shape == (3, 2, 3, 8)
    np.testing.assert_array_equal(cut[:, 1, 2].reshape(3, 2, 2, 2), frames[:, 2:4, 4:6])
    np.testing.assert_array_equal(unpatched(jnp.asarray(cut), 2), frames)


def test_a_frame_is_predicted_from_those_before_it():
    """Changing a frame changes the predictions from it on, and none before; the state goes on where it was."""
    carry, logits = run(FILMS)
    assert logits.shape == FILMS.shape
    other = FILMS.copy()
    other[:, 2] += 1
    changed = np.abs(np.asarray(run(other)[1] - logits)).max((0, 2, 3, 4))
    assert (changed[:2] == 0).all() and (changed[2:] > 0).all()
    half, first = run(FILMS[:, :2])
    _, second = run(FILMS[:, 2:], half)
    np.testing.assert_allclose(np.concatenate([first, second], 1), logits, rtol=1e-4, atol=1e-5)


def test_a_film_goes_on_with_its_own_frames():
    """Each frame made is what the model predicts from all before it, those made included."""
    made = jax.jit(lambda films: roll_out(MODEL, params(), films, 3))(FILMS)
    film = np.concatenate([FILMS, made], 1)
    predicted = jax.nn.sigmoid(run(film)[1])
    np.testing.assert_allclose(made, predicted[:, 3:6], rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match=r"^cell: .*images"):
        FramePredictor(LSTM(2)).init(jax.random.key(0), FILMS)
    with pytest.raises(InputError, match=r"^patch: "):
        FramePredictor(ConvGRU2D(2), patch=4).init(jax.random.key(0), FILMS)
    with pytest.raises(InputError, match=r"^count: "):
        roll_out(MODEL, params(), FILMS, 0)
