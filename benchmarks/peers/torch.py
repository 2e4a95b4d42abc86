"""The layers of PyTorch, run as they come: nothing is compiled, and memory is known on a GPU only."""

from __future__ import annotations

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from benchmarks.prepared import Prepared
from benchmarks.problem import Problem

LAYERS = {"elman": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def prepare_layer(problem: Problem, mode: str, device: str) -> Prepared:
    """Makes the layer of a problem.

    Raises:
      RuntimeError: a GPU is asked for, and PyTorch sees none.
    """
    place = torch.device("cuda" if device == "gpu" else "cpu")
    layer = LAYERS[problem.cell](problem.shape.inputs, problem.shape.hidden)
    with torch.no_grad():
        for name, value in converted(problem).items():
            getattr(layer, name).copy_(torch.from_numpy(value))
    layer = layer.to(place)
    if device == "gpu":
        layer.flatten_parameters()  # one block of memory, as cuDNN wants it
    xs = torch.from_numpy(problem.xs).to(place).requires_grad_(mode == "training")
    leaves = [xs, *layer.parameters()]

    def forward():
        with torch.inference_mode():
            return layer(xs)[0]

    def training():
        loss = 0.5 * layer(xs)[0].square().sum()
        return loss, torch.autograd.grad(loss, leaves)

    work = forward if mode == "forward" else training

    def run():
        work()
        if device == "gpu":
            torch.cuda.synchronize()

    return Prepared(
        run=run,
        result=lambda: (forward() if mode == "forward" else training()[1][0]).cpu().numpy(),
        parameters=sum(leaf.numel() for leaf in layer.parameters()),
        memory_bytes=_peak_bytes(run) if device == "gpu" else None,
    )


def converted(problem: Problem) -> dict[str, np.ndarray]:
    """The weights as PyTorch keeps them: transposed, and with a second bias, of which one third of a GRU's counts."""
    params = problem.params
    second = np.zeros_like(params["bias"])
    if problem.cell == "gru":
        second[-problem.shape.hidden :] = params["recurrent_bias"]
    return {
        "weight_ih_l0": np.ascontiguousarray(params["kernel"].T),
        "weight_hh_l0": np.ascontiguousarray(params["recurrent_kernel"].T),
        "bias_ih_l0": params["bias"],
        "bias_hh_l0": second,
    }


def _peak_bytes(run) -> int:
    """What one run allocates on top of weights and inputs."""
    run()  # cuDNN chooses its workspace in the first
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    return torch.cuda.max_memory_allocated() - before
