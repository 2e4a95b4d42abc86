"""What one target costs, against numpy."""

import jax.numpy as jnp
import numpy as np

from rnnjax.tasks import losses

RNG = np.random.RandomState(0)


def normal(*shape):
    return jnp.asarray(RNG.randn(*shape), jnp.float32)


def test_cross_entropy_and_probability():
    logits, targets = normal(3, 4, 5), jnp.asarray(RNG.randint(5, size=(3, 4)))
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    chosen = np.take_along_axis(probability, np.asarray(targets)[..., None], -1)[..., 0]
    np.testing.assert_allclose(losses.cross_entropy(logits, targets), -np.log(chosen), rtol=1e-5)
    np.testing.assert_allclose(losses.target_probability(logits, targets), chosen, rtol=1e-5)
    np.testing.assert_array_equal(losses.misclassified(logits, targets), logits.argmax(-1) != targets)


def test_binary_cross_entropy():
    logits, bits = normal(3, 4, 5), jnp.asarray(RNG.randint(2, size=(3, 4, 5)))
    probability = 1 / (1 + np.exp(-logits))
    expected = -np.log(np.where(bits == 1, probability, 1 - probability)).mean(-1)
    np.testing.assert_allclose(losses.binary_cross_entropy(logits, bits), expected, rtol=1e-5)


def test_squared_error():
    outputs, targets = normal(3, 4), normal(3, 4)
    np.testing.assert_allclose(losses.squared_error(outputs, targets), ((outputs - targets) ** 2).mean(-1), rtol=1e-6)


def test_masked_mean():
    values, mask = jnp.array([1.0, jnp.nan, 3.0, 7.0]), jnp.array([1.0, 0.0, 1.0, 0.0])
    assert losses.masked_mean(values, mask) == 2
    assert losses.masked_mean(values, 0 * mask) == 0


def test_the_certain_and_wrong_are_punished_but_not_infinitely():
    assert np.isfinite(losses.cross_entropy(jnp.array([1e4, -1e4]), jnp.array(1)))
    assert np.isfinite(losses.binary_cross_entropy(jnp.array([1e4]), jnp.array([0])))


def test_half_precision_is_widened():
    logits = jnp.zeros((4, 5), jnp.bfloat16)
    assert losses.cross_entropy(logits, jnp.zeros(4, int)).dtype == jnp.float32
    assert losses.squared_error(logits, logits).dtype == jnp.float32
    assert losses.masked_mean(jnp.ones(1000, jnp.bfloat16), jnp.ones(1000)) == 1


def test_a_nan_names_no_class():
    assert losses.misclassified(jnp.array([jnp.nan, 0.0]), jnp.array(0)) == 1


def test_what_is_legal_comes_first():
    legal = jnp.array([0, 1, 1, 0])
    assert losses.legal_first(jnp.array([0.1, 0.5, 0.3, 0.2]), legal)
    assert not losses.legal_first(jnp.array([0.1, 0.5, 0.3, 0.4]), legal)  # the second of two is not enough
    assert not losses.legal_first(jnp.array([0.1, 0.5, 0.3, 0.3]), legal)
    assert not losses.legal_first(jnp.array([jnp.nan, 0.5, 0.3, 0.2]), legal)
