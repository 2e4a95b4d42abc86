"""Sequence to sequence: steps against the whole, padding, scheduled sampling, shared parameters."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import GRU, LSTM, InputError, Residual, Stack
from rnnjax.models.beam import decoder
from rnnjax.models.decoding import greedy
from rnnjax.models.encoder_decoder import EncoderDecoder, Pair, with_residuals
from rnnjax.models.scheduled_sampling import SCHEDULES, own_share
from rnnjax.models.transformer import TransformerEncoderDecoder

WORDS, TIME, STEPS = 7, 5, 4
RNG = np.random.default_rng(0)
SOURCE = RNG.integers(4, WORDS, (3, TIME)).astype(np.int32)
PREFIX = np.concatenate([np.full((3, 1), 2), RNG.integers(4, WORDS, (3, STEPS - 1))], axis=1).astype(np.int32)
LENGTHS = np.array([5, 2, 3], np.int32)
PAIR = Pair(SOURCE, PREFIX, np.zeros(3, np.float32))

MODELS = {
    "general": EncoderDecoder(LSTM(3), WORDS, WORDS, 4),
    "additive, fed": EncoderDecoder(GRU(3), WORDS, WORDS, 4, attention="additive", feed=True),
    "none, one direction": EncoderDecoder(LSTM(3), WORDS, WORDS, 4, attention="none", bidirectional=False),
    "shared": EncoderDecoder(
        Stack((LSTM(4), LSTM(4))), WORDS, WORDS, 4, attention="concat", shared_cell=True, residual=True
    ),
}


@functools.lru_cache
def params(name):
    """Parameters, all drawn at random."""
    shapes = jax.eval_shape(MODELS[name].init, jax.random.key(0), PAIR, LENGTHS)["params"]
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape, np.float32), shapes)


@functools.partial(jax.jit, static_argnames=("name",))
def logits(params, pair, lengths, *, name):
    return MODELS[name].apply({"params": params}, pair, lengths)[1]


@functools.partial(jax.jit, static_argnames=("name",))
def one_by_one(params, source, prefix, lengths, *, name):
    """The logits of `step`, for two copies of each prefix side by side as of a beam: `[batch, 2, steps, words]`."""
    apply = functools.partial(MODELS[name].apply, {"params": params})
    memory, carry = apply(source, lengths, method="encode")
    carry = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf], axis=1), carry)
    advance = lambda carry, word: apply(memory, carry, jnp.stack([word, word], axis=1), method="step")  # noqa: E731
    return jnp.moveaxis(jax.lax.scan(advance, carry, prefix.T)[1], 0, 2)


@functools.partial(jax.jit, static_argnames=("name",))
def likeliest(params, *, name):
    """Words by greedy decoding, `[batch, steps]`."""
    apply = functools.partial(MODELS[name].apply, {"params": params})
    memory, carry = apply(SOURCE, LENGTHS, method="encode")
    return greedy(functools.partial(apply, memory, method="step"), carry, jnp.full(3, 2), STEPS, end=3)[1]


@pytest.mark.parametrize("name", MODELS)
def test_steps_are_the_whole(name):
    """One step after another gives what all steps at once give, in each place of a beam; and padding of the source,
    whatever stands in it, has no effect."""
    whole = logits(params(name), PAIR, LENGTHS, name=name)
    padding = np.arange(TIME) >= LENGTHS[:, None]
    wide = np.concatenate([np.where(padding, 5, SOURCE), np.full((3, 2), 6, np.int32)], axis=1)
    steps = one_by_one(params(name), wide, PREFIX, LENGTHS, name=name)
    for place in range(2):
        np.testing.assert_allclose(steps[:, place], whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["general", "none, one direction"])
def test_words_depend_on_the_source_and_on_what_came_before(name):
    """Later words of the prefix change nothing; earlier ones, and the source, do."""
    whole = logits(params(name), PAIR, LENGTHS, name=name)
    later = PREFIX.copy()
    later[:, 2] = 4 + (later[:, 2] - 3) % 3
    changed = logits(params(name), PAIR._replace(prefix=later), LENGTHS, name=name)
    np.testing.assert_array_equal(changed[:, :2], whole[:, :2])
    assert (np.abs(changed[:, 2:] - whole[:, 2:]).max(-1) > 1e-4).all()
    other = PAIR._replace(source=4 + (SOURCE - 3) % 3)
    assert (np.abs(logits(params(name), other, LENGTHS, name=name) - whole).max(-1) > 1e-5).all()


def test_maps_of_attention_are_those_of_the_decoder():
    """Weights of each step sum to one over the source, and are zero past its length."""
    run = jax.jit(functools.partial(MODELS["additive, fed"].apply, method="weights"))
    weights = run({"params": params("additive, fed")}, PAIR, LENGTHS)
    assert weights.shape == (3, STEPS, TIME)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert not np.swapaxes(weights, 1, 2)[np.arange(TIME) >= LENGTHS[:, None]].any()
    with pytest.raises(InputError, match="attention"):
        MODELS["none, one direction"].apply({"params": params("none, one direction")}, PAIR, LENGTHS, method="weights")


def test_scheduled_sampling(name="general"):
    """Never its own word is teacher forcing; always its own word is what greedy decoding feeds, whatever the prefix."""
    model = MODELS[name].clone(scheduled=True)
    run = jax.jit(
        lambda pair: model.apply({"params": params(name)}, pair, LENGTHS, rngs={"dropout": jax.random.key(5)})
    )
    np.testing.assert_allclose(run(PAIR)[1], logits(params(name), PAIR, LENGTHS, name=name), rtol=1e-5, atol=1e-6)
    said = likeliest(params(name), name=name)
    fed = np.concatenate([PREFIX[:, :1], said[:, :-1]], axis=1)
    expected = logits(params(name), PAIR._replace(prefix=fed), LENGTHS, name=name)
    found = run(PAIR._replace(own=np.ones(3, np.float32)))[1]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert not np.array_equal(fed, PREFIX)


def test_a_beam_of_one_is_greedy_decoding():
    beams = decoder(MODELS["general"], 1, STEPS, 1.0, 2, 3)(params("general"), SOURCE, LENGTHS)
    said = likeliest(params("general"), name="general")
    for row, length in enumerate(beams.lengths[:, 0]):
        np.testing.assert_array_equal(beams.tokens[row, 0, :length], said[row, :length])


def owners(tree, at=()):
    """Where parameters lie under "cell", as paths."""
    here = ["/".join(at)] if "cell" in tree else []
    below = (owners(branch, (*at, name)) for name, branch in sorted(tree.items()) if isinstance(branch, dict))
    return here + [path for paths in below for path in paths if not path.endswith("cell")]


def test_parameters_of_recurrent_layers_lie_under_cell():
    """Two in the encoder and one in the decoder; with a shared cell none in the decoder."""
    assert owners(params("general")) == ["decoder", "encoder/backward", "encoder/forward"]
    assert owners(params("shared")) == ["encoder/backward", "encoder/forward"]


@pytest.mark.parametrize("model", [MODELS["general"], TransformerEncoderDecoder(WORDS, WORDS, 4, heads=2)])
def test_word_vectors_can_be_disturbed(model):
    """Those of the source pass through `perturb`, once, so that noise can be added to them."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), PAIR, LENGTHS)["perturbations"]
    assert jax.tree.map(lambda leaf: leaf.shape, shapes) == {"features": (3, TIME, 4)}


