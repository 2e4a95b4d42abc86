"""Cells that are affine in their state agree with minGRU-pytorch and with the RG-LRU of recurrentgemma."""

from __future__ import annotations

import re

import jax.numpy as jnp
import numpy as np
import pytest
from parity.make_golden import BATCH, FEATURES, TIME
from parity.problem import assert_agrees_with, golden_or_live, part

from rnnjax import RGLRU, MinGRU, MinLSTM, Precision

DOUBLE = Precision("float64")
WHOLE = np.full(BATCH, TIME, np.int32)


def gates_first(weights):
    """Rows hidden, gates there; columns gates, candidate here. There is no bias there."""
    candidate, *gates = jnp.split(weights["kernel"].T, len(weights["kernel"]) // FEATURES, axis=1)
    kernel = jnp.concatenate([*gates, candidate], axis=1)
    return {"kernel": kernel, "bias": jnp.zeros(kernel.shape[1])}


def recurrence_first(weights):
    """Two block-diagonal layers there; one kernel with a block of columns a gate here."""
    return {
        "input_kernel": weights["input_kernel"],
        "kernel": jnp.concatenate([weights["a_gate.w"], weights["input_gate.w"]], axis=-1),
        "bias": jnp.concatenate([weights["a_gate.b"].ravel(), weights["input_gate.b"].ravel()]),
        "decay": weights["a_param"],
    }


CASES = {
    "min_gru": ("minGRU_pytorch", MinGRU(FEATURES, precision=DOUBLE), gates_first),
    "min_lstm": ("minGRU_pytorch", MinLSTM(FEATURES, precision=DOUBLE), gates_first),
    "rg_lru": ("recurrentgemma", RGLRU(FEATURES, heads=2, precision=DOUBLE), recurrence_first),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("source", ["golden", "live"])
@pytest.mark.parametrize("name", CASES)
def test_cell_agrees(name, source):
    """Outputs, final states, and gradients of weights, inputs and states agree in float64."""
    library, cell, converted = CASES[name]
    assert_agrees_with(part(golden_or_live(library, source), f"{name}/"), cell, converted, WHOLE)


@pytest.mark.parametrize("library", ["minGRU_pytorch", "recurrentgemma"])
def test_golden_file_says_where_it_is_from(library):
    """The golden file holds the version of the library that made it."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(golden_or_live(library, "golden")["version"]))
