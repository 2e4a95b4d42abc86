"""The classifier: a padded text gives what the text gives, rows do not touch, masks need a key."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU
from rnnjax.models.classifier import ConvolutionAndPooling, SequenceClassifier

IDS = np.random.default_rng(0).integers(2, 20, (3, 7)).astype(np.int32)
LENGTHS = np.array([7, 3, 4], np.int32)
OPTIONS = {
    "max": dict(),
    "both-mean": dict(bidirectional=True, pooling="mean"),
    "filters-last": dict(filters=5, bidirectional=True, pooling="last"),
}


@functools.lru_cache
def made(name):
    options = OPTIONS[name]
    model = SequenceClassifier(GRU(4), 20, 3, embedding=6, input_dropout=0.5, **options)
    params = model.init(jax.random.key(0), IDS, LENGTHS)["params"]
    return model, params, jax.jit(lambda ids, lengths: model.apply({"params": params}, ids, lengths)[1])


@pytest.mark.parametrize("name", OPTIONS)
def test_padding_has_no_effect(name):
    _, _, apply = made(name)
    whole = apply(IDS, LENGTHS)
    assert whole.shape == (3, 3) and whole.dtype == jnp.float32
    filled = np.where(np.arange(7) < LENGTHS[:, None], IDS, 19)
    np.testing.assert_array_equal(apply(filled, LENGTHS), whole)
    short = apply(IDS[1:, :4], LENGTHS[1:])
    np.testing.assert_allclose(short, whole[1:], atol=1e-6)  # other shapes, other orders of summation


def test_parameters_have_their_places():
    _, params, _ = made("filters-last")
    assert set(params) == {"embedding", "convolution", "recurrent", "readout"}
    assert set(params["recurrent"]) == {"forward", "backward"} and set(params["recurrent"]["forward"]) == {"cell"}
    assert set(made("max")[1]["recurrent"]) == {"cell"}


def test_a_convolution_keeps_the_largest_of_two_steps():
    layer = ConvolutionAndPooling(4)
    xs = jax.random.normal(jax.random.key(1), (2, 5, 3))
    lengths = np.array([5, 2], np.int32)
    params = layer.init(jax.random.key(0), xs, lengths)
    ys, halves = layer.apply(params, xs, lengths)
    assert halves.tolist() == [3, 1] and ys.shape == (2, 3, 4)
    kernel, bias = params["params"]["filters"]["kernel"], params["params"]["filters"]["bias"]
    padded = np.pad(np.asarray(xs[0]), [(2, 2), (0, 0)])
    steps = [np.einsum("wi,wio->o", padded[t : t + 5], kernel) + bias for t in range(5)]
    rectified = np.maximum([*steps, np.zeros(4)], 0)
    np.testing.assert_allclose(ys[0], rectified.reshape(3, 2, 4).max(1), atol=1e-5)
    assert not np.asarray(ys[1, 1:]).any()


def test_masks_need_a_key():
    model, params, apply = made("max")
    keyed = [
        model.apply({"params": params}, IDS, LENGTHS, rngs={"dropout": jax.random.key(seed)})[1] for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(keyed[0], keyed[1])
    assert not np.allclose(keyed[0], keyed[2]) and not np.allclose(keyed[0], apply(IDS, LENGTHS))


def test_what_is_read_can_be_perturbed():
    """Adding to the vectors of words is what changing the table is."""
    model, params, apply = made("max")
    shift = jnp.full((3, 7, 6), 0.1)
    table = params["embedding"]["table"]["embedding"] + 0.1
    moved = params | {"embedding": {"table": {"embedding": table}}}
    added = model.apply({"params": params, "perturbations": {"features": shift}}, IDS, LENGTHS)[1]
    np.testing.assert_allclose(added, model.apply({"params": moved}, IDS, LENGTHS)[1], atol=1e-6)
    assert not np.allclose(added, apply(IDS, LENGTHS))