def test_residual_stack():
    """Every layer but the lowest adds its input; other cells are as they were."""
    assert with_residuals(Stack((GRU(3), GRU(3)))) == Stack((GRU(3), Residual(GRU(3))))
    assert with_residuals(GRU(3)) == GRU(3)


def test_dropout_needs_its_stream():
    """With random numbers masks are drawn, other ones from other numbers; `logits` are those without."""
    model = MODELS["general"].clone(dropout=0.5)
    plain = logits(params("general"), PAIR, LENGTHS, name="general")
    run = jax.jit(lambda key: model.apply({"params": params("general")}, PAIR, LENGTHS, rngs={"dropout": key})[1])
    one, other = run(jax.random.key(0)), run(jax.random.key(1))
    assert not np.allclose(one, other) and not np.allclose(one, plain)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_rise_to_their_bound(schedule):
    """From (nearly) nothing to the largest share, never falling; epsilon of the paper is one minus it."""
    shares = [own_share(schedule, update, speed=50.0, most=0.4) for update in range(0, 1000, 10)]
    assert shares == sorted(shares) and max(shares) == (0.0 if schedule == "none" else 0.4)
    if schedule not in ("none", "fixed"):
        assert shares[0] <= 1 / 50 and len(set(shares)) > 2
    for update in (0, 7, 90):
        epsilon = {
            "linear": 1 - update / 50,
            "exponential": np.exp(-1 / 50) ** update,
            "inverse_sigmoid": 50 / (50 + np.exp(update / 50)),
        }.get(schedule)
        if epsilon is not None:
            assert own_share(schedule, update, 50.0, 1.0) == pytest.approx(min(1 - epsilon, 1.0))


def test_bad_input_is_named():
    key = jax.random.key(0)
    wrong = {
        "attention": EncoderDecoder(GRU(3), WORDS, WORDS, attention="cosine"),
        "shared_words": EncoderDecoder(GRU(3), WORDS, WORDS + 1),
        "shared_cell": EncoderDecoder(GRU(3), WORDS, WORDS, shared_cell=True, feed=True),
    }
    for argument, model in wrong.items():
        with pytest.raises(InputError, match=argument):
            jax.eval_shape(model.init, key, PAIR, LENGTHS)
    with pytest.raises(InputError, match='expected "general"'):
        jax.eval_shape(EncoderDecoder(GRU(3), WORDS, WORDS, attention="dot").init, key, PAIR, LENGTHS)
    with pytest.raises(InputError, match="speed"):
        own_share("linear", 0, 0.0)


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("cell", sorted(rnnjax.cells.REGISTRY))
def test_any_cell_can_read_and_write(cell):
    """Steps are the whole for every registered cell that takes a sequence of vectors."""
    made = rnnjax.cells.get(cell, 8)
    if made.spatial_axes:
        pytest.skip("reads images")
    model = EncoderDecoder(made, WORDS, WORDS, 8)
    variables = jax.jit(model.init)(jax.random.key(0), PAIR, LENGTHS)
    whole = jax.jit(model.apply)({"params": variables["params"]}, PAIR, LENGTHS)[1]
    assert np.isfinite(whole).all()
    apply = functools.partial(model.apply, {"params": variables["params"]})

    @jax.jit
    def steps():
        memory, carry = apply(SOURCE, LENGTHS, method="encode")
        return jax.lax.scan(lambda c, w: apply(memory, c, w, method="step"), carry, PREFIX.T)[1]

    np.testing.assert_allclose(jnp.moveaxis(steps(), 0, 1), whole, rtol=1e-3, atol=1e-4)
