"""Disturbances: none at strength zero, the attack's first order, words that are missing or wrong."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import Elman
from rnnjax.applications.music import Music
from rnnjax.errors import InputError
from rnnjax.models import RecurrentReadout
from rnnjax.models.layers import Embedding, Recurrent, pool
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import cross_entropy, masked_mean
from rnnjax.training.robustness import (
    drop_tokens,
    feature_gradients,
    fgsm,
    noisy,
    robustness,
    robustness_section,
    swap_tokens,
)

KEY = jax.random.key(0)
LENGTHS = np.array([7, 3, 5, 0], np.int32)
WORDS = 12
TOKENS = np.where(np.arange(7) < LENGTHS[:, None], np.random.default_rng(0).integers(2, WORDS, (4, 7)), 0)


class Reader(nn.Module):
    """Words to one of three classes."""

    @nn.compact
    def __call__(self, inputs, lengths, carry=None):
        xs = self.perturb("features", Embedding(WORDS, 5, scale=1.0)(inputs))
        _, ys = Recurrent(Elman(6))(xs, lengths, carry)
        return None, nn.Dense(3)(pool(ys, lengths, "mean"))


BATCH = Batch(TOKENS, np.array([0, 2, 1, 0]), np.array([1, 1, 1, 0], np.float32), LENGTHS)
MODEL = Reader()
PARAMS = jax.jit(MODEL.init)(KEY, BATCH.inputs, BATCH.lengths)["params"]


def loss(outputs, batch):
    return masked_mean(cross_entropy(outputs, batch.targets), batch.mask)


@jax.jit
def attacked(epsilon):
    return fgsm(MODEL, PARAMS, BATCH, loss, epsilon)


@jax.jit
def noised(key, std):
    return noisy(MODEL, PARAMS, BATCH, key, std)


def test_strength_zero_changes_nothing():
    plain = jax.jit(MODEL.apply)({"params": PARAMS}, BATCH.inputs, BATCH.lengths)[1]
    for outputs in (attacked(0.0), noised(KEY, 0.0)):
        np.testing.assert_allclose(outputs, plain, atol=1e-6)
    for change in (drop_tokens, swap_tokens):
        np.testing.assert_array_equal(change(BATCH, KEY, 0.0).inputs, TOKENS)


def test_the_attack_raises_the_loss_by_epsilon_times_the_norm():
    """To first order, and more than noise of the same size does; a row that does not count has no gradient."""
    clean = float(loss(attacked(0.0), BATCH))
    gradient = jax.jit(lambda: feature_gradients(MODEL, PARAMS, BATCH, loss))()["features"]
    norm = float(jnp.abs(gradient).sum())
    for epsilon in (1e-3, 4e-3):
        rise = float(loss(attacked(epsilon), BATCH)) - clean
        assert rise == pytest.approx(epsilon * norm, rel=0.05) and rise > 0
    assert not np.asarray(gradient)[np.arange(7) >= LENGTHS[:, None]].any()
    signs = [float(loss(noised(jax.random.key(seed), 0.1), BATCH)) - clean for seed in range(20)]
    assert max(signs) < float(loss(attacked(0.1), BATCH)) - clean


@pytest.mark.exhaustive
@pytest.mark.slow
def test_noise_is_gaussian_and_drawn_from_its_key():
    """Its effect grows with its size; the same key, the same noise."""
    plain = noised(KEY, 0.0)
    effect = [
        np.mean([np.abs(noised(jax.random.key(s), std) - plain).mean() for s in range(10)]) for std in (0.01, 0.1)
    ]
    assert effect[1] == pytest.approx(10 * effect[0], rel=0.3)
    np.testing.assert_array_equal(noised(KEY, 0.1), noised(KEY, 0.1))
    assert np.abs(noised(KEY, 0.1) - noised(jax.random.key(1), 0.1)).max() > 0


def test_dropped_words_are_unknown_at_the_rate_asked_for():
    all_gone = drop_tokens(BATCH, KEY, 1.0).inputs
    np.testing.assert_array_equal(all_gone, np.where(TOKENS >= 2, 1, TOKENS))
    many = BATCH._replace(inputs=np.full((50, 80), 5))
    assert np.mean(drop_tokens(many, KEY, 0.3).inputs == 1) == pytest.approx(0.3, abs=0.03)


def test_swapped_words_are_those_of_the_batch():
    """With all of them swapped, their frequencies stay; paddings stay where they are, and are not drawn."""
    swapped = np.asarray(swap_tokens(BATCH, KEY, 1.0).inputs)
    np.testing.assert_array_equal(swapped == 0, TOKENS == 0)
    assert set(np.unique(swapped)) <= set(np.unique(TOKENS)) and (swapped != TOKENS).any()
    many = np.random.default_rng(1).choice([2, 3, 4], (60, 60), p=[0.6, 0.3, 0.1])
    drawn = np.asarray(swap_tokens(BATCH._replace(inputs=many), KEY, 1.0).inputs)
    for word, share in ((2, 0.6), (3, 0.3), (4, 0.1)):
        assert (drawn == word).mean() == pytest.approx(share, abs=0.04)


def test_what_belongs_to_a_word_goes_with_it():
    """Characters `[batch, time, characters]` of a word that is dropped or swapped."""
    letters = np.stack([TOKENS * 10 * (TOKENS > 0), TOKENS * 10 + 1 * (TOKENS > 0)], -1)
    both = BATCH._replace(inputs={"words": TOKENS, "letters": letters})
    swapped = swap_tokens(both, KEY, 0.7).inputs
    np.testing.assert_array_equal(swapped["letters"][..., 0], swapped["words"] * 10)
    dropped = drop_tokens(both, KEY, 1.0).inputs
    np.testing.assert_array_equal(dropped["letters"], np.where(letters >= 2, 1, letters))


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    import json

    draw = np.random.default_rng(0)
    pieces = [[[60 + int(note)] for note in draw.integers(0, 12, 6)] for _ in range(6)]
    path = tmp_path_factory.mktemp("music") / "tunes.json"
    path.write_text(json.dumps({"train": pieces[:2], "valid": pieces[2:4], "test": pieces[4:]}))
    application = Music(data=str(path))
    model = application.model(Elman(3))
    params = jax.jit(model.init)(KEY, np.zeros((1, 2, 88), np.float32))["params"]
    return application, model, params


def test_an_application_is_evaluated_at_each_strength(music):
    """Undisturbed as `evaluate` has it; an attack costs the more, the stronger it is; the report shows all."""
    application, model, params = music
    found = robustness(application, model, params, {"fgsm": (0.05, 0.2), "noise": (0.0, 0.5)}, batch_size=2)
    assert [(row.kind, row.strength) for row in found] == [
        ("none", 0), ("fgsm", 0.05), ("fgsm", 0.2), ("noise", 0), ("noise", 0.5)
    ]  # fmt: skip
    plain = application.evaluate(model, params, "test").metrics
    for row in (found[0], found[3]):
        assert row.metrics == pytest.approx(plain, rel=1e-5)
    assert found[0].metrics["loss"] < found[1].metrics["loss"] < found[2].metrics["loss"]
    section = robustness_section(found, "loss", baseline=9.0)
    assert len(section.figures) == 1 and len(section.tables[0][1]) == 5


def test_errors_name_the_argument(music):
    application, model, params = music
    with pytest.raises(InputError, match="strengths"):
        robustness(application, model, params, {"blur": (1.0,)})
    with pytest.raises(InputError, match="strengths"):
        robustness(application, model, params, {"noise": (-1.0,)})
    with pytest.raises(InputError, match="tokens"):
        robustness(application, model, params, {"dropped": (0.1,)})
    with pytest.raises(InputError, match="perturb"):
        noisy(RecurrentReadout(Elman(2), 2), {}, BATCH._replace(inputs=np.zeros((4, 7, 3), np.float32)), KEY, 0.1)
