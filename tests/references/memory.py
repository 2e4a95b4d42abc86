"""Convolutional cells, networks with a memory of matrices or slots, and reservoirs, step by step in NumPy."""

from __future__ import annotations

import numpy as np

from references.functions import sigmoid, softmax, softplus
from rnnjax.cells.conv_gru import ConvGRU2D
from rnnjax.cells.conv_lstm import ConvLSTM2D
from rnnjax.cells.echo_state import EchoState
from rnnjax.cells.hopfield import Hopfield, ModernHopfield
from rnnjax.cells.mlstm import MLSTM
from rnnjax.cells.ntm import NTM
from rnnjax.cells.slstm import SLSTM


def convolution(x, kernel):
    """What each place sees in a window around it, zeros beyond the edge: `[*places, n] -> [*places, m]`."""
    *window, _, width = kernel.shape
    y = np.zeros((*x.shape[:-1], width))
    for place in np.ndindex(*x.shape[:-1]):
        for offset in np.ndindex(*window):
            seen = tuple(p + o - (w - 1) // 2 for p, o, w in zip(place, offset, window, strict=True))
            if all(0 <= s < n for s, n in zip(seen, x.shape[:-1], strict=True)):
                y[place] += x[seen] @ kernel[offset]
    return y


def conv_lstm(p, state, x):
    h, c = state
    pre = convolution(x, p["kernel"]) + convolution(h, p["recurrent_kernel"]) + p["bias"]
    i, f, g, o = np.split(pre, 4, axis=-1)
    p_i, p_f, p_o = np.split(p["peephole"], 3) if "peephole" in p else (0, 0, 0)
    c_new = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
    h = sigmoid(o + p_o * c_new) * np.tanh(c_new)
    return (h, c_new), h


def conv_gru(p, state, x):
    (h,) = state
    w_r, w_z, w_n = np.split(convolution(x, p["kernel"]) + p["bias"], 3, axis=-1)
    u_r, u_z, u_n = np.split(p["recurrent_kernel"], 3, axis=-1)
    r, z = sigmoid(w_r + convolution(h, u_r)), sigmoid(w_z + convolution(h, u_z))
    n = np.tanh(w_n + convolution(r * h, u_n))
    h = (1 - z) * n + z * h
    return (h,), h


def block_diagonal(kernel, gates):
    """`[heads, n, gates * n]` as the dense matrix `[heads * n, gates * heads * n]` that it stands for."""
    if kernel.ndim == 2:
        return kernel
    heads, n, _ = kernel.shape
    dense = np.zeros((heads * n, gates, heads * n))
    for head, gate in np.ndindex(heads, gates):
        part = slice(head * n, (head + 1) * n)
        dense[part, gate, part] = kernel[head, :, gate * n : (gate + 1) * n]
    return dense.reshape(heads * n, gates * heads * n)


def slstm(p, state, x):
    """By the numbers that c and n stand for, c exp(m) and n exp(m), which are then brought to the paper's m."""
    h, c, n, m = state
    pre = x @ p["kernel"] + h @ block_diagonal(p["recurrent_kernel"], 4) + p["bias"]
    i, f, z, o = np.split(pre, 4)
    m_new = np.where(n == 0, i, np.maximum(np.log(sigmoid(f)) + m, i))
    c, n = c * np.exp(m), n * np.exp(m)
    c, n = sigmoid(f) * c + np.exp(i) * np.tanh(z), sigmoid(f) * n + np.exp(i)
    h = sigmoid(o) * c / n
    return (h, c * np.exp(-m_new), n * np.exp(-m_new), m_new), h


def mlstm(p, state, x):
    """By the numbers that the memory stands for, as in `slstm`; head by head."""
    c, n, m = state
    heads, d = n.shape
    query, k_weights, v_weights, o_weights = np.split(p["kernel"], 4, axis=1)
    b_q, b_k, b_v, b_o = np.split(p["bias"], 4)
    q, v = x @ query + b_q, x @ v_weights + b_v
    k = x @ k_weights / np.sqrt(d) + b_k
    o = sigmoid(x @ o_weights + b_o)
    i, f = np.split(x @ p["gate_kernel"] + p["gate_bias"], 2)
    m_new = np.maximum(np.log(sigmoid(f)) + m, i)
    c_new, n_new, read = np.zeros_like(c), np.zeros_like(n), []
    for head in range(heads):
        part = slice(head * d, (head + 1) * d)
        whole_c = sigmoid(f[head]) * c[head] * np.exp(m[head]) + np.exp(i[head]) * np.outer(v[part], k[part])
        whole_n = sigmoid(f[head]) * n[head] * np.exp(m[head]) + np.exp(i[head]) * k[part]
        read.append(whole_c @ q[part] / max(abs(whole_n @ q[part]), 1))
        c_new[head], n_new[head] = whole_c * np.exp(-m_new[head]), whole_n * np.exp(-m_new[head])
    return (c_new, n_new, m_new), o * np.concatenate(read)


def head_outputs(p, hidden, read_heads, heads, slot_features, shift_range):
    """What the controller tells each head, a dict a head."""
    flat = list(hidden @ p["head_kernel"] + p["head_bias"])
    take = lambda count: np.array([flat.pop(0) for _ in range(count)])  # noqa: E731
    widths = dict(k=slot_features, beta=1, g=1, s=2 * shift_range + 1, gamma=1)
    said = [{} for _ in range(heads)]
    for name, width in widths.items():
        for head in said:
            head[name] = take(width)
    for name in ("e", "a"):
        for head in said[read_heads:]:
            head[name] = take(slot_features)
    assert not flat
    return said


def address(head, memory, before):
    """Equations 5 to 9 of the paper."""
    lengths = np.sqrt((memory**2).sum(1) + 1e-8) * np.sqrt((head["k"] ** 2).sum() + 1e-8)
    content = softmax(softplus(head["beta"]) * (memory @ head["k"]) / lengths)
    gated = sigmoid(head["g"]) * content + (1 - sigmoid(head["g"])) * before
    shifts, slots = softmax(head["s"]), len(memory)
    reach = len(shifts) // 2
    shifted = np.array(
        [sum(shifts[k + reach] * gated[(slot - k) % slots] for k in range(-reach, reach + 1)) for slot in range(slots)]
    )
    powers = shifted ** (1 + softplus(head["gamma"]))
    return powers / powers.sum()


def ntm(p, state, x, shift_range=1):
    hidden, cell, memory, reads, focus = state
    read_heads, slot_features = reads.shape
    pre = x @ p["kernel"] + hidden @ p["recurrent_kernel"] + reads.ravel() @ p["read_kernel"] + p["bias"]
    i, f, g, o = np.split(pre, 4)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    hidden = sigmoid(o) * np.tanh(cell)
    said = head_outputs(p, hidden, read_heads, len(focus), slot_features, shift_range)
    written_at = [address(head, memory, before) for head, before in zip(said, focus, strict=True)][read_heads:]
    writing = list(zip(said[read_heads:], written_at, strict=True))
    for head, weights in writing:
        memory = memory * (1 - np.outer(weights, sigmoid(head["e"])))
    for head, weights in writing:
        memory = memory + np.outer(weights, head["a"])
    read_at = [address(head, memory, before) for head, before in zip(said, focus, strict=True)][:read_heads]
    reads = np.stack([weights @ memory for weights in read_at])
    return (hidden, cell, memory, reads, np.stack(read_at + written_at)), np.concatenate([hidden, reads.ravel()])


def ntm_heads(p, state, x):
    return ntm(p, state, x, shift_range=2)


def hebbian(patterns):
    weights = sum(np.outer(pattern, pattern) for pattern in patterns)
    np.fill_diagonal(weights, 0)
    return weights


def hopfield(p, state, x):
    h = state[0].copy()
    weights, field = hebbian(p["patterns"]), x @ p["kernel"] + p["bias"]
    for unit in range(len(h)):
        h[unit] = np.sign(weights[unit] @ h / len(h) + field[unit]) or h[unit]
    return (h,), h


def hopfield_synchronous(p, state, x):
    h = np.sign(hebbian(p["patterns"]) @ state[0] / len(state[0]) + x @ p["kernel"] + p["bias"])
    return (h,), h


def modern_hopfield(p, state, x, beta=None):
    beta = beta or 1 / np.sqrt(len(state[0]))
    shares = softmax(beta * p["patterns"] @ (state[0] + x @ p["kernel"] + p["bias"]))
    h = p["patterns"].T @ shares
    return (h,), h


def echo_state(p, state, x, leak=1.0):
    (h,) = state
    h = (1 - leak) * h + leak * np.tanh(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"])
    return (h,), h


EQUATIONS = {
    **{f"conv_lstm_{axes}d": conv_lstm for axes in (1, 2, 3)},
    **{f"conv_gru_{axes}d": conv_gru for axes in (1, 2, 3)},
    "conv_lstm_2d_peepholes": conv_lstm,
    "conv_gru_2d_even_window": conv_gru,
    "slstm": slstm,
    "slstm_heads": slstm,
    "mlstm": mlstm,
    "mlstm_heads": mlstm,
    "ntm": ntm,
    "ntm_heads": ntm_heads,
    "hopfield": hopfield,
    "hopfield_synchronous": hopfield_synchronous,
    "modern_hopfield": modern_hopfield,
    "modern_hopfield_soft": lambda p, state, x: modern_hopfield(p, state, x, 0.3),
    "echo_state": echo_state,
    "echo_state_leaky": lambda p, state, x: echo_state(p, state, x, 0.3),
}

SIZES = {
    **{f"conv_lstm_{axes}d": lambda f, h, w=3**axes: 4 * (w * f * h + w * h * h + h) for axes in (1, 2, 3)},
    **{f"conv_gru_{axes}d": lambda f, h, w=3**axes: 3 * (w * f * h + w * h * h + h) for axes in (1, 2, 3)},
    "slstm": lambda f, h: 4 * (f * h + h * h + h),
    "mlstm": lambda f, h: 4 * (f * h + h) + 2 * (f + 1),
    # A head has a key of 20 numbers, three scalars and three shifts; one of the two writes two vectors of 20.
    "ntm": lambda f, h: 4 * (f * h + h * h + 20 * h + h) + (h + 1) * (2 * 26 + 2 * 20),
    "hopfield": lambda f, h: f * h + h + h,  # one pattern
    "modern_hopfield": lambda f, h: 2 * h * h + f * h + h,  # twice as many patterns as units
    "echo_state": lambda f, h: f * h + h * h + h,
}

STARTS = {
    "mlstm": dict(kernel_init={"key": 0.5}),
    "hopfield": dict(input_scale=0.5),
    "modern_hopfield": dict(input_scale=0.5),
    "echo_state": dict(spectral_radius=0.5),
}


def _with_a_positive_normaliser(carry):
    return carry._replace(n=(np.abs(carry.n) + 0.5).astype(carry.n.dtype))


def _with_positive_weights(carry):
    """Not brought to a sum of one, as every step does: finite differences would be large beside shares of 1 / slots."""
    return carry._replace(focus=(np.abs(carry.focus) + 0.5).astype(carry.focus.dtype))


def _of_signs(carry):
    return carry._replace(h=np.sign(carry.h))


CARRIES = {
    "slstm": _with_a_positive_normaliser,
    "slstm_heads": _with_a_positive_normaliser,
    "ntm": _with_positive_weights,
    "ntm_heads": _with_positive_weights,
    "hopfield": _of_signs,
    "hopfield_synchronous": _of_signs,
}

FLAT = {name: ("0/bias", "0/kernel", "0/patterns", "1") for name in ("hopfield", "hopfield_synchronous")}

VARIANTS = [
    ("conv_lstm_2d_peepholes", lambda p: ConvLSTM2D(4, peepholes=True, precision=p), 5, (2, 3)),
    ("conv_gru_2d_even_window", lambda p: ConvGRU2D(4, kernel_size=2, precision=p), 5, (3, 2)),
    ("slstm_heads", lambda p: SLSTM(4, heads=2, precision=p)),
    ("mlstm_heads", lambda p: MLSTM(4, heads=2, precision=p)),
    (
        "ntm_heads",
        lambda p: NTM(
            4, slots=7, slot_features=3, read_heads=2, write_heads=2, shift_range=2, precision=p,
        ),
    ),
    ("hopfield_synchronous", lambda p: Hopfield(4, memories=2, update="synchronous", precision=p)),
    ("modern_hopfield_soft", lambda p: ModernHopfield(4, memories=3, beta=0.3, precision=p)),
    ("echo_state_leaky", lambda p: EchoState(4, leak=0.3, precision=p)),
]  # fmt: skip
