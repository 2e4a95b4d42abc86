"""Measures over a stack of parameters: each is what it is for that snapshot alone, from one compiled program."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from analysis.networks import network

from rnnjax import GRU, InputError
from rnnjax.analysis import (
    GradientFlow,
    gate_statistics,
    gradient_flow,
    gradient_half_life,
    over_training,
)

CELL = GRU(3)
_, PARAMS, XS = network(CELL, 8)
SNAPSHOTS = [jax.tree.map(lambda leaf, scale=scale: scale * leaf, PARAMS) for scale in (0.5, 1.0, 2.0)]


def measures(params):
    """A named tuple, a dict with parts that are no arrays, and both in a dict."""
    flow = gradient_flow(CELL, params, XS)
    return {"half-life": gradient_half_life(flow), "gates": gate_statistics(CELL, params, XS), "flow": flow}


def test_each_snapshot_is_measured_as_by_itself():
    found = over_training(measures, jax.tree.map(lambda *leaves: jnp.stack(leaves), *SNAPSHOTS))
    assert list(found) == ["half-life", "gates", "flow"], "the order of the measure"
    assert isinstance(found["flow"], GradientFlow) and found["flow"].log_norms.shape == (3, 2, 8)
    alone = measures(SNAPSHOTS[2])
    for (path, leaf), expected in zip(jax.tree.leaves_with_path(found), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(leaf[2], expected, rtol=1e-4, atol=1e-5, err_msg=jax.tree_util.keystr(path))


def test_a_sequence_is_a_stack_and_is_traced_once():
    traces = []

    def size(params):
        traces.append(1)
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))

    found = over_training(size, SNAPSHOTS)
    np.testing.assert_allclose(found, found[1] * np.array([0.25, 1, 4]), rtol=1e-6)
    assert len(traces) == 1


@pytest.mark.parametrize(
    "snapshots", [[], {"a": jnp.zeros(())}, {"a": jnp.zeros((2, 3)), "b": jnp.zeros((3, 3))}, {"a": jnp.zeros((0, 3))}]
)
def test_errors_name_the_argument(snapshots):
    with pytest.raises(InputError, match="snapshots: got"):
        over_training(lambda params: params, snapshots)
