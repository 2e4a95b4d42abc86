"""The layers of Keras, on its JAX backend."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "jax"  # read once, when Keras is imported

import jax
import keras  # pyright: ignore[reportMissingImports]
import numpy as np

from benchmarks.prepared import Prepared, prepare
from benchmarks.problem import Problem

if keras.backend.backend() != "jax":
    raise RuntimeError(f"it was imported before, with the backend {keras.backend.backend()}")

LAYERS = {"elman": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


def prepare_layer(problem: Problem, mode: str, device: str) -> Prepared:
    """Compiles the layer of a problem."""
    shape = problem.shape
    with jax.default_device(jax.devices(device)[0]):
        layer = LAYERS[problem.cell](shape.hidden, return_sequences=True, unroll=False)
        layer.build((shape.batch, shape.time, shape.inputs))
        others = [np.asarray(variable.value) for variable in layer.non_trainable_variables]

    def apply(params, xs):
        return layer.stateless_call(params, others, xs)[0]

    return prepare(apply, converted(problem), problem.xs, mode, device, time_major=False)


def converted(problem: Problem) -> list[np.ndarray]:
    """The weights in the order of the layer's variables: kernel, recurrent kernel, bias."""
    kernel, recurrent, bias = (problem.params[name] for name in ("kernel", "recurrent_kernel", "bias"))
    if problem.cell != "gru":
        return [kernel, recurrent, bias]
    of_candidate = np.concatenate([np.zeros(2 * problem.shape.hidden, np.float32), problem.params["recurrent_bias"]])
    return [_update_first(kernel), _update_first(recurrent), np.stack([_update_first(bias), of_candidate])]


def _update_first(blocks: np.ndarray) -> np.ndarray:
    reset, update, candidate = np.split(blocks, 3, axis=-1)
    return np.concatenate([update, reset, candidate], axis=-1)
