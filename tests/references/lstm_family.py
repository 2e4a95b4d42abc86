"""Variants of the LSTM, step by step in NumPy."""

from __future__ import annotations

import numpy as np

from references.functions import layer_norm, relu, sigmoid
from rnnjax.cells.hyper_lstm import HyperLSTM
from rnnjax.cells.lstm_1997 import LSTM1997
from rnnjax.cells.mogrifier_lstm import MogrifierLSTM


def janet(p, state, x):
    (h,) = state
    s, g = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 2)
    h = sigmoid(s) * h + (1 - sigmoid(s - 1.0)) * np.tanh(g)
    return (h,), h


def lstm_1997(p, state, x):
    h, c = state
    i, g, o = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 3)
    c = c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h, c), h


def lstm_1997_logistic(p, state, x):
    """With the squashing functions as the paper writes them."""
    h, c = state
    i, g, o = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 3)
    c = c + sigmoid(i) * (4 * sigmoid(g) - 2)
    h = sigmoid(o) * (2 * sigmoid(c) - 1)
    return (h, c), h


def memory(pre, c):
    """The output before any projection, and the cell state, from pre-activations of all gates."""
    i, f, g, o = np.split(pre, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstmp(p, state, x):
    h, c = state
    m, c = memory(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], c)
    h = m @ p["projection"]
    return (h, c), h


def cifg_lstm(p, state, x):
    h, c = state
    f, g, o = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 3)
    i = 1 - sigmoid(f)
    c = sigmoid(f) * c + i * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h, c), h


def layer_norm_lstm(p, state, x):
    h, c = state
    pre = layer_norm(x @ p["kernel"], p["kernel_gain"])
    pre = pre + layer_norm(h @ p["recurrent_kernel"], p["recurrent_gain"]) + p["bias"]
    i, f, g, o = np.split(pre, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(layer_norm(c, p["cell_gain"], p["cell_bias"]))
    return (h, c), h


def multiplicative_lstm(p, state, x):
    h, c = state
    m = (x @ p["intermediate_kernel"]) * (h @ p["intermediate_recurrent_kernel"])
    h, c = memory(x @ p["kernel"] + m @ p["recurrent_kernel"] + p["bias"], c)
    return (h, c), h


def mogrifier_lstm(p, state, x):
    h, c = state
    seen = h
    for r in range(1, 10):
        if f"round_{r}" not in p:
            break
        matrix = p[f"round_{r}"]
        matrix = matrix["left"] @ matrix["right"] if isinstance(matrix, dict) else matrix
        if r % 2:
            x = 2 * sigmoid(seen @ matrix) * x
        else:
            seen = 2 * sigmoid(x @ matrix) * seen
    h, c = memory(x @ p["kernel"] + seen @ p["recurrent_kernel"] + p["bias"], c)
    return (h, c), h


def hyper_lstm(p, state, x):
    h, c, k, c_k = state
    normed = "gate_gain" in p

    # The small network, on the input and the output of the large one.
    pre = np.concatenate([x, h]) @ np.concatenate([p["hyper_kernel"], p["hyper_state_kernel"]])
    pre = pre + k @ p["hyper_recurrent_kernel"]
    if normed:
        parts = [layer_norm(*pair) for pair in zip(np.split(pre, 4), np.split(p["hyper_gate_gain"], 4), strict=True)]
        pre = np.concatenate(parts)
    i, f, g, o = np.split(pre + p["hyper_bias"], 4)
    c_k = sigmoid(f) * c_k + sigmoid(i) * np.tanh(g)
    k = sigmoid(o) * np.tanh(layer_norm(c_k, p["hyper_cell_gain"], p["hyper_cell_bias"]) if normed else c_k)

    # The large network, gate by gate.
    z = np.split(k @ p["embedding_kernel"], 12)
    e, d = np.split(p["embedding_bias"], 8), np.split(p["scaling_kernel"], 12, axis=1)
    w_x, u_h, b = np.split(x @ p["kernel"], 4), np.split(h @ p["recurrent_kernel"], 4), np.split(p["bias"], 4)
    a = []
    for y in range(4):
        d_h, d_x, b_z = (z[y] + e[y]) @ d[y], (z[4 + y] + e[4 + y]) @ d[4 + y], z[8 + y] @ d[8 + y]
        pre = d_h * u_h[y] + d_x * w_x[y] + b_z + b[y]
        if normed:
            pre = layer_norm(pre, np.split(p["gate_gain"], 4)[y], np.split(p["gate_bias"], 4)[y])
        a.append(pre)
    c = sigmoid(a[1]) * c + sigmoid(a[0]) * np.tanh(a[2])
    h = sigmoid(a[3]) * np.tanh(layer_norm(c, p["cell_gain"], p["cell_bias"]) if normed else c)
    return (h, c, k, c_k), h


def phased_lstm(p, state, x):
    h, c, t = state
    t = t + 1.0
    p_i, p_f, p_o = np.split(p["peephole"], 3)
    i, f, g, o = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 4)
    proposed = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
    output = sigmoid(o + p_o * proposed) * np.tanh(proposed)
    tau, r_on = np.exp(p["log_period"]), sigmoid(p["ratio_logit"])
    phi = (t - p["shift"]) / tau
    phi = phi - np.floor(phi)
    openings = [2 * phi / r_on, 2 - 2 * phi / r_on]
    k = np.select([phi < r_on / 2, phi < r_on], openings, 0.001 * phi)
    c, h = k * proposed + (1 - k) * c, k * output + (1 - k) * h
    return (h, c, t), h


