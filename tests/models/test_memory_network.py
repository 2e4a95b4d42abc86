"""The memory network: its laws, and a question that needs the story."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax.errors import InputError
from rnnjax.models.memory_network import MemoryNetwork, position_weights

PEOPLE, PLACES = range(1, 5), range(5, 11)
WENT, WHERE = 11, 12
WORDS, SENTENCES = 13, 6


def stories(seed, count):
    """Sentences "person went place"; the answer is the place to which the person asked for went last."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(2, SENTENCES + 1, count)
    story = np.zeros((count, SENTENCES, 3), np.int32)
    question, answers = np.zeros((count, 2), np.int32), np.zeros(count, np.int32)
    for row, length in enumerate(lengths):
        who, place = draw.choice(PEOPLE, length), draw.choice(PLACES, length)
        story[row, :length] = np.stack([who, np.full(length, WENT), place], 1)
        asked = draw.choice(who)
        question[row] = WHERE, asked
        answers[row] = place[np.flatnonzero(who == asked)[-1]]
    return (story, question), lengths.astype(np.int32), answers


def learned(hops, updates=300):
    """The test accuracy after training."""
    model = MemoryNetwork(WORDS, 16, hops, SENTENCES)
    inputs, lengths, answers = stories(0, 2000)
    params = jax.jit(model.init)(jax.random.key(0), inputs, lengths)["params"]
    optimizer = optax.adam(1e-2)

    def loss(params, rows):
        story, question = (jnp.asarray(leaf)[rows] for leaf in inputs)
        _, logits = model.apply({"params": params}, (story, question), jnp.asarray(lengths)[rows])
        return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(answers)[rows]).mean()

    def update(state, key):
        params, moments = state
        changes, moments = optimizer.update(jax.grad(loss)(params, jax.random.randint(key, (64,), 0, 2000)), moments)
        return (optax.apply_updates(params, changes), moments), None

    train = jax.jit(lambda params, keys: jax.lax.scan(update, (params, optimizer.init(params)), keys)[0][0])
    params = train(params, jax.random.split(jax.random.key(1), updates))
    inputs, lengths, answers = stories(1, 1000)
    _, logits = jax.jit(model.apply)({"params": params}, inputs, lengths)
    return float((np.argmax(logits, -1) == answers).mean())


def test_it_learns_what_no_network_without_memory_can():
    """One supporting fact, the last one about a person. What knows the question alone is right as often as the most
    frequent answer to it."""
    assert learned(hops=1) > 0.95
    (_, question), _, answers = stories(1, 1000)
    most = [np.bincount(answers[question[:, 1] == person]).max() for person in PEOPLE]
    assert sum(most) / 1000 < 0.3


def test_no_hop_is_no_memory():
    (story, question), lengths, _ = stories(2, 5)
    model = MemoryNetwork(WORDS, 8, 0, SENTENCES)
    rng = np.random.default_rng(0)
    params = {"table_0": rng.standard_normal((WORDS, 8)), "places_0": rng.standard_normal((SENTENCES, 8))}
    apply = jax.jit(lambda each: model.apply({"params": params}, (each, question), lengths)[1])
    one, other = apply(story), apply(story[::-1])
    np.testing.assert_array_equal(one, other)


def test_padding_and_empty_sentences_have_no_effect():
    model = MemoryNetwork(WORDS, 8, 2, 9)
    (story, question), lengths, _ = stories(2, 5)
    params = jax.jit(model.init)(jax.random.key(0), (story, question), lengths)
    apply = jax.jit(lambda *given: model.apply(params, *given)[1])
    found = apply((story, question), lengths)
    longer = np.pad(story, ((0, 0), (0, 3), (0, 2)))
    np.testing.assert_allclose(apply((longer, question), lengths), found, atol=1e-6)
    np.testing.assert_allclose(apply((longer, question)), found, atol=1e-6)
    empty = apply((story, question), np.zeros(5, np.int32))
    alone = apply((np.zeros_like(longer), question))
    np.testing.assert_allclose(empty, alone, atol=1e-6)


def test_attention_is_a_distribution_over_the_sentences():
    model = MemoryNetwork(WORDS, 8, 3, SENTENCES)
    inputs, lengths, _ = stories(3, 4)
    params = jax.jit(model.init)(jax.random.key(0), inputs, lengths)["params"]
    apply = jax.jit(lambda params: model.apply({"params": params}, inputs, lengths, mutable=["intermediates"]))
    _, kept = apply(params)
    hops = kept["intermediates"]["attention"]
    assert len(hops) == 3
    for weights in hops:
        np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
        assert not np.asarray(weights)[np.arange(SENTENCES) >= lengths[:, None]].any()


def test_encodings_tell_orders_apart():
    """The words of each sentence, or the sentences, the other way round: the same only without the encoding."""
    (story, question), _, _ = stories(4, 3)
    story = story[:, :2]
    params = jax.jit(MemoryNetwork(WORDS, 8, 2, SENTENCES, scale=1.0).init)(jax.random.key(0), (story, question))
    for option, axis in (("position_encoding", 2), ("temporal_encoding", 1)):
        for given in (True, False):
            model = MemoryNetwork(WORDS, 8, 2, SENTENCES, **{option: given})
            apply = jax.jit(lambda each, model=model: model.apply(params, (each, question))[1])
            assert (np.abs(apply(story) - apply(np.flip(story, axis))).max() < 1e-4) == (not given)


def test_position_weights_are_the_papers():
    count, width = 4, 3
    expected = [[(1 - j / 4) - (k / 3) * (1 - 2 * j / 4) for k in (1, 2, 3)] for j in (1, 2, 3, 4)]
    np.testing.assert_allclose(position_weights(count, width), expected, rtol=1e-6)
    np.testing.assert_allclose(position_weights(6, width, np.array([4]))[0, :4], expected, rtol=1e-6)


def test_errors_name_the_argument():
    (story, question), _, _ = stories(5, 2)
    with pytest.raises(InputError, match="story"):
        MemoryNetwork(WORDS, 4, 1, sentences=3).init(jax.random.key(0), (story, question))
    with pytest.raises(InputError, match="inputs"):
        MemoryNetwork(WORDS, 4).init(jax.random.key(0), (story[0], question))
