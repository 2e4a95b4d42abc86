"""The sampled softmax against the full one."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax import InputError
from rnnjax.models.softmax import draw, log_uniform, sampled_softmax, unigram

CLASSES, FEATURES, ROWS = 30, 4, 6
_rng = np.random.default_rng(0)
HIDDEN = jnp.asarray(_rng.normal(size=(2, 3, FEATURES)), jnp.float32)
KERNEL = jnp.asarray(_rng.normal(size=(CLASSES, FEATURES)), jnp.float32)
BIAS = jnp.asarray(_rng.normal(size=CLASSES), jnp.float32)
TARGETS = jnp.asarray(_rng.integers(0, CLASSES, (2, 3)))
PROPOSALS = {"log_uniform": log_uniform(CLASSES), "unigram": unigram(_rng.integers(0, 50, CLASSES))}


def full(hidden, kernel, bias):
    return optax.softmax_cross_entropy_with_integer_labels(hidden @ kernel.T + bias, TARGETS)


def test_with_each_class_once_it_is_the_full_softmax():
    """Loss and all gradients, in whatever order the classes come."""
    order = jnp.asarray(np.random.default_rng(1).permutation(CLASSES))

    def sampled(hidden, kernel, bias):
        return sampled_softmax(hidden, kernel, bias, TARGETS, order, jnp.zeros(CLASSES))

    def with_gradients(loss):
        summed = lambda *given: (loss(*given).sum(), loss(*given))  # noqa: E731
        return jax.jit(jax.value_and_grad(summed, (0, 1, 2), has_aux=True))(HIDDEN, KERNEL, BIAS)

    ((_, losses), found), ((_, whole), wanted) = with_gradients(sampled), with_gradients(full)
    np.testing.assert_allclose(losses, whole, rtol=2e-5)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@functools.partial(jax.jit, static_argnames=("count", "draws"))
def means(key, proposal, count, draws):
    """The mean of the loss and of the gradient with respect to kernel and bias, over many samples."""

    def one(key):
        samples = draw(key, proposal, count)
        log_counts = jnp.log(count * proposal)[samples]
        loss = lambda kernel, bias: sampled_softmax(HIDDEN, kernel, bias, TARGETS, samples, log_counts).mean()  # noqa: E731
        return jax.value_and_grad(loss, (0, 1))(KERNEL, BIAS)

    return jax.tree.map(lambda leaf: leaf.mean(0), jax.lax.map(one, jax.random.split(key, draws)))


@pytest.mark.parametrize("name", PROPOSALS)
def test_its_gradient_tends_to_the_full_one(name):
    """The distance of the mean gradient falls with the number of samples: the bias about with one over it."""
    wanted = jax.jit(jax.grad(lambda kernel, bias: full(HIDDEN, kernel, bias).mean(), (0, 1)))(KERNEL, BIAS)
    size = float(optax.tree.norm(wanted))
    distances = []
    for count, draws in ((20, 3000), (2000, 600)):
        _, found = means(jax.random.key(1), jnp.asarray(PROPOSALS[name], jnp.float32), count, draws)
        distances.append(float(optax.tree.norm(jax.tree.map(jnp.subtract, found, wanted))) / size)
    assert distances[1] < 0.02 and distances[1] < distances[0] / 20


def test_the_sum_is_estimated_without_bias():
    """exp(loss) is the estimate of Z / exp(s_y): its mean over many draws is the full softmax's."""
    proposal = jnp.asarray(PROPOSALS["unigram"], jnp.float32)

    def ratio(key):
        samples = draw(key, proposal, 50)
        return jnp.exp(sampled_softmax(HIDDEN, KERNEL, BIAS, TARGETS, samples, jnp.log(50 * proposal)[samples]))

    found = jax.jit(jax.vmap(ratio))(jax.random.split(jax.random.key(2), 4000))
    wanted = np.exp(full(HIDDEN, KERNEL, BIAS))
    error = np.asarray(found.std(0)) / np.sqrt(len(found))
    assert (np.abs(np.asarray(found.mean(0)) - wanted) < 4.5 * error).all()


def test_a_target_among_the_samples_counts_once():
    target = TARGETS[0, 0]
    loss = lambda h: sampled_softmax(h, KERNEL, BIAS, target, jnp.full(5, target), jnp.zeros(5))  # noqa: E731
    found, gradient = jax.jit(jax.value_and_grad(loss))(HIDDEN[0, 0])
    assert float(found) == 0.0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("name", PROPOSALS)
def test_draws_follow_the_proposal(name):
    from scipy.stats import chi2

    proposal, count = PROPOSALS[name], 20_000
    assert proposal.sum() == pytest.approx(1) and (proposal > 0).all()
    drawn = np.asarray(draw(jax.random.key(0), proposal, count))
    assert (drawn == draw(jax.random.key(0), jnp.asarray(proposal), count)).mean() > 0.999  # summed in float32
    found = np.bincount(drawn, minlength=CLASSES)
    distance = ((found - count * proposal) ** 2 / (count * proposal)).sum()
    assert distance < chi2.ppf(0.999, CLASSES - 1)


def test_proposals_as_they_are_written():
    ks = np.arange(10)
    np.testing.assert_allclose(log_uniform(10), np.log((ks + 2) / (ks + 1)) / np.log(11))
    np.testing.assert_allclose(unigram([3, 1, 0], 0.5), np.sqrt([3, 1, 1]) / np.sqrt([3, 1, 1]).sum())


@pytest.mark.parametrize(
    ("argument", "call"),
    [("classes", lambda: log_uniform(0)), ("counts", lambda: unigram([])), ("counts", lambda: unigram([1, -1]))],
)
def test_bad_input_is_named(argument, call):
    with pytest.raises(InputError) as error:
        call()
    assert error.value.argument == argument
