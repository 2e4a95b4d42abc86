"""Self-attention over states: one set of parameters for full and local, padding without effect, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.models.self_attention import KINDS, SelfAttention

STATES = np.random.default_rng(0).standard_normal((2, 9, 6)).astype(np.float32)
LENGTHS = np.array([9, 5])


def made(kind, **options):
    module = SelfAttention(2, kind, **{"window": 9, "buckets": 1} | options)
    return module, jax.jit(module.init)(jax.random.key(0), STATES)


def test_kinds_agree_where_they_see_everything():
    """Full and local from the same parameters; those of Flax's own module give the same."""
    import flax.linen as nn

    full, params = made("full")
    found = jax.jit(full.apply)(params, STATES, LENGTHS)
    local = SelfAttention(2, "local", window=9)
    np.testing.assert_allclose(jax.jit(local.apply)(params, STATES, LENGTHS), found, atol=1e-6)
    seen = (np.arange(9) < LENGTHS[:, None])[:, None, None, :]
    theirs = jax.jit(nn.MultiHeadDotProductAttention(2).apply)(params, STATES, mask=jnp.asarray(seen))
    np.testing.assert_allclose(found[0], theirs[0], atol=1e-6)
    np.testing.assert_allclose(found[1, :5], theirs[1, :5], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_later_steps_have_no_effect(kind):
    module, params = made(kind, causal=True, window=3)
    apply = jax.jit(lambda states, lengths: module.apply(params, states, lengths))
    found = apply(STATES, LENGTHS)
    assert found.shape == STATES.shape and not np.asarray(found[1, 5:]).any()
    changed = STATES.copy()
    changed[1, 5:] = 7.0
    np.testing.assert_array_equal(apply(changed, LENGTHS), found)
    changed = STATES.copy()
    changed[:, 4:] += 1.0
    if kind != "lsh":  # what is sorted together with other steps has other chunks
        np.testing.assert_allclose(apply(changed, LENGTHS)[:, :4], found[:, :4], atol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_hashes_are_fixed_unless_drawn():
    module, params = made("lsh", window=3, buckets=4, rounds=1)
    draw = jax.jit(lambda key: module.apply(params, STATES, rngs={"dropout": key}))
    drawn = [draw(jax.random.key(seed)) for seed in (0, 1, 2, 0)]
    np.testing.assert_array_equal(drawn[0], drawn[3])
    assert any(np.abs(np.asarray(each) - np.asarray(drawn[0])).max() > 1e-4 for each in drawn)


def test_errors_name_the_argument():
    for options in (dict(kind="global"), dict(heads=4)):
        with pytest.raises(InputError, match=r"SelfAttention\."):
            SelfAttention(**options).init(jax.random.key(0), STATES)
