"""The layers of Flax Linen."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from flax import linen

from benchmarks.prepared import Prepared, prepare
from benchmarks.problem import GATES, Problem

CELLS = {"elman": linen.SimpleCell, "lstm": linen.OptimizedLSTMCell, "gru": linen.GRUCell}


def prepare_layer(problem: Problem, mode: str, device: str) -> Prepared:
    """Compiles the layer of a problem."""
    layer = linen.RNN(CELLS[problem.cell](problem.shape.hidden), time_major=True)

    def apply(variables: dict, xs: jax.Array) -> Any:
        return layer.apply(variables, xs)

    return prepare(apply, {"params": {"cell": converted(problem)}}, problem.xs, mode, device)


def converted(problem: Problem) -> dict:
    """The weights as Flax keeps them: one dense layer a gate for the input, and one for the state."""
    gates = GATES[problem.cell]
    kernels, recurrent, biases = (
        np.split(problem.params[name], gates, axis=-1) for name in ("kernel", "recurrent_kernel", "bias")
    )
    if problem.cell == "elman":
        return {"i": {"kernel": kernels[0], "bias": biases[0]}, "h": {"kernel": recurrent[0]}}
    params = {}
    names = "ifgo" if problem.cell == "lstm" else "rzn"
    of_bias = "h" if problem.cell == "lstm" else "i"
    for gate, kernel, of_state, bias in zip(names, kernels, recurrent, biases, strict=True):
        params |= {f"i{gate}": {"kernel": kernel}, f"h{gate}": {"kernel": of_state}}
        params[of_bias + gate]["bias"] = bias
    if problem.cell == "gru":
        params["hn"]["bias"] = problem.params["recurrent_bias"]
    return params
