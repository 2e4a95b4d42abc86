"""The forecaster: an untrained one forecasts its base, quantiles do not cross, every part is reached by gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import Elman
from rnnjax.models import Forecaster
from rnnjax.models.forecaster import ATTENTIONS, ordered

KEY = jax.random.key(0)
INPUTS = {
    "past": jax.random.normal(KEY, (3, 6, 2)),
    "known": jax.random.normal(jax.random.key(1), (3, 4, 5)),
    "base": jnp.zeros((3, 4)),
}
LENGTHS = jnp.full(3, 6)


@functools.cache
def made(attention, outputs=3, linear=2):
    """A model and parameters moved away from where they start."""
    model = Forecaster(Elman(4), 4, outputs, attention=attention, width=8, linear=linear)
    start = jax.jit(model.init)(KEY, INPUTS, LENGTHS)["params"]
    leaves, tree = jax.tree.flatten(start)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    moved = [leaf + 0.3 * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    return model, start, tree.unflatten(moved)


@functools.cache
def applied(attention):
    """The compiled model: `(params, inputs) -> (carry, outputs)`."""
    model = made(attention)[0]
    return jax.jit(lambda params, inputs: model.apply({"params": params}, inputs, LENGTHS))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_an_untrained_model_forecasts_the_base(attention):
    """The middle is zero, and quantiles lie at equal distances around it."""
    _, start, _ = made(attention)
    carry, outputs = applied(attention)(start, INPUTS)
    assert outputs.shape == (3, 4, 3)
    np.testing.assert_array_equal(outputs[..., 1], 0)
    np.testing.assert_allclose(outputs[..., 2], -outputs[..., 0])
    assert carry.h.shape == (3, 4)
    assert set(start["recurrent"]) == {"cell"}


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_rows_do_not_touch_each_other_and_every_parameter_matters(attention):
    model, _, params = made(attention)

    def first(params, inputs):
        return jnp.square(model.apply({"params": params}, inputs, None)[1][0]).sum()

    gradients, of_inputs = jax.jit(jax.grad(first, (0, 1)))(params, INPUTS)
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(gradients))
    for name in ("past", "known"):
        assert not of_inputs[name][1:].any() and of_inputs[name][0].any()


def test_what_is_known_of_a_step_changes_the_forecast_of_that_step_alone():
    _, _, params = made("additive")
    changed = INPUTS | {"known": INPUTS["known"].at[:, 2].add(1.0)}
    one, two = (applied("additive")(params, inputs)[1] for inputs in (INPUTS, changed))
    moved = np.abs(one - two).max(axis=(0, 2)) > 1e-6
    assert moved.tolist() == [False, False, True, False]


def test_attention_looks_at_the_states():
    """There are parameters for it, and gradients reach them, only where it was asked for."""
    assert "attention" not in made("none")[1]
    assert "attention" in made("additive")[1] and "attention" in made("multi_head")[1]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_quantiles_do_not_cross(count):
    raw = 10 * jax.random.normal(KEY, (50, count))
    values = ordered(raw)
    assert np.all(np.diff(values, axis=-1) >= 0)
    np.testing.assert_allclose(values[:, count // 2], raw[:, count // 2])


def test_features_can_be_perturbed():
    """What noise and attacks are added to is the past."""
    shapes = jax.eval_shape(made("none")[0].init, KEY, INPUTS, LENGTHS)
    assert shapes["perturbations"]["features"].shape == INPUTS["past"].shape
