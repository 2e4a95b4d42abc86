"""Makes the golden files of the plain and gated cells. Needs NumPy, PyTorch, torchrecurrent and sru.

    python -m parity.zoo.make_simple_gated

Left out: the SCRN of torchrecurrent, another network than the paper's. Its FastGRNN is given the sigmoid of the paper
for the gate, which is a tanh unless asked for.
"""

from __future__ import annotations

import numpy as np
from parity.zoo import golden
from parity.zoo.golden import BATCH, FEATURES, INPUTS, TIME, draws


def coarse(array):
    """To multiples of 1/64, which take little room in a file."""
    return np.round(64 * array) / 64


def problem(cell, inputs, leaves=1):
    """Weights of a module of PyTorch, the arrays of a state, and inputs."""
    weights = {name: coarse(array) for name, array in golden.random_weights(cell).items()}
    carry = [coarse(leaf) for leaf in draws(3, [(BATCH, FEATURES)] * leaves)]
    return weights, carry, coarse(2 * draws(1, [(BATCH, TIME, inputs)])[0])


def torchrecurrent():
    import torch
    import torchrecurrent as package
    from torch.func import functional_call

    def made(name, cell, step, inputs=INPUTS, leaves=1):
        weights, carry, xs = problem(cell, inputs, leaves)
        if name == "cfn":
            weights["bias_ih"] = weights["bias_ih"][: 2 * FEATURES]  # the paper's candidate has no bias
        return golden.torch_case(name, step(cell), weights, carry, xs)

    def plain(cell):
        def step(weights, state, x):
            h = functional_call(cell, weights, (x, state[0]))
            return (h,), h

        return step

    def with_an_output(cell):
        def step(weights, state, x):
            y, h = functional_call(cell, weights, (x, state[0]))
            return (h,), y

        return step

    def without_bias_of_the_candidate(cell):
        def step(weights, state, x):
            bias = torch.cat([weights["bias_ih"], torch.zeros(FEATURES, dtype=x.dtype)])
            h = functional_call(cell, weights | {"bias_ih": bias}, (x, state[0]))
            return (h,), h

        return step

    def of_two_inputs(cell):
        """The package keeps the last input itself, our state its products with the kernels."""
        last = []

        def step(weights, state, x):
            state, *products = state
            # Before the first step there are products alone: the identity hands them through.
            identity = {"weight_hh": torch.eye(3 * FEATURES, dtype=x.dtype)}
            given = (weights, last[0]) if last else (weights | identity, torch.cat(products, 1))
            after = functional_call(cell, given[0], (x, (state, given[1])))
            y, state = (after[0], after[1][0]) if isinstance(after[1], tuple) else (after[0], after[0])
            last[:] = [x]
            return (state, *(x @ weights["weight_hh"].T).chunk(3, 1)), y

        return step

    widths = (INPUTS, FEATURES)
    return (
        golden.version("torchrecurrent")
        | made("ugrnn", package.UGRNNCell(*widths), plain)
        | made("intersection_rnn", package.IntersectionRNNCell(FEATURES, FEATURES), with_an_output, FEATURES)
        | made("minimal_rnn", package.MinimalRNNCell(*widths), plain)
        | made("cfn", package.CFNCell(*widths), without_bias_of_the_candidate)
        | made("fast_rnn", package.FastRNNCell(*widths), plain)
        | made("fast_grnn", package.FastGRNNCell(*widths, nonlinearity="sigmoid"), plain)
        | made("t_rnn", package.TRNNCell(*widths), plain)
        | made("t_gru", package.TGRUCell(*widths), of_two_inputs, leaves=4)
        | made("t_lstm", package.TLSTMCell(*widths), of_two_inputs, leaves=4)
    )


def sru():
    import torch
    from sru import SRUCell
    from torch.func import functional_call

    def made(name, inputs, highway_bias):
        cell = SRUCell(inputs, FEATURES, highway_bias=highway_bias)
        # The package rounds this constant to float32.
        exact = {"scale_x": torch.sqrt(1 + 2 * torch.exp(torch.tensor([highway_bias], dtype=torch.float64)))}

        def step(weights, state, x):
            y, c = functional_call(cell, weights | exact, (x[None], state[0]))
            return (c,), y[0]

        return golden.torch_case(name, step, *problem(cell, inputs))

    return golden.version("sru") | made("sru", INPUTS, 0.0) | made("sru_square", FEATURES, -1.0)


LIBRARIES = {"torchrecurrent": torchrecurrent, "sru": sru}

if __name__ == "__main__":
    golden.write("simple_gated", LIBRARIES)
