"""Linear recurrences, step by step in NumPy."""

from __future__ import annotations

import numpy as np

import rnnjax
from references.functions import sigmoid
from rnnjax.initializers import Normal


def entered(p, x):
    return x @ p["input_kernel"] if "input_kernel" in p else x


def s4d(p, state, x):
    """Feature by feature, in complex numbers, which the cell does without."""
    x = entered(p, x)
    s = (state[0] + 1j * state[1]).reshape(len(x), -1)
    c = p["output_kernel_real"] + 1j * p["output_kernel_imag"]
    y = np.zeros(len(x))
    for h in range(len(x)):
        eigenvalues = -np.exp(p["eigenvalue_real_log"][h]) + 1j * p["eigenvalue_imag"][h]
        a = np.exp(eigenvalues * np.exp(p["log_step"][h]))
        s[h] = a * s[h] + (a - 1) / eigenvalues * x[h]
        y[h] = 2 * (c[h] @ s[h]).real + p["skip"][h] * x[h]
    return (s.real.ravel(), s.imag.ravel()), y


def mamba(least=0):
    """What is kept of the state lies between `least` and 1."""

    def step(p, state, x):
        x = entered(p, x)
        h = state[0].reshape(p["decay_log"].shape)
        width, rank = h.shape[1], len(p["step_kernel"])
        blocks = x @ p["kernel"]
        delta = np.log1p(np.exp(blocks[:rank] @ p["step_kernel"] + p["step_bias"]))
        b, c = blocks[rank : rank + width], blocks[rank + width :]
        kept = least + (1 - least) * np.exp(-delta[:, None] * np.exp(p["decay_log"]))
        h = kept * h + np.outer(delta * x, b)
        return (h.ravel(),), h @ c + p["skip"] * x

    return step


def qkv(p, x, heads, keys, features):
    """Queries, keys and values, head by head."""
    blocks = np.split(x @ p["kernel"], [heads * keys, 2 * heads * keys])
    assert blocks[2].size == features
    return (block.reshape(heads, -1) for block in blocks)


def positive(a):
    return np.where(a > 0, a + 1, np.exp(a))


def linear_attention(heads=1, keys=4, features=4):
    def step(p, state, x):
        q, k, v = qkv(p, x, heads, keys, features)
        memory = state[0].reshape(heads, keys, -1)
        sums, normaliser = memory[..., :-1].copy(), memory[..., -1].copy()
        y = []
        for head in range(heads):
            sums[head] += np.outer(positive(k[head]), v[head])
            normaliser[head] += positive(k[head])
            f = positive(q[head])
            y.append(f @ sums[head] / (f @ normaliser[head] + 1e-6))
        return (np.concatenate([sums, normaliser[..., None]], axis=-1).ravel(),), np.concatenate(y)

    return step


def gated_linear_attention(p, state, x):
    q, k, v = qkv(p, x, 1, 4, 4)
    s = state[0].reshape(4, 4)
    alpha = sigmoid(x @ p["gate_kernel_in"] @ p["gate_kernel"] + p["gate_bias"]) ** (1 / 16)
    s = np.diag(alpha) @ s + np.outer(k, v)
    return (s.ravel(),), s.T @ q[0] / 2  # the root of four key features


def unit(a):
    a = a * sigmoid(a)
    return a / np.sqrt(a @ a + 1e-6)


