"""What stands in the place of recurrent layers: steps with a state against the whole, windows, causality, padding."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU, InputError
from rnnjax.models.layers import Bidirectional, Recurrent
from rnnjax.models.sequence_layer import Blocks, SelfAttending, sequence_layer, side_by_side
from rnnjax.models.transformer import Transformer

XS = np.random.default_rng(0).standard_normal((2, 11, 3), np.float32)
LENGTHS = np.array([11, 6], np.int32)
BLOCKS = Blocks(8, layers=2, heads=2, span=4)
LAYER = SelfAttending(BLOCKS)


@functools.lru_cache
def drawn():
    """Parameters, all drawn at random; they are those of any span, and of blocks that see later steps."""
    shapes = jax.eval_shape(LAYER.init, jax.random.key(0), XS)["params"]
    rng = np.random.default_rng(1)
    return {"params": jax.tree.map(lambda leaf: 0.5 * rng.standard_normal(leaf.shape, np.float32), shapes)}


@functools.partial(jax.jit, static_argnames=("layer",))
def outputs(xs, lengths=None, *, layer=LAYER):
    return layer.apply(drawn(), xs, lengths)[1]


@jax.jit
def steps(carry, xs):
    return LAYER.apply(drawn(), xs, None, carry)


def test_steps_with_the_state_handed_on_are_the_whole():
    """In calls of one step and of several, over the ends of windows."""
    whole, carry, found = outputs(XS), BLOCKS.initial_carry((2,)), []
    for cut in (XS[:, :3], XS[:, 3:4], XS[:, 4:7], XS[:, 7:8], XS[:, 8:11]):
        carry, ys = steps(carry, cut)
        found.append(ys)
    np.testing.assert_allclose(np.concatenate(found, axis=1), whole, rtol=1e-4, atol=1e-5)
    assert int(carry.past.place[0]) <= 4


def test_windows_are_what_is_read_of_them_alone():
    """The first window whole, of each later one its last half, each as if nothing were around it."""
    whole = np.asarray(outputs(XS))
    np.testing.assert_allclose(whole[:, :4], outputs(XS[:, :4]), rtol=1e-4, atol=1e-5)
    for start in (2, 4, 6):
        alone = np.asarray(outputs(XS[:, start : start + 4]))
        np.testing.assert_allclose(whole[:, start + 2 : start + 4], alone[:, 2:], rtol=1e-4, atol=1e-5)
    short = SelfAttending(Blocks(8, layers=2, heads=2, span=99))
    inside = Transformer(8, layers=2, heads=2, causal=True, project=False)
    params = drawn()["params"]
    read = XS @ params["inner"]["kernel"] + params["inner"]["bias"]
    expected = inside.apply({"params": params["inside"]}, read)[1]
    np.testing.assert_allclose(outputs(XS, layer=short), expected, rtol=1e-4, atol=1e-5)


def test_what_each_step_sees():
    """Of causal blocks nothing later, windows or not; of others all."""
    later = XS.copy()
    later[:, 7] += 1
    for layer, sees in (
        (LAYER, False),
        (SelfAttending(Blocks(8, heads=2)), False),
        (SelfAttending(Blocks(8, heads=2), causal=False), True),
    ):
        one, other = np.asarray(outputs(XS, layer=layer)), np.asarray(outputs(later, layer=layer))
        assert np.allclose(one[:, :7], other[:, :7], atol=1e-6) is not sees
        assert np.abs(one[:, 7] - other[:, 7]).max() > 1e-3


def test_padding_has_no_effect():
    """What stands past a row's length changes nothing, not even NaN, no gradient either, and zeros come out there."""
    padded = np.where((np.arange(11) < LENGTHS[:, None])[..., None], XS, np.nan).astype(np.float32)
    for layer in (LAYER, SelfAttending(Blocks(8, heads=2), causal=False)):
        found = np.asarray(outputs(padded, LENGTHS, layer=layer))
        alone = np.asarray(outputs(np.stack([XS[1, :6]] * 2), layer=layer))
        np.testing.assert_allclose(found[1, :6], alone[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[0], outputs(XS, layer=layer)[0], rtol=1e-4, atol=1e-5)
        assert not found[1, 6:].any()
    slopes = jax.jit(jax.grad(lambda variables: LAYER.apply(variables, padded, LENGTHS)[1].sum()))(drawn())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


def test_a_layer_is_chosen_in_one_place():
    """The cell's layers under the names that they had, or blocks; both have one call."""
    assert isinstance(sequence_layer(GRU(4), name="x"), Recurrent)
    assert isinstance(sequence_layer(GRU(4), bidirectional=True, name="x"), Bidirectional)
    assert sequence_layer(BLOCKS, name="x").causal and not sequence_layer(BLOCKS, bidirectional=True, name="x").causal
    assert [side_by_side(cell, True) for cell in (GRU(4), BLOCKS)] == [True, False] and not side_by_side(GRU(4), False)


def test_dropout_needs_its_stream():
    layer = SelfAttending(Blocks(8, heads=2, dropout=0.5, span=4))
    np.testing.assert_array_equal(outputs(XS, layer=layer), outputs(XS))
    dropped = jax.jit(lambda key: layer.apply(drawn(), XS, rngs={"dropout": key})[1])(jax.random.key(0))
    assert not np.allclose(dropped, outputs(XS))


@pytest.mark.parametrize(
    ("argument", "how"),
    [("features", {"features": 0}), ("heads", {"heads": 3}), ("dropout", {"dropout": 1.0}), ("span", {"span": 0})],
)
def test_bad_numbers_are_named(argument, how):
    with pytest.raises(InputError) as error:
        Blocks(**{"features": 8} | how)
    assert error.value.argument == f"Blocks.{argument}"


def test_a_state_has_its_conditions():
    with pytest.raises(InputError, match="span"):
        Blocks(8).initial_carry((2,))
    carry = BLOCKS.initial_carry((2,))
    with pytest.raises(InputError, match="lengths"):
        LAYER.apply(drawn(), XS, jnp.asarray(LENGTHS), carry)
    with pytest.raises(InputError, match="carry"):
        SelfAttending(BLOCKS, causal=False).apply(drawn(), XS, None, carry)
