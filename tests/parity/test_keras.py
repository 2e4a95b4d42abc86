"""The same weights and inputs give the same outputs, final states and gradients as the layers of Keras."""

from __future__ import annotations

import re

import numpy as np
import pytest
from parity.make_golden import EMPTY_ROW_LENGTHS, FEATURES, INITIAL_FEATURES
from parity.problem import assert_agrees_with, assert_distributed_alike, golden_or_live, initial, part

from rnnjax import GRU, LSTM, Elman, Precision
from rnnjax.convert import from_keras

DOUBLE = Precision("float64")
WEIGHTS = ("kernel", "recurrent_kernel", "bias")


CASES = {
    "simple_rnn": Elman(FEATURES, precision=DOUBLE),
    "lstm": LSTM(FEATURES, precision=DOUBLE),
    "gru_reset_after": GRU(FEATURES, precision=DOUBLE),
    "gru_reset_before": GRU(FEATURES, reset_after=False, precision=DOUBLE),
}


@pytest.fixture(scope="module", params=["golden", "live"])
def keras_made(request):
    """What Keras computes, from its file and, where it is installed, now."""
    return golden_or_live("keras", request.param)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", CASES)
def test_cell_agrees_with_keras(keras_made, name):
    """A masked batch with an empty row: outputs, final states and all gradients agree."""
    cell = CASES[name]
    converted = lambda weights: from_keras(cell, [weights[key] for key in WEIGHTS])  # noqa: E731
    assert_agrees_with(part(keras_made, f"{name}/"), cell, converted, EMPTY_ROW_LENGTHS.astype(np.int32))


@pytest.mark.parametrize(("name", "cls", "gates"), [("simple_rnn", Elman, 1), ("lstm", LSTM, 4), ("gru", GRU, 3)])
def test_preset_is_distributed_as_keras(keras_made, name, cls, gates):
    """Kernels and biases of the preset have the quantiles of Keras' own draws, gate by gate."""
    theirs = part(keras_made, f"initial/{name}/")
    ours = initial(cls(INITIAL_FEATURES, preset="keras"))
    for parameter, quantiles in theirs.items():
        assert_distributed_alike(np.split(ours[parameter], gates, axis=-1), quantiles)


def test_golden_file_says_where_it_is_from():
    """The golden file holds the version of Keras that made it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(golden_or_live("keras", "golden")["version"]))
