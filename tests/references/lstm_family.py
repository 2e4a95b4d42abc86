"""Variants of the LSTM, step by step in NumPy."""

from __future__ import annotations

import numpy as np

from references.functions import sigmoid


def janet(p, state, x):
    (h,) = state
    s, g = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 2)
    h = sigmoid(s) * h + (1 - sigmoid(s - 1.0)) * np.tanh(g)
    return (h,), h


EQUATIONS = {"janet": janet}
SIZES = {"janet": lambda f, h: 2 * (f * h + h * h + h)}
