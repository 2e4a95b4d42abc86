"""Relatives of the GRU, step by step in NumPy."""

from __future__ import annotations

import numpy as np

from references.functions import layer_norm, relu, sigmoid
from rnnjax.cells.ligru import LiGRU
from rnnjax.cells.mgu import MGU
from rnnjax.cells.ran import RAN
from rnnjax.cells.rhn import RHN


def columns(p, name, count):
    return np.split(p[name], count, axis=-1)


def mgu(p, state, x):
    (h,) = state
    (w_f, w_n), (u_f, u_n), (b_f, b_n) = (columns(p, name, 2) for name in ("kernel", "recurrent_kernel", "bias"))
    f = sigmoid(x @ w_f + h @ u_f + b_f)
    h = (1 - f) * h + f * np.tanh(x @ w_n + (f * h) @ u_n + b_n)
    return (h,), h


def mgu_heads(p, state, x):
    """Two units a head."""
    full = np.zeros((4, 2, 4))
    for head, block in enumerate(p["recurrent_kernel"]):
        here = slice(2 * head, 2 * head + 2)
        full[here, :, here] = block.reshape(2, 2, 2)
    return mgu(p | {"recurrent_kernel": full.reshape(4, 8)}, state, x)


def update_gate_gru(p, state, x):
    (h,) = state
    (w_z, w_n), (u_z, u_n), (b_z, b_n) = (columns(p, name, 2) for name in ("kernel", "recurrent_kernel", "bias"))
    z = sigmoid(x @ w_z + h @ u_z + b_z)
    kept = (1 - z) * h
    h = kept + z * np.tanh(x @ w_n + kept @ u_n + b_n)
    return (h,), h


def mut(p, state, x, write, embed, kernels):
    """A mutated architecture, for its gate z, what it does to the candidate's input, and U_r and U."""
    (h,) = state
    (_, w_r, w_h), (_, b_r, b_h) = columns(p, "kernel", 3), columns(p, "bias", 3)
    r = sigmoid(x @ w_r + h @ kernels[0] + b_r)
    h = np.tanh((r * h) @ kernels[1] + embed(x @ w_h) + b_h) * write + h * (1 - write)
    return (h,), h


def mut1(p, state, x):
    write = sigmoid(x @ columns(p, "kernel", 3)[0] + columns(p, "bias", 3)[0])
    return mut(p, state, x, write, np.tanh, columns(p, "recurrent_kernel", 2))


def mut2(p, state, x, squash=lambda h: h):
    u_z, *kernels = columns(p, "recurrent_kernel", 3)
    write = sigmoid(x @ columns(p, "kernel", 3)[0] + squash(state[0]) @ u_z + columns(p, "bias", 3)[0])
    return mut(p, state, x, write, lambda a: a, kernels)


def mut3(p, state, x):
    return mut2(p, state, x, np.tanh)


def ligru(p, state, x, phi=relu):
    (h,) = state
    z, n = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 2)
    h = sigmoid(z) * h + (1 - sigmoid(z)) * phi(n)
    return (h,), h


def ligru_tanh(p, state, x):
    return ligru(p, state, x, np.tanh)


def ran(p, state, x, phi=np.tanh):
    (c,) = state
    w_i, w_f, w_c = columns(p, "kernel", 3)
    i, f = np.split(phi(c) @ p["recurrent_kernel"] + p["bias"], 2)
    c = sigmoid(x @ w_i + i) * (x @ w_c) + sigmoid(x @ w_f + f) * c
    return (c,), phi(c)


def ran_identity(p, state, x):
    return ran(p, state, x, lambda c: c)


def atr(p, state, x):
    (h,) = state
    p_t, q_t = x @ p["kernel"] + p["bias"], h @ p["recurrent_kernel"]
    h = sigmoid(p_t + q_t) * p_t + sigmoid(p_t - q_t) * h
    return (h,), h


def star(p, state, x):
    (h,) = state
    (w_k, w_z), (b_k, b_z) = columns(p, "kernel", 2), columns(p, "bias", 2)
    k = sigmoid(x @ w_k + h @ p["recurrent_kernel"] + b_k)
    h = np.tanh((1 - k) * h + k * np.tanh(x @ w_z + b_z))
    return (h,), h


def brc(p, state, x):
    (h,) = state
    u_a, u_c = columns(p, "recurrent_weight", 2)
    return bistable(p, h, x, u_a * h, u_c * h)


def nbrc(p, state, x):
    (h,) = state
    u_a, u_c = columns(p, "recurrent_kernel", 2)
    return bistable(p, h, x, h @ u_a, h @ u_c)


def bistable(p, h, x, of_a, of_c):
    (w_a, w_c, w_h), (b_a, b_c) = columns(p, "kernel", 3), columns(p, "bias", 2)
    a, c = 1 + np.tanh(x @ w_a + of_a + b_a), sigmoid(x @ w_c + of_c + b_c)
    h = c * h + (1 - c) * np.tanh(x @ w_h + a * h)
    return (h,), h


