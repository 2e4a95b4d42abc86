"""Weights of a PyTorch model, moved over by a file of the safetensors format.

Where PyTorch is installed, a two-layer LSTM of its own is the model; elsewhere NumPy draws weights of the same names.

    python examples/from_pytorch.py
"""

import pathlib
import tempfile

import numpy as np
import safetensors.numpy

import rnnjax
from rnnjax.convert import from_torch, load_safetensors, save_safetensors

INPUTS, FEATURES, LAYERS = 8, 16, 2
xs = np.random.default_rng(0).standard_normal((4, 10, INPUTS)).astype(np.float32)

try:
    import torch
except ImportError:
    torch = None

if torch is not None:
    module = torch.nn.LSTM(INPUTS, FEATURES, LAYERS, batch_first=True)
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
else:
    rng = np.random.default_rng(1)
    weights = {}
    for layer, width in enumerate((INPUTS, FEATURES)):
        shapes = {"weight_ih": (64, width), "weight_hh": (64, FEATURES), "bias_ih": (64,), "bias_hh": (64,)}
        weights |= {f"{name}_l{layer}": rng.uniform(-0.25, 0.25, shape) for name, shape in shapes.items()}

with tempfile.TemporaryDirectory() as folder:
    exchanged = pathlib.Path(folder) / "torch.safetensors"
    safetensors.numpy.save_file(weights, exchanged)  # what `safetensors.torch.save_model` writes

    cell = rnnjax.Stack([rnnjax.LSTM(FEATURES)] * LAYERS)
    params = from_torch(cell, safetensors.numpy.load_file(exchanged))
    print({layer: {name: leaf.shape for name, leaf in own.items()} for layer, own in params.items()})

    own = pathlib.Path(folder) / "rnnjax.safetensors"
    save_safetensors(own, params, cell=cell)
    params, cell = load_safetensors(own)
    print("the file knows its cell:", cell)

_, ys = rnnjax.unroll(cell, params, xs)
if torch is not None:
    with torch.no_grad():
        theirs, _ = module(torch.tensor(xs))
    print("largest difference from PyTorch:", float(np.abs(theirs.numpy() - ys).max()))
else:
    print("outputs:", ys.shape, "(PyTorch is not here to compare with)")
