"""Plain and gated cells outside of the families of LSTM and GRU, step by step in NumPy."""

from __future__ import annotations

import functools

import numpy as np

from references.functions import relu, sigmoid
from rnnjax import QRNN, SRU, ClockworkRNN, FastGRNN, IntersectionRNN


def scrn(p, state, x):
    hidden, context = state
    context = 0.95 * context + 0.05 * (x @ p["slow_kernel"])
    seen = x @ p["kernel"] + hidden @ p["recurrent_kernel"] + context @ p["context_kernel"]
    hidden = sigmoid(seen + p["bias"])
    return (hidden, context), np.concatenate([hidden, context])


def ugrnn(p, state, x):
    (h,) = state
    g, n = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 2)
    h = sigmoid(g) * h + (1 - sigmoid(g)) * np.tanh(n)
    return (h,), h


def intersection_rnn(p, state, x):
    (h,) = state
    x = x @ p["input_kernel"] if "input_kernel" in p else x
    gate_h, h_in, gate_y, y_in = np.split(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"], 4)
    h = sigmoid(gate_h) * h + (1 - sigmoid(gate_h)) * np.tanh(h_in)
    return (h,), sigmoid(gate_y) * x + (1 - sigmoid(gate_y)) * relu(y_in)


def minimal_rnn(p, state, x):
    (h,) = state
    of_update, of_latent = np.split(p["bias"], 2)
    z = np.tanh(x @ p["kernel"] + of_latent)
    u = sigmoid(h @ p["recurrent_kernel"] + z @ p["latent_kernel"] + of_update)
    h = u * h + (1 - u) * z
    return (h,), h


def cfn(p, state, x):
    (h,) = state
    v_theta, v_eta, w = np.split(p["kernel"], 3, axis=1)
    u_theta, u_eta = np.split(p["recurrent_kernel"], 2, axis=1)
    b_theta, b_eta = np.split(p["bias"], 2)
    theta, eta = sigmoid(h @ u_theta + x @ v_theta + b_theta), sigmoid(h @ u_eta + x @ v_eta + b_eta)
    h = theta * np.tanh(h) + eta * np.tanh(x @ w)
    return (h,), h


def clockwork_rnn(p, state, x, periods=(1, 2, 4, 8)):
    """Module by module, of as many units each."""
    h, clock = state
    size = len(h) // len(periods)
    after = h.copy()
    for k, period in enumerate(periods):
        if int(np.floor(clock[0])) % period:
            continue
        own, slower = slice(k * size, (k + 1) * size), slice(k * size, None)  # itself and all slower ones
        seen = x @ p["kernel"][:, own] + h[slower] @ p["recurrent_kernel"][slower, own]
        after[own] = np.tanh(seen + p["bias"][own])
    return (after, clock + 1), after


def fast_rnn(p, state, x):
    (h,) = state
    n = np.tanh(x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"])
    h = sigmoid(p["alpha"]) * n + sigmoid(p["beta"]) * h
    return (h,), h


def fast_grnn(p, state, x):
    (h,) = state
    w = p["kernel"] @ p["kernel_factor"] if "kernel_factor" in p else p["kernel"]
    u = p["recurrent_kernel"] @ p["recurrent_factor"] if "recurrent_factor" in p else p["recurrent_kernel"]
    of_gate, of_candidate = np.split(p["bias"], 2)
    z = sigmoid(x @ w + h @ u + of_gate)
    n = np.tanh(x @ w + h @ u + of_candidate)
    h = z * h + (sigmoid(p["zeta"]) * (1 - z) + sigmoid(p["nu"])) * n
    return (h,), h


def t_rnn(p, state, x):
    (h,) = state
    z, f = np.split(x @ p["kernel"] + p["bias"], 2)
    h = sigmoid(f) * h + (1 - sigmoid(f)) * z
    return (h,), h


def t_gru(p, state, x):
    h, *of_last = state
    z, f, o = np.split(x @ p["kernel"] + np.concatenate(of_last) + p["bias"], 3)
    h = sigmoid(f) * h + z * np.tanh(o)
    return (h, *np.split(x @ p["previous_kernel"][0], 3)), h


def t_lstm(p, state, x):
    c, *of_last = state
    z, f, o = np.split(x @ p["kernel"] + np.concatenate(of_last) + p["bias"], 3)
    c = sigmoid(f) * c + (1 - sigmoid(f)) * z
    return (c, *np.split(x @ p["previous_kernel"][0], 3)), c * np.tanh(o)


def sru(p, state, x):
    (c,) = state
    w, w_f, w_r = np.split(p["kernel"], 3, axis=1)
    v_f, v_r = np.split(p["recurrent_vector"], 2)
    b_f, b_r = np.split(p["bias"], 2)
    f, r = sigmoid(x @ w_f + v_f * c + b_f), sigmoid(x @ w_r + v_r * c + b_r)
    c = f * c + (1 - f) * (x @ w)
    highway = x @ p["highway_kernel"] if "highway_kernel" in p else np.sqrt(3) * x
    return (c,), r * c + (1 - r) * highway


def qrnn(p, state, x, pooling="fo"):
    """`state[1]`, of a window of several inputs, holds what earlier ones add to the coming steps."""
    c, *pending = state
    summed = x @ p["kernel"] + p["bias"]
    if pending:
        of_steps = pending[0].reshape(len(p["previous_kernel"]), -1)
        summed = summed + of_steps[0]
        coming = np.concatenate([of_steps[1:], np.zeros_like(of_steps[:1])])
        pending = [np.ravel(coming + np.stack([x @ tap for tap in p["previous_kernel"]]))]
    z, f, *more = np.split(summed, len(pooling) + 1)
    i = sigmoid(more[1]) if pooling == "ifo" else 1 - sigmoid(f)
    c = sigmoid(f) * c + i * np.tanh(z)
    return (c, *pending), c if pooling == "f" else sigmoid(more[0]) * c


EQUATIONS = {
    function.__name__: function
    for function in (
        scrn, ugrnn, intersection_rnn, minimal_rnn, cfn, clockwork_rnn, fast_rnn, fast_grnn, t_rnn, t_gru, t_lstm, sru,
        qrnn,
    )
} | {
    "intersection_rnn_square": intersection_rnn,
    "clockwork_rnn_periods": functools.partial(clockwork_rnn, periods=(2, 3)),
    "fast_grnn_low_rank": fast_grnn,
    "sru_square": sru,
    "qrnn_affine": qrnn,
    "qrnn_f": functools.partial(qrnn, pooling="f"),
    "qrnn_ifo": functools.partial(qrnn, pooling="ifo"),
}  # fmt: skip

SIZES = {
    "scrn": lambda f, h: f * h + h * h + h + (h // 2) * (f + h),  # half as many context units
    "ugrnn": lambda f, h: 2 * (f * h + h * h + h),
    "intersection_rnn": lambda f, h: f * h + 4 * (h * h + h * h + h),  # of inputs made as wide as the state
    "minimal_rnn": lambda f, h: f * h + 2 * h * h + 2 * h,
    "cfn": lambda f, h: 3 * f * h + 2 * (h * h + h),
    "clockwork_rnn": lambda f, h: f * h + h * h + h,
    "fast_rnn": lambda f, h: f * h + h * h + h + 2,
    "fast_grnn": lambda f, h: f * h + h * h + 2 * h + 2,
    "t_rnn": lambda f, h: 2 * (f * h + h),
    "t_gru": lambda f, h: 3 * (2 * f * h + h),
    "t_lstm": lambda f, h: 3 * (2 * f * h + h),
    "sru": lambda f, h: 3 * f * h + 2 * h + 2 * h + f * h,  # the last for the highway between widths that differ
    "qrnn": lambda f, h: 3 * (2 * f * h + h),
}

VARIANTS = [
    ("intersection_rnn_square", lambda p: IntersectionRNN(4, precision=p), 4),
    ("clockwork_rnn_periods", lambda p: ClockworkRNN(4, periods=(2, 3), precision=p)),
    ("fast_grnn_low_rank", lambda p: FastGRNN(4, input_rank=2, recurrent_rank=3, precision=p)),
    ("sru_square", lambda p: SRU(4, precision=p), 4),
    ("qrnn_affine", lambda p: QRNN(4, window=1, precision=p)),
    ("qrnn_f", lambda p: QRNN(4, pooling="f", precision=p)),
    ("qrnn_ifo", lambda p: QRNN(4, window=3, pooling="ifo", precision=p)),
]


def at_steps(*steps):
    """Clocks that have counted that many steps, each half a step away from where modules start and stop."""

    def placed(carry):
        return carry._replace(clock=(np.resize(steps, carry.clock.shape) + 0.5).astype(carry.clock.dtype))

    return placed


# In the last step of each of the first cell's rows all modules run: a unit that waits has a singular value of one, the
# logarithm of which is rounding alone.
CARRIES = {"clockwork_rnn": at_steps(1, 2, 5), "clockwork_rnn_periods": at_steps(0, 1, 2)}

# None of the leaves is, but what a clock moves it moves along a straight line: its second derivative is zero.
FLAT = dict.fromkeys(CARRIES, ())
