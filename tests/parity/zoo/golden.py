"""What the makers of golden files share. Needs NumPy, and PyTorch where it runs a cell of PyTorch."""

from __future__ import annotations

import importlib.metadata
import pathlib
import re
import sys

import numpy as np

FOLDER = pathlib.Path(__file__).parent.parent / "golden" / "zoo"
BATCH, TIME, INPUTS, FEATURES = 3, 5, 4, 6


def draws(seed, shapes):
    """Float64 normal draws of the given shapes."""
    rng = np.random.default_rng(seed)
    return [0.5 * rng.standard_normal(shape) for shape in shapes]


def version(package):
    """The version of an installed package, as `{"version": ...}`."""
    return {"version": np.array(re.match(r"[\d.]*\d", importlib.metadata.version(package))[0])}


def torch_case(name, step, weights, carry, xs=None):
    """A case of PyTorch with its gradients, `{name/part: array}`.

    Args:
      name: of the case.
      step: `step(weights, state, x) -> (state, y)` for a batch, where states are tuples of tensors `[batch, ...]`.
      weights: `{name: array}`, such as `random_weights` draws them.
      carry: the arrays of the state before the first step.
      xs: inputs `[batch, time, ...]`; normal draws of `INPUTS` features unless given.
    """
    import torch

    xs = 2 * draws(1, [(BATCH, TIME, INPUTS)])[0] if xs is None else xs
    weights = {key: torch.tensor(np.asarray(value, np.float64), requires_grad=True) for key, value in weights.items()}
    xs = torch.tensor(np.asarray(xs, np.float64), requires_grad=True)
    carry = [torch.tensor(np.asarray(leaf, np.float64), requires_grad=True) for leaf in carry]
    state, ys = tuple(carry), []
    for x in xs.unbind(1):
        state, y = step(weights, state, x)
        ys.append(y)
    ys = torch.stack(ys, 1)
    pulls = draws(2, [tuple(leaf.shape) for leaf in (ys, *state)])
    sum((leaf * torch.tensor(pull)).sum() for leaf, pull in zip((ys, *state), pulls, strict=True)).backward()
    gradient = lambda leaf: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad  # noqa: E731
    parts = {f"weights/{key}": value for key, value in weights.items()}
    parts |= {f"gradients/{key}": gradient(value) for key, value in weights.items()}
    parts |= {"xs": xs, "gradients/xs": gradient(xs), "ys": ys}
    for index, (before, after) in enumerate(zip(carry, state, strict=True)):
        parts |= {f"carry/{index}": before, f"gradients/carry/{index}": gradient(before), f"final/{index}": after}
    return {f"{name}/{part}": value.detach().numpy() for part, value in parts.items()}


def random_weights(module, seed=0):
    """Normal draws for every parameter of a PyTorch module, `{name: array}`."""
    shapes = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    return dict(zip(shapes, draws(seed, shapes.values()), strict=True))


def write(family, libraries):
    """The command of a maker: writes the golden files of the libraries named on the command line, or of all."""
    for library in sys.argv[1:] or libraries:
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{family}_{library}.npz"
        np.savez_compressed(path, **libraries[library]())
        print(path, path.stat().st_size, "bytes")
