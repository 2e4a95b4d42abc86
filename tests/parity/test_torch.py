"""The same weights and inputs give the same outputs, final states and gradients as the modules of PyTorch."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest
from parity.make_golden import FEATURES, FULL_LENGTHS, INITIAL_FEATURES
from parity.problem import assert_agrees_with, assert_distributed_alike, golden_or_live, initial, part

from rnnjax import GRU, LSTM, Elman, Precision
from rnnjax.convert import from_torch

DOUBLE = Precision("float64")


CASES = {
    "rnn_tanh": Elman(FEATURES, precision=DOUBLE),
    "rnn_relu": Elman(FEATURES, activation="relu", precision=DOUBLE),
    "lstm": LSTM(FEATURES, precision=DOUBLE),
    "gru": GRU(FEATURES, precision=DOUBLE),
}


@pytest.fixture(scope="module", params=["golden", "live"])
def torch_made(request):
    """What PyTorch computes, from its file and, where it is installed, now."""
    return golden_or_live("torch", request.param)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", CASES)
def test_cell_agrees_with_torch(torch_made, name):
    """A packed batch: outputs, final states, and gradients of weights, inputs and states agree."""
    cell = CASES[name]
    converted = partial(from_torch, cell)
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
