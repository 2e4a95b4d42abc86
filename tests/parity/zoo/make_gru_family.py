"""Makes the golden files of the GRU's relatives. Needs PyTorch and torchrecurrent.

What torchrecurrent has beyond the papers is left at zero: the candidate's input bias inside the inner tanh of MUT1, the
second bias of ATR, the candidate's bias of the bistable cells.
"""

from __future__ import annotations

from parity.zoo import golden

H, F = golden.FEATURES, golden.INPUTS


def draw(**shapes):
    return dict(zip(shapes, golden.draws(0, shapes.values()), strict=True))


def stepped(module, assembled=lambda weights: weights):
    """A step of a cell of torchrecurrent, for the weights that `assembled` makes its parameters of."""
    import torch

    def step(weights, state, x):
        after = torch.func.functional_call(module.double(), assembled(weights), (x, *state))
        return (after,), after

    return step


def of_torchrecurrent():
    import torch
    import torchrecurrent as tr

    made = golden.version("torchrecurrent")

    def case(name, step, weights):
        made.update(golden.torch_case(name, step, weights, golden.draws(3, [(golden.BATCH, H)])))

    for name, cell in (
        ("mgu", tr.MGUCell), ("mut2", tr.MUT2Cell), ("mut3", tr.MUT3Cell), ("ligru", tr.LiGRUCell),
        ("star", tr.STARCell),
    ):  # fmt: skip
        module = cell(F, H)
        case(name, stepped(module), golden.random_weights(module))

    def ran(weights, state, x):
        """From c alone: the h before it is tanh(c)."""
        h, c = torch.func.functional_call(of_ran, weights, (x, (torch.tanh(state[0]), state[0])))
        return (c,), h

    of_ran = tr.RANCell(F, H).double()
    case("ran", ran, golden.random_weights(of_ran))

    def mut1(weights):
        bias, nothing = weights["bias"].chunk(3), torch.zeros(H, dtype=torch.float64)
        biases = {"bias_ih": torch.cat([bias[0], bias[1], nothing]), "bias_hh": torch.cat([nothing, bias[2]])}
        return {name: weights[name] for name in ("weight_ih", "weight_hh")} | biases

    weights = draw(weight_ih=(3 * H, F), weight_hh=(2 * H, H), bias=(3 * H,))
    case("mut1", stepped(tr.MUT1Cell(F, H), mut1), weights)

    atr = lambda weights: weights | {"bias_hh": torch.zeros(H, dtype=torch.float64)}  # noqa: E731
    case("atr", stepped(tr.ATRCell(F, H), atr), draw(weight_ih=(H, F), weight_hh=(H, H), bias_ih=(H,)))

    def bistable(weights):
        biases = {"bias_ih": torch.cat([weights["bias"], torch.zeros(H, dtype=torch.float64)])}
        biases["bias_hh"] = torch.zeros(2 * H, dtype=torch.float64)
        return {name: weights[name] for name in ("weight_ih", "weight_hh")} | biases

    for name, cell, shape in (("brc", tr.BRCell, (2 * H,)), ("nbrc", tr.NBRCell, (2 * H, H))):
        weights = draw(weight_ih=(3 * H, F), weight_hh=shape, bias=(2 * H,))
        case(name, stepped(cell(F, H), bistable), weights)
    return made


LIBRARIES = {"torchrecurrent": of_torchrecurrent}

if __name__ == "__main__":
    golden.write("gru_family", LIBRARIES)
