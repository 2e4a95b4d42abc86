"""Networks made for stability and networks in continuous time, step by step in NumPy."""

from __future__ import annotations

import numpy as np
import scipy.signal

from references.functions import relu, sigmoid, softplus
from rnnjax.cells.indrnn import IndRNN
from rnnjax.cells.lem import LEM
from rnnjax.cells.lipschitz_rnn import LipschitzRNN
from rnnjax.cells.nru import NRU
from rnnjax.cells.sco_rnn import ScoRNN
from rnnjax.initializers import Constant, Normal


def indrnn(p, state, x):
    (h,) = state
    h = relu(x @ p["kernel"] + p["recurrent_vector"] * h + p["bias"])
    return (h,), h


def indrnn_tanh(p, state, x):
    (h,) = state
    h = np.tanh(x @ p["kernel"] + p["recurrent_vector"] * h + p["bias"])
    return (h,), h


def unicornn(p, state, x, dt=0.1, alpha=1.0):
    y, z = state
    step = dt * sigmoid(p["control"])
    z = z - step * (np.tanh(p["recurrent_vector"] * y + x @ p["kernel"] + p["bias"]) + alpha * y)
    y = y + step * z
    return (y, z), y


def antisymmetric_rnn(p, state, x, epsilon=0.1, gamma=0.01):
    (h,) = state
    v = p["recurrent_kernel"].T  # acts on columns in the paper
    a = (v - v.T - gamma * np.eye(len(h))) @ h
    h = h + epsilon * np.tanh(a + p["kernel"].T @ x + p["bias"])
    return (h,), h


def gated_antisymmetric_rnn(p, state, x, epsilon=0.1, gamma=0.01):
    (h,) = state
    v = p["recurrent_kernel"].T
    a = (v - v.T - gamma * np.eye(len(h))) @ h
    gate, candidate = np.split(p["kernel"].T @ x + p["bias"], 2)
    h = h + epsilon * sigmoid(a + gate) * np.tanh(a + candidate)
    return (h,), h


def lipschitz_rnn(p, state, x, beta=0.8, gamma=0.01, epsilon=0.01):
    (h,) = state

    def matrix(kernel):
        m = kernel.T
        return (1 - beta) * (m + m.T) + beta * (m - m.T) - gamma * np.eye(len(h))

    nonlinear = np.tanh(matrix(p["recurrent_kernel"]) @ h + p["kernel"].T @ x + p["bias"])
    h = h + epsilon * (matrix(p["linear_kernel"]) @ h + nonlinear)
    return (h,), h


def lipschitz_rnn_symmetric(p, state, x):
    return lipschitz_rnn(p, state, x, beta=0.5, gamma=0.3, epsilon=0.2)


def cornn(p, state, x, dt=0.042, gamma=2.7, epsilon=4.7):
    y, z = state
    drive = np.tanh(y @ p["recurrent_kernel"] + z @ p["velocity_kernel"] + x @ p["kernel"] + p["bias"])
    z = z + dt * (drive - gamma * y - epsilon * z)
    y = y + dt * z
    return (y, z), y


def lem(p, state, x, dt=1.0):
    y, z = state
    inputs = np.split(x @ p["kernel"] + p["bias"], 4)
    u1, u2, uz, v = np.split(p["recurrent_kernel"], 4, axis=1)
    d1, d2 = dt * sigmoid(y @ u1 + inputs[0]), dt * sigmoid(y @ u2 + inputs[1])
    z = (1 - d1) * z + d1 * np.tanh(y @ uz + inputs[2])
    y = (1 - d2) * y + d2 * np.tanh(z @ v + inputs[3])
    return (y, z), y


def lem_short_steps(p, state, x):
    return lem(p, state, x, dt=0.3)


def skew(entries, width):
    a = np.zeros((width, width))
    place = iter(entries)
    for i in range(width):
        for j in range(i + 1, width):
            a[i, j] = next(place)
            a[j, i] = -a[i, j]
    return a


def exponential_of_skew(a):
    """By the eigenvectors of i A, which is Hermitian."""
    angles, vectors = np.linalg.eigh(1j * a)
    return ((vectors * np.exp(-1j * angles)) @ vectors.conj().T).real


