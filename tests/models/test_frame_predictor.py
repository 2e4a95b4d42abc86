"""Next frames: squares as channels and back, causality, and a film that goes on by itself."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import LSTM, ConvGRU2D
from rnnjax.errors import InputError
from rnnjax.models import Blocks, FrameAttending, FramePredictor
from rnnjax.models.frame_predictor import patches, roll_out, unpatched

FILMS = np.random.default_rng(0).random((2, 4, 4, 6, 1)).astype(np.float32)
MODEL = FramePredictor(ConvGRU2D(2), patch=2)
MODELS = [MODEL, FramePredictor(Blocks(4, layers=2, heads=2, span=7), patch=2)]
READERS = pytest.mark.parametrize("model", MODELS, ids=["cell", "blocks"])


@functools.lru_cache
def params(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0), FILMS)["params"]
    random = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: random.standard_normal(leaf.shape, np.float32), shapes)


@functools.partial(jax.jit, static_argnames="model")
def run(films, carry=None, lengths=None, *, model=MODEL):
    return model.apply({"params": params(model)}, films, lengths, carry)


def test_squares_become_channels_and_places_again():
    frames = np.random.default_rng(2).random((3, 4, 6, 2)).astype(np.float32)
    cut = np.asarray(patches(jnp.asarray(frames), 2))
    assert cut.shape == (3, 2, 3, 8)
    np.testing.assert_array_equal(cut[:, 1, 2].reshape(3, 2, 2, 2), frames[:, 2:4, 4:6])
    np.testing.assert_array_equal(unpatched(jnp.asarray(cut), 2), frames)


@READERS
def test_a_frame_is_predicted_from_those_before_it(model):
    """Changing a frame changes the predictions from it on, and none before; the state goes on where it was."""
    logits = run(FILMS, model=model)[1]
    assert logits.shape == FILMS.shape
    other = FILMS.copy()
    other[:, 2] += 1
    changed = np.abs(np.asarray(run(other, model=model)[1] - logits)).max((0, 2, 3, 4))
    assert (changed[:2] == 0).all() and (changed[2:] > 0).all()
    half, first = run(FILMS[:, :2], model.initial_carry(FILMS.shape), model=model)
    _, second = run(FILMS[:, 2:], half, model=model)
    np.testing.assert_allclose(np.concatenate([first, second], 1), logits, rtol=1e-4, atol=1e-5)


@READERS
def test_a_film_goes_on_with_its_own_frames(model):
    """Each frame made is what the model predicts from all before it, those made included."""
    made = jax.jit(lambda films: roll_out(model, params(model), films, 3))(FILMS)
    film = np.concatenate([FILMS, made], 1)
    predicted = jax.nn.sigmoid(run(film, model=model)[1])
    np.testing.assert_allclose(made, predicted[:, 3:6], rtol=1e-4, atol=1e-5)


@READERS
def test_frames_past_the_end_have_no_effect(model):
    """Not even NaN: what is predicted before is what the film alone gives, and no gradient has any."""
    padded = FILMS.copy()
    padded[1, 3:] = np.nan
    found = run(padded, lengths=jnp.array([4, 3]), model=model)[1]
    expected = run(FILMS, model=model)[1]
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1, :3], expected[1, :3], rtol=1e-4, atol=1e-5)
    total = lambda params: jnp.sum(model.apply({"params": params}, padded, jnp.array([4, 3]))[1][:, :3])  # noqa: E731
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.jit(jax.grad(total))(params(model))))


def test_attention_over_frames_sees_the_frame_and_its_own_place_back_in_time():
    """With one block, a place earlier changes the outputs of its frame, and later those it was seen through."""
    layer = FrameAttending(Blocks(4, layers=1, heads=2))
    films = np.random.default_rng(3).standard_normal((1, 4, 2, 3, 2), np.float32)
    shapes = jax.eval_shape(layer.init, jax.random.key(0), films)
    rng = np.random.default_rng(4)
    drawn = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)
    outputs = jax.jit(lambda films, lengths=None: layer.apply(drawn, films, lengths)[1])
    whole = outputs(films)
    assert whole.shape == (1, 4, 2, 3, 4)
    other = films.copy()
    other[0, 1, 1, 2] += 1
    changed = np.abs(np.asarray(outputs(other) - whole)).max((0, -1))
    assert (changed[0] == 0).all() and (changed[1:] > 0).all()
    assert not np.asarray(outputs(films, jnp.array([3])))[:, 3:].any()


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match=r"^cell: .*images"):
        FramePredictor(LSTM(2)).init(jax.random.key(0), FILMS)
    with pytest.raises(InputError, match=r"^patch: "):
        FramePredictor(ConvGRU2D(2), patch=4).init(jax.random.key(0), FILMS)
    with pytest.raises(InputError, match=r"^Blocks.span: "):
        roll_out(FramePredictor(Blocks(4)), {}, FILMS, 1)
    with pytest.raises(InputError, match=r"^count: "):
        roll_out(MODEL, params(MODEL), FILMS, 0)