def time_aware_lstm(p, state, x, elapsed=1.0):
    h, c = state
    short = np.tanh(c @ p["decomposition_kernel"] + p["decomposition_bias"])
    long = c - short
    adjusted = long + short * (1 / np.log(np.e + elapsed))
    h, c = memory(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], adjusted)
    return (h, c), h


def nas(p, state, x):
    h, c = state
    w, u, b = (np.split(part, 8) for part in (x @ p["kernel"], h @ p["recurrent_kernel"], p["bias"]))
    sums = [w_k + u_k + b_k for w_k, u_k, b_k in zip(w, u, b, strict=True)]
    first = np.tanh(sigmoid(sums[0]) * relu(sums[1]))
    second = np.tanh(sigmoid(sums[2]) + relu(w[3] * (u[3] + b[3])))
    third = np.tanh(np.tanh(sums[4]) * sigmoid(sums[5]))
    fourth = sigmoid(np.tanh(sums[6]) + sigmoid(sums[7]))
    c = np.tanh(first + c) * second
    h = np.tanh(c * np.tanh(third + fourth))
    return (h, c), h


def wmc_lstm(p, state, x):
    h, c = state
    i, f, g, o = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 4)
    v_i, v_f, v_o = np.split(p["memory_kernel"], 3, axis=1)
    i, f = sigmoid(i + np.tanh(c @ v_i)), sigmoid(f + np.tanh(c @ v_f))
    c = f * c + i * np.tanh(g)
    h = sigmoid(o + np.tanh(c @ v_o)) * np.tanh(c)
    return (h, c), h


def ur_lstm(p, state, x):
    h, c = state
    f, r, u, o = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 4)
    f, r = sigmoid(f), sigmoid(r)
    effective = 2 * r * f + (1 - 2 * r) * f**2
    c = effective * c + (1 - effective) * np.tanh(u)
    h = sigmoid(o) * np.tanh(c)
    return (h, c), h


EQUATIONS = {
    function.__name__: function
    for function in (
        janet, lstm_1997, lstm_1997_logistic, lstmp, cifg_lstm, layer_norm_lstm, multiplicative_lstm, mogrifier_lstm,
        hyper_lstm, phased_lstm, time_aware_lstm, nas, wmc_lstm, ur_lstm,
    )
} | {"mogrifier_lstm_rank": mogrifier_lstm, "hyper_lstm_layer_norm": hyper_lstm}  # fmt: skip


def gated(gates):
    """The size of a cell with nothing but `gates` gates."""
    return lambda f, h: gates * (f * h + h * h + h)


SIZES = {
    "janet": gated(2),
    "lstm_1997": gated(3),
    "lstmp": lambda f, h: 4 * (f * h + h // 2 * h + h) + h * (h // 2),
    "cifg_lstm": gated(3),
    "layer_norm_lstm": lambda f, h: gated(4)(f, h) + 8 * h + 2 * h,
    "multiplicative_lstm": lambda f, h: gated(4)(f, h) + f * h + h * h,
    # Three rounds scale the input, two the state.
    "mogrifier_lstm": lambda f, h: gated(4)(f, h) + 5 * f * h,
    # The small LSTM has 4 units, and embeddings are 4 wide.
    "hyper_lstm": lambda f, h: gated(4)(f, h) + gated(4)(f + h, 4) + 4 * 48 + 32 + 4 * 12 * h,
    "phased_lstm": lambda f, h: gated(4)(f, h) + 3 * h + 3 * h,
    "time_aware_lstm": lambda f, h: gated(4)(f, h) + h * h + h,
    "nas": gated(8),
    "wmc_lstm": lambda f, h: gated(4)(f, h) + 3 * h * h,
    "ur_lstm": gated(4),
}

VARIANTS = [
    ("lstm_1997_logistic", lambda p: LSTM1997(4, squashing="logistic", precision=p)),
    ("mogrifier_lstm_rank", lambda p: MogrifierLSTM(4, rounds=4, rank=2, precision=p)),
    (
        "hyper_lstm_layer_norm",
        lambda p: HyperLSTM(4, hyper_features=6, embedding_features=2, layer_norm=True, precision=p),
    ),
]