def mod_relu(a, bias):
    return np.where(a < 0, -1, 1) * relu(abs(a) + bias)


def exp_rnn(p, state, x):
    (h,) = state
    u = exponential_of_skew(skew(p["skew"], len(h)))
    h = mod_relu(u @ h + p["kernel"].T @ x, p["bias"])
    return (h,), h


def sco_rnn(p, state, x, negative=0.5):
    (h,) = state
    a, i = skew(p["skew"], len(h)), np.eye(len(h))
    d = np.ones(len(h))
    d[len(h) - round(negative * len(h)) :] = -1
    u = np.linalg.inv(i + a) @ (i - a) @ np.diag(d)
    h = mod_relu(u @ h + p["kernel"].T @ x, p["bias"])
    return (h,), h


def sco_rnn_negative(p, state, x):
    return sco_rnn(p, state, x, negative=0.25)


def urnn(p, state, x, seed=0):
    """The factors act on the state one after the other."""
    (pair,) = state
    n = len(pair) // 2
    phases = np.exp(1j * p["phases"])
    vectors = p["reflections_real"] + 1j * p["reflections_imag"]

    def reflected(h, v):
        return h - 2 * v * (v.conj() @ h) / (v.conj() @ v)

    h = phases[0] * (pair[:n] + 1j * pair[n:])
    h = reflected(np.fft.fft(h) / np.sqrt(n), vectors[0])
    h = phases[1] * h[np.random.RandomState(seed).permutation(n)]
    h = phases[2] * reflected(np.fft.ifft(h) * np.sqrt(n), vectors[1])
    a = h + x @ p["kernel"][:, :n] + 1j * (x @ p["kernel"][:, n:])
    h = a / abs(a) * relu(abs(a) + p["bias"])
    pair = np.concatenate([h.real, h.imag])
    return (pair,), pair


def nru(p, state, x, memory=64, heads=4, rectify=lambda a: a):
    h, m = state
    rank = int(np.sqrt(memory * heads))
    h = relu(np.concatenate([h, m]) @ p["recurrent_kernel"] + x @ p["kernel"] + p["bias"])
    parts = np.concatenate([h, m]) @ p["head_kernel"] + p["head_bias"]
    strengths, vectors = np.split(parts[: 2 * heads], 2), np.split(parts[2 * heads :], 4)
    assert vectors[0].shape == (rank,)
    for sign, strength, left, right in ((1, strengths[0], *vectors[:2]), (-1, strengths[1], *vectors[2:])):
        directions = rectify(np.outer(left, right).reshape(heads, memory))
        norms = (abs(directions) ** 5).sum(1, keepdims=True) ** 0.2
        m = m + sign * np.mean(rectify(strength)[:, None] * directions / np.maximum(norms, 1e-12), axis=0)
    return (h, m), h


def nru_rectified(p, state, x):
    return nru(p, state, x, memory=9, heads=1, rectify=relu)


def ct_rnn(p, state, x, unfolds=6, elapsed=1.0):
    (h,) = state
    for _ in range(unfolds):
        slope = (np.tanh(h @ p["recurrent_kernel"] + x @ p["kernel"] + p["bias"]) - h) / np.exp(p["log_tau"])
        h = h + elapsed / unfolds * slope
    return (h,), h


def ltc(p, state, x, unfolds=6, elapsed=1.0):
    (h,) = state
    capacitance, leak = softplus(p["capacitance"]), softplus(p["leak_conductance"])
    kinds = [(x, "input_"), (None, "")]
    for _ in range(unfolds):
        numerator = capacitance / (elapsed / unfolds) * h + leak * p["leak_potential"]
        denominator = capacitance / (elapsed / unfolds) + leak
        for sources, kind in kinds:
            sources = h if sources is None else sources
            for source, place in zip(sources, range(len(sources)), strict=True):
                activity = sigmoid(p[f"{kind}slope"][place] * (source - p[f"{kind}threshold"][place]))
                conductance = softplus(p[f"{kind}conductance"][place]) * activity
                numerator = numerator + conductance * p[f"{kind}reversal"][place]
                denominator = denominator + conductance
        h = numerator / denominator
    return (h,), h


