#!/usr/bin/env python3
"""What PyTorch and torchrecurrent compute where their cells are those of the LSTM family.

Needs NumPy, PyTorch and torchrecurrent: `python -m parity.zoo.make_lstm_family` in tests/, on the processor, in
float64. torchrecurrent's `NASCell` is left out: it adds where the cell of the paper multiplies.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from parity.zoo import golden

F, N, PROJECTED = golden.INPUTS, golden.FEATURES, 4


def carry(*widths):
    return golden.draws(3, [(golden.BATCH, width) for width in widths])


def drawn(**shapes):
    return dict(zip(shapes, golden.draws(0, shapes.values()), strict=True))


def call(module, weights, state, x):
    h, c = torch.func.functional_call(module, weights, (x, state))
    return (h, c), h


def call_janet(module, weights, state, x):
    h, _ = torch.func.functional_call(module, weights, (x, (state[0], state[0])))
    return (h,), h


def of_torchrecurrent():
    import torchrecurrent as tr

    made = golden.version("torchrecurrent")
    without = dict(bias=False, recurrent_bias=False)
    cells = {
        "lstm_1997": tr.OriginalLSTMCell(F, N),
        "peephole_lstm": tr.PeepholeLSTMCell(F, N),
        "multiplicative_lstm": tr.MultiplicativeLSTMCell(F, N, **without),  # the paper has biases on the gates alone
        "wmc_lstm": tr.WMCLSTMCell(F, N, memory_bias=False),
        "janet": tr.JANETCell(F, N),
    }
    for name, module in cells.items():
        module = module.double()
        weights = golden.random_weights(module)
        weights.pop("beta", None)  # trainable there, 1 at the start; a constant of the cell here
        step, start = (call_janet, carry(N)) if name == "janet" else (call, carry(N, N))
        made |= golden.torch_case(name, functools.partial(step, module), weights, start)
    return made


def step_projected(weights, state, x):
    h, c = state
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    flat = [weights[name] for name in names]
    options = True, 1, 0.0, False, False, False  # biases, one layer, no dropout, no training, one way, time-major
    y, h, c = torch._VF.lstm(x[None], (h[None], c[None]), flat, *options)
    return (h[0], c[0]), y[0]


def step_coupled(weights, state, x):
    """An LSTM whose input gate is sigmoid(-a) = 1 - sigmoid(a), a being that of the forget gate."""
    four = [torch.cat([-weights[name][:N], weights[name]]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    h, c = torch._VF.lstm_cell(x, state, *four)
    return (h, c), h


def of_torch():
    rows = {"bias_ih": (4 * N,), "bias_hh": (4 * N,)}
    projected = drawn(weight_ih=(4 * N, F), weight_hh=(4 * N, PROJECTED), weight_hr=(PROJECTED, N), **rows)
    rows = {"bias_ih": (3 * N,), "bias_hh": (3 * N,)}
    coupled = drawn(weight_ih=(3 * N, F), weight_hh=(3 * N, N), **rows)
    return (
        golden.version("torch")
        | golden.torch_case("lstmp", step_projected, projected, carry(PROJECTED, N))
        | golden.torch_case("cifg_lstm", step_coupled, coupled, carry(N, N))
    )


LIBRARIES = {"torchrecurrent": of_torchrecurrent, "torch": of_torch}

if __name__ == "__main__":
    np.seterr(all="raise")
    golden.write("lstm_family", LIBRARIES)
