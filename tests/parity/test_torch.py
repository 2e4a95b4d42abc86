"""The same weights and inputs give the same outputs, final states and gradients as the modules of PyTorch."""

from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np
import pytest
from parity.make_golden import FEATURES, FULL_LENGTHS, INITIAL_FEATURES
from parity.problem import assert_agrees_with, assert_distributed_alike, golden_or_live, initial, part

from rnnjax import GRU, LSTM, Elman, Precision

DOUBLE = Precision("float64")


def summed(weights):
    """PyTorch's weights are transposed, and it has two biases where one is enough: rows i, f, g, o."""
    return {
        "kernel": weights["weight_ih_l0"].T,
        "recurrent_kernel": weights["weight_hh_l0"].T,
        "bias": weights["bias_ih_l0"] + weights["bias_hh_l0"],
    }


def apart(weights):
    """The candidate of a GRU keeps its two biases, the second of which the reset gate multiplies: rows r, z, n."""
    r, z, n = jnp.split(weights["bias_hh_l0"], 3)
    bias = weights["bias_ih_l0"] + jnp.concatenate([r, z, jnp.zeros_like(n)])
    return summed(weights) | {"bias": bias, "recurrent_bias": n}


CASES = {
    "rnn_tanh": (Elman(FEATURES, precision=DOUBLE), summed),
    "rnn_relu": (Elman(FEATURES, activation="relu", precision=DOUBLE), summed),
    "lstm": (LSTM(FEATURES, precision=DOUBLE), summed),
    "gru": (GRU(FEATURES, precision=DOUBLE), apart),
}


@pytest.fixture(scope="module", params=["golden", "live"])
def torch_made(request):
    """What PyTorch computes, from its file and, where it is installed, now."""
    return golden_or_live("torch", request.param)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", CASES)
def test_cell_agrees_with_torch(torch_made, name):
    """A packed batch: outputs, final states, and gradients of weights, inputs and states agree."""
    cell, converted = CASES[name]
    assert_agrees_with(part(torch_made, f"{name}/"), cell, converted, FULL_LENGTHS.astype(np.int32))


@pytest.mark.parametrize(("name", "cls", "gates"), [("rnn", Elman, 1), ("lstm", LSTM, 4), ("gru", GRU, 3)])
def test_preset_is_distributed_as_torch(torch_made, name, cls, gates):
    """Kernels and biases of the preset have the quantiles of PyTorch's own draws, gate by gate."""
    theirs = part(torch_made, f"initial/{name}/")
    ours = initial(cls(INITIAL_FEATURES, preset="torch"))
    split = lambda leaf: np.split(leaf, gates, axis=-1)  # noqa: E731
    assert_distributed_alike(split(ours["kernel"]), theirs["weight_ih_l0"])
    assert_distributed_alike(split(ours["recurrent_kernel"]), theirs["weight_hh_l0"])
    biases = theirs["bias_sum"]
    if name == "gru":
        biases = np.concatenate([biases[:2], theirs["bias_ih_l0"][2:]])
        assert_distributed_alike([ours["recurrent_bias"]], theirs["bias_hh_l0"][2:])
    assert_distributed_alike(split(ours["bias"]), biases)


def test_golden_file_says_where_it_is_from():
    """The golden file holds the version of PyTorch that made it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(golden_or_live("torch", "golden")["version"]))