def rhn(p, state, x):
    (s,) = state
    for layer, (kernel, bias) in enumerate(zip(p["recurrent_kernel"], p["bias"], strict=True)):
        h, t = np.split(s @ kernel + bias + (x @ p["kernel"] if layer == 0 else 0.0), 2)
        h, t = np.tanh(h), sigmoid(t)
        s = h * t + s * (1 - t)
    return (s,), s


def layer_norm_gru(p, state, x):
    (h,) = state
    (wide,) = h.shape
    of_x, of_h, gain_x, gain_h = (
        np.split(array, [2 * wide])
        for array in (x @ p["kernel"], h @ p["recurrent_kernel"], p["gain"], p["recurrent_gain"])
    )
    gates = layer_norm(of_x[0], gain_x[0], p["bias"][: 2 * wide]) + layer_norm(of_h[0], gain_h[0])
    r, z = np.split(sigmoid(gates), 2)
    n = layer_norm(of_x[1], gain_x[1], p["bias"][2 * wide :])
    n = np.tanh(n + r * layer_norm(of_h[1], gain_h[1], p["recurrent_bias"]))
    h = (1 - z) * n + z * h
    return (h,), h


def gru_d(p, state, x, mask=None, elapsed=1.0):
    """With the last observed value as it is in the paper; the state has what it differs from the mean by."""
    h, last, since, started = state
    mask = ~np.isnan(x) if mask is None else mask.astype(bool)
    time = started * (since + elapsed)
    gamma_x = np.exp(-np.maximum(0, p["input_decay"] * time + p["input_decay_bias"]))
    gamma_h = np.exp(-np.maximum(0, time @ p["hidden_decay"] + p["hidden_decay_bias"]))
    value = last + p["mean"]
    x = np.where(mask, x, gamma_x * value + (1 - gamma_x) * p["mean"])
    h = gamma_h * h
    (w_r, w_z, w), (v_r, v_z, v), (u_r, u_z, u), (b_r, b_z, b) = (
        columns(p, name, 3) for name in ("kernel", "mask_kernel", "recurrent_kernel", "bias")
    )
    r = sigmoid(x @ w_r + h @ u_r + mask @ v_r + b_r)
    z = sigmoid(x @ w_z + h @ u_z + mask @ v_z + b_z)
    h = (1 - z) * np.tanh(x @ w + (r * h) @ u + mask @ v + b) + z * h
    state = (h, np.where(mask, x, value) - p["mean"], np.where(mask, 0.0, time), np.ones_like(started))
    return state, h


EQUATIONS = {
    function.__name__: function
    for function in (
        mgu, mgu_heads, update_gate_gru, mut1, mut2, mut3, ligru, ligru_tanh, ran, ran_identity, atr, star, brc, nbrc,
        rhn, layer_norm_gru, gru_d,
    )
} | {"rhn_of_one": rhn}  # fmt: skip

SIZES = {
    "mgu": lambda f, h: 2 * (f * h + h * h + h),
    "update_gate_gru": lambda f, h: 2 * (f * h + h * h + h),
    "mut1": lambda f, h: 3 * (f * h + h) + 2 * h * h,
    "mut2": lambda f, h: 3 * (f * h + h * h + h),
    "mut3": lambda f, h: 3 * (f * h + h * h + h),
    "ligru": lambda f, h: 2 * (f * h + h * h + h),
    "ran": lambda f, h: 3 * f * h + 2 * (h * h + h),
    "atr": lambda f, h: f * h + h * h + h,
    "star": lambda f, h: 2 * (f * h + h) + h * h,
    "brc": lambda f, h: 3 * f * h + 2 * (h + h),
    "nbrc": lambda f, h: 3 * f * h + 2 * (h * h + h),
    "rhn": lambda f, h: 2 * f * h + 3 * 2 * (h * h + h),  # three layers
    "layer_norm_gru": lambda f, h: 3 * (f * h + h * h + h) + h + 2 * 3 * h,
    # Two kernels see inputs and mask; a decay an input and one from each input to each unit, with biases; the means.
    "gru_d": lambda f, h: 3 * (2 * f * h + h * h + h) + 2 * f + (f * h + h) + f,
}

SQUARE = ("gru_d",)

# Where nothing is missing nothing fades but the state.
FLAT = {"gru_d": ("0/input_decay", "0/input_decay_bias")}

VARIANTS = [
    ("mgu_heads", lambda p: MGU(4, heads=2, precision=p)),
    ("ligru_tanh", lambda p: LiGRU(4, activation="tanh", precision=p)),
    ("ran_identity", lambda p: RAN(4, activation="identity", precision=p)),
    ("rhn_of_one", lambda p: RHN(4, depth=1, precision=p)),
]