def delta_net(heads=1, keys=4, features=4, factor=1):
    """In the form of the papers: S' = S f (I - w k k^T) + w v k^T."""

    def step(p, state, x):
        q, k, v = qkv(p, x, heads, keys, features)
        gates = np.split(x @ p["gate_kernel"], p["gate_kernel"].shape[1] // heads)
        forget = np.ones(heads)
        if "rate_log" in p:
            forget = np.exp(-np.exp(p["rate_log"]) * np.log1p(np.exp(gates[0] + p["step_bias"])))
        write = factor * sigmoid(gates[-1])
        s, y = state[0].reshape(heads, -1, keys).copy(), []
        for head in range(heads):
            key, w = unit(k[head]), write[head]
            s[head] = forget[head] * s[head] @ (np.eye(keys) - w * np.outer(key, key)) + w * np.outer(v[head], key)
            y.append(s[head] @ unit(q[head]))
        return (s.ravel(),), np.concatenate(y)

    return step


def ffm(p, state, x):
    rows, columns = len(p["rate_log"]), len(p["frequency"])
    features = len(p["output_bias"])
    u, through, i, o = np.split(x @ p["kernel"] + p["bias"], [rows, rows + features, -features])
    gamma = np.exp(-np.exp(p["rate_log"]))[:, None] * np.exp(1j * p["frequency"])
    s = gamma * (state[0] + 1j * state[1]).reshape(rows, columns) + (u * sigmoid(i))[:, None]
    z = np.concatenate([s.real.ravel(), s.imag.ravel()]) @ p["output_kernel"] + p["output_bias"]
    z = (z - z.mean()) / np.sqrt(z.var() + 1e-5)
    return (s.real.ravel(), s.imag.ravel()), sigmoid(o) * z + (1 - sigmoid(o)) * through


EQUATIONS = {
    "s4d": s4d,
    "mamba": mamba(),
    "mamba_square": mamba(),
    "mamba_negative": mamba(-1),
    "linear_attention": linear_attention(),
    "linear_attention_heads": linear_attention(2, 3),
    "gated_linear_attention": gated_linear_attention,
    "delta_net": delta_net(),
    "delta_net_heads": delta_net(2, 3, factor=2),
    "gated_delta_net": delta_net(),
    "gated_delta_net_heads": delta_net(2, 3),
    "ffm": ffm,
}

SIZES = {
    "s4d": lambda f, h: f * h + h * (4 * 32 + 2),
    "mamba": lambda f, h: f * h + h * (1 + 2 * 16) + h + h + 16 * h + h,  # rank 1 up to 16 features
    "linear_attention": lambda f, h: 3 * f * h,
    "gated_linear_attention": lambda f, h: 3 * f * h + 16 * f + 16 * h + h,
    "delta_net": lambda f, h: 3 * f * h + f,
    "gated_delta_net": lambda f, h: 3 * f * h + 2 * f + 2,
    "ffm": lambda f, h: (f + 1) * 2 * (32 + h) + 32 + 4 + 2 * 32 * 4 * h + h,
}

STARTS = {
    "s4d": dict(dt_min=0.01),
    "mamba": dict(dt_min=0.01),
    "linear_attention": dict(kernel_init=Normal(0.3)),
    "gated_linear_attention": dict(kernel_init=Normal(0.3)),
    "delta_net": dict(kernel_init=Normal(0.3)),
    "gated_delta_net": dict(kernel_init=Normal(0.3)),
    "ffm": dict(max_period=100.0),
}


def summed(carry):
    """A memory whose normaliser is positive, as a sum of positive features is."""
    return type(carry)(np.abs(carry.memory))


CARRIES = {"linear_attention": summed, "linear_attention_heads": summed}

VARIANTS = [
    ("mamba_square", lambda p: rnnjax.Mamba(4, state_features=3, rank=2, precision=p), 4),
    ("mamba_negative", lambda p: rnnjax.Mamba(4, state_features=3, negative_eigenvalues=True, precision=p)),
    ("linear_attention_heads", lambda p: rnnjax.LinearAttention(4, heads=2, key_features=3, precision=p)),
    ("delta_net_heads", lambda p: rnnjax.DeltaNet(4, heads=2, key_features=3, negative_eigenvalues=True, precision=p)),
    ("gated_delta_net_heads", lambda p: rnnjax.GatedDeltaNet(4, heads=2, key_features=3, precision=p)),
]
