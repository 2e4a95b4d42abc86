"""The textbook cells and the affine ones, step by step in NumPy."""

from __future__ import annotations

import numpy as np

from references.functions import sigmoid


def elman(p, state, x):
    (h,) = state
    h = np.tanh(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"])
    return (h,), h


def jordan(p, state, x):
    (y,) = state
    hidden = np.tanh(x @ p["kernel"] + y @ p["recurrent_kernel"] + p["bias"])
    y = np.tanh(hidden @ p["output_kernel"] + p["output_bias"])
    return (y,), y


def lstm(p, state, x, peepholes=(0, 0, 0)):
    h, c = state
    i, f, g, o = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 4, axis=-1)
    i, f = sigmoid(i + peepholes[0] * c), sigmoid(f + peepholes[1] * c)
    c = f * c + i * np.tanh(g)
    o = sigmoid(o + peepholes[2] * c)
    h = o * np.tanh(c)
    return (h, c), h


def peephole_lstm(p, state, x):
    return lstm(p, state, x, np.split(p["peephole"], 3))


def gru(p, state, x):
    (h,) = state
    r_x, z_x, n_x = np.split(x @ p["kernel"] + p["bias"], 3, axis=-1)
    r_h, z_h, n_h = np.split(h @ p["recurrent_kernel"], 3, axis=-1)
    r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
    n = np.tanh(n_x + r * (n_h + p["recurrent_bias"]))
    h = (1 - z) * n + z * h
    return (h,), h


def gru_reset_before(p, state, x):
    (h,) = state
    kernels = np.split(p["recurrent_kernel"], 3, axis=-1)
    r_x, z_x, n_x = np.split(x @ p["kernel"] + p["bias"], 3, axis=-1)
    r, z = sigmoid(r_x + h @ kernels[0]), sigmoid(z_x + h @ kernels[1])
    h = (1 - z) * np.tanh(n_x + (r * h) @ kernels[2]) + z * h
    return (h,), h


def elman_relu(p, state, x):
    (h,) = state
    h = np.maximum(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 0)
    return (h,), h


def jordan_output_size(p, state, x):
    (y,) = state
    hidden = np.tanh(x @ p["kernel"] + y @ p["recurrent_kernel"] + p["bias"])
    y = hidden @ p["output_kernel"] + p["output_bias"]
    return (y,), y


def g(a):
    return np.where(a >= 0, a + 0.5, sigmoid(a))


def min_gru(p, state, x):
    (h,) = state
    z, n = np.split(x @ p["kernel"] + p["bias"], 2, axis=-1)
    h = (1 - sigmoid(z)) * h + sigmoid(z) * g(n)
    return (h,), h


def min_lstm(p, state, x):
    (h,) = state
    f, i, n = np.split(x @ p["kernel"] + p["bias"], 3, axis=-1)
    f, i = sigmoid(f), sigmoid(i)
    h = (f * h + i * g(n)) / (f + i)
    return (h,), h


def complex_step(p, state, x, a, b_scale):
    """In complex numbers, which the cell does without."""
    kernel = p["kernel_real"] + 1j * p["kernel_imag"]
    s = a * (state[0] + 1j * state[1]) + b_scale * (x @ kernel)
    return s, s @ (p["output_kernel_real"] + 1j * p["output_kernel_imag"])


def skipped(p, x):
    return x @ p["skip"] if p["skip"].ndim == 2 else x * p["skip"]


def lru(p, state, x):
    a = np.exp(-np.exp(p["nu_log"]) + 1j * np.exp(p["theta_log"]))
    s, y = complex_step(p, state, x, a, np.exp(p["gamma_log"]))
    return (s.real, s.imag), y.real + skipped(p, x)


def s5(p, state, x):
    eigenvalues, step = p["eigenvalue_real"] + 1j * p["eigenvalue_imag"], np.exp(p["log_step"])
    a = np.exp(eigenvalues * step)
    s, y = complex_step(p, state, x, a, (a - 1) / eigenvalues)
    return (s.real, s.imag), 2 * y.real + skipped(p, x)


def rg_lru(p, state, x):
    (h,) = state
    x = x @ p["input_kernel"] if "input_kernel" in p else x
    parts = x.reshape(len(p["kernel"]), -1) if p["kernel"].ndim == 3 else x[None]
    kernels = p["kernel"] if p["kernel"].ndim == 3 else p["kernel"][None]
    r, i = np.concatenate([np.split(part @ kernel, 2) for part, kernel in zip(parts, kernels, strict=True)], axis=1)
    r, i = sigmoid(r + np.split(p["bias"], 2)[0]), sigmoid(i + np.split(p["bias"], 2)[1])
    a = np.exp(-8 * np.log1p(np.exp(p["decay"])) * r)
    h = a * h + np.sqrt(1 - a**2) * (i * x)
    return (h,), h


EQUATIONS = {
    function.__name__: function
    for function in (
        elman, elman_relu, jordan, jordan_output_size, lstm, peephole_lstm, gru, gru_reset_before, min_gru, min_lstm,
        lru, s5, rg_lru,
    )
} | {"irnn": elman_relu, "s5_square": s5, "rg_lru_heads": rg_lru}  # fmt: skip

SIZES = {
    "elman": lambda f, h: f * h + h * h + h,
    "jordan": lambda f, h: f * h + 2 * h * h + 2 * h,
    "lstm": lambda f, h: 4 * (f * h + h * h + h),
    "peephole_lstm": lambda f, h: 4 * (f * h + h * h + h) + 3 * h,
    "gru": lambda f, h: 3 * (f * h + h * h + h) + h,
    "min_gru": lambda f, h: 2 * (f * h + h),
    "min_lstm": lambda f, h: 3 * (f * h + h),
    # Real and imaginary parts of B and C, three numbers a unit for A, and D between widths that differ.
    "lru": lambda f, h: 2 * f * h + 2 * h * h + 3 * h + f * h,
    "s5": lambda f, h: 2 * f * h + 2 * h * h + 3 * h + f * h,
    "rg_lru": lambda f, h: 2 * (h * h + h) + h + f * h,
}

STARTS = {"lru": dict(r_min=0.4, max_phase=1.0), "s5": dict(dt_min=0.01)}
