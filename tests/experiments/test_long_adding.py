"""Adding at 500 steps: its claims, its presets, the bound of its IndRNN, and a toy run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_up_runs import end_to_end, held, presets_survive, row

from experiments.long_adding import EXPERIMENT, PRESETS, Config, networks
from experiments.parts.bounded_indrnn import BoundedIndRNN, indrnn_layers
from experiments.parts.bounded_indrnn import held as bounded
from rnnjax import IndRNN
from rnnjax.errors import InputError

NETWORKS = tuple(networks(PRESETS["laptop"]))


def summary(tanh, others):
    """A summary from the row of the tanh network and that of all others."""
    runs = {name: tanh if name == "tanh" else others for name in NETWORKS}
    return {"seeds": [0, 1], "length": 500, "batch_size": 20, "baseline": 1 / 6, "runs": runs}


def test_each_claim_can_hold_and_can_fail():
    never, soon = row(None, None, best=0.16), row(1200, 1800)
    assert all(held(EXPERIMENT, summary(never, soon)))
    assert not any(held(EXPERIMENT, summary(soon, never)))


def test_presets_are_on_file():
    assert presets_survive(EXPERIMENT)


def test_the_bound_is_where_descent_leads_no_further():
    """Values are clipped; the gradient of what lies on or over the bound is zero only outward."""
    u = jnp.array([-1.5, -1.0, 0.3, 1.0, 1.5])
    np.testing.assert_array_equal(bounded(u, 1.0), [-1.0, -1.0, jnp.float32(0.3), 1.0, 1.0])
    inward = jnp.sign(u)  # descent moves against the gradient
    for slope, expected in ((inward, inward), (-inward, [0.0, 0.0, -1.0, 0.0, 0.0])):
        np.testing.assert_array_equal(jax.grad(lambda u, s=slope: jnp.sum(s * bounded(u, 1.0)))(u), expected)


def test_within_the_bound_it_is_an_indrnn():
    """The same step from the same parameters, and none that multiplies by more than the bound."""
    cell, plain = BoundedIndRNN(4, bound=0.5), IndRNN(4)
    params = cell.init(jax.random.key(0), 3)
    params["recurrent_vector"] = jnp.array([-0.4, 0.1, 0.3, 2.0])
    carry, x = cell.initial_carry()._replace(h=jnp.ones(4)), jnp.ones(3)
    ours, theirs = (each.step(params, carry, x)[1] for each in (cell, plain))
    np.testing.assert_array_equal(ours[:3], theirs[:3])
    assert ours[3] == jnp.maximum(theirs[3] - 1.5, 0)
    with pytest.raises(InputError, match=r"BoundedIndRNN\.bound"):
        BoundedIndRNN(4, bound=0.0)


def test_the_last_layer_of_an_indrnn_remembers_from_the_start():
    """|u|^T lies in [1/2, 2] in the last layer, and below 2 in the others."""
    for index, layer in enumerate(indrnn_layers(64, 3, 50)):
        u = layer.init(jax.random.key(index), 2)["recurrent_vector"] ** 50
        assert u.max() <= 2 * (1 + 1e-4) and (u.min() >= 0.5 * (1 - 1e-4)) == (index == 2)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_toy_run_goes_from_end_to_end(tmp_path):
    config = Config(
        length=10,
        hidden=4,
        seeds=(0, 1),
        batch_size=4,
        steps=4,
        extended=("GRU",),
        cornn_steps=4,
        extended_steps=6,
        indrnn_steps=6,
        evaluate_every=2,
        evaluation_size=8,
        processes=1,
    )
    found = end_to_end(EXPERIMENT, config, tmp_path / "run")
    assert set(found["runs"]) == set(NETWORKS)