def cfc(p, state, x, elapsed=1.0):
    (h,) = state
    backbone = 1.7159 * np.tanh(0.666 * (x @ p["kernel"] + h @ p["recurrent_kernel"] + p["bias"]))
    g, k, f, d = np.split(backbone @ p["head_kernel"] + p["head_bias"], 4)
    s = sigmoid(f * elapsed + d)
    h = np.tanh(g) * (1 - s) + s * np.tanh(k)
    return (h,), h


def legendre_memory(order, theta):
    """A and B of a unit step."""
    a = np.array([[(2 * i + 1) * (-1 if i < j else (-1) ** (i - j + 1)) for j in range(order)] for i in range(order)])
    b = np.array([[(2 * i + 1) * (-1.0) ** i] for i in range(order)])
    system = (a / theta, b / theta, np.zeros((1, order)), np.zeros((1, 1)))
    step, inputs = scipy.signal.cont2discrete(system, 1.0, "zoh")[:2]
    return step, inputs[:, 0]


def lmu(p, state, x, order=16, theta=100.0):
    h, m = state
    a, b = legendre_memory(order, theta)
    u = x @ p["input_encoder"] + h @ p["hidden_encoder"] + m @ p["memory_encoder"]
    m = a @ m + b * u
    h = np.tanh(x @ p["kernel"] + h @ p["recurrent_kernel"] + m @ p["memory_kernel"])
    return (h, m), h


EQUATIONS = {
    function.__name__: function
    for function in (
        indrnn, indrnn_tanh, unicornn, antisymmetric_rnn, gated_antisymmetric_rnn, lipschitz_rnn,
        lipschitz_rnn_symmetric, cornn, lem, lem_short_steps, exp_rnn, sco_rnn, sco_rnn_negative, urnn, nru,
        nru_rectified, ct_rnn, ltc, cfc, lmu,
    )
}  # fmt: skip

SIZES = {
    "indrnn": lambda f, h: f * h + 2 * h,
    "unicornn": lambda f, h: f * h + 3 * h,
    "antisymmetric_rnn": lambda f, h: f * h + h * h + h,
    "gated_antisymmetric_rnn": lambda f, h: 2 * f * h + h * h + 2 * h,
    "lipschitz_rnn": lambda f, h: f * h + 2 * h * h + h,
    "cornn": lambda f, h: f * h + 2 * h * h + h,
    "lem": lambda f, h: 4 * (f * h + h * h + h),
    "exp_rnn": lambda f, h: f * h + h * (h - 1) // 2 + h,
    "sco_rnn": lambda f, h: f * h + h * (h - 1) // 2 + h,
    "urnn": lambda f, h: 2 * f * h + 8 * h,  # b, three diagonals, two complex vectors
    "nru": lambda f, h: f * h + (h + 64) * h + h + (h + 65) * (2 * 4 + 4 * 16),
    "ct_rnn": lambda f, h: f * h + h * h + 2 * h,
    "ltc": lambda f, h: 3 * h + 4 * h * (f + h),
    "cfc": lambda f, h: (f + h + 1) * h + 4 * h * (h + 1),
    "lmu": lambda f, h: (f + h + 16) * (h + 1),
}

STARTS = {
    "exp_rnn": dict(skew_init="henaff", bias_init=Constant(0.5)),
    "nru": dict(strength_scale=1.0),
    "ltc": dict(excitatory=0.9),
    "cfc": dict(preset="paper"),
    "lmu": dict(kernel_init=Normal(0.3)),
}


VARIANTS = [
    ("indrnn_tanh", lambda p: IndRNN(4, activation="tanh", precision=p)),
    ("lipschitz_rnn_symmetric", lambda p: LipschitzRNN(4, beta=0.5, gamma=0.3, epsilon=0.2, precision=p)),
    ("lem_short_steps", lambda p: LEM(4, dt=0.3, precision=p)),
    ("sco_rnn_negative", lambda p: ScoRNN(4, negative=0.25, precision=p)),
    ("nru_rectified", lambda p: NRU(4, memory_features=9, heads=1, rectified=True, precision=p)),
]
