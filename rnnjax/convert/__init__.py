"""Weights from and to PyTorch, Keras and Flax, and files of the safetensors format. NumPy arrays in and out.

    params = from_torch(rnnjax.LSTM(128), module.state_dict())
    module.load_state_dict({name: torch.tensor(array) for name, array in to_torch(cell, params).items()})

None of these frameworks is imported here.
"""

from rnnjax.convert.flax import from_flax, to_flax
from rnnjax.convert.keras import from_keras, to_keras
from rnnjax.convert.safetensors import Saved, load_safetensors, save_safetensors
from rnnjax.convert.torch import from_torch, to_torch

__all__ = [
    "Saved", "from_flax", "from_keras", "from_torch", "load_safetensors", "save_safetensors", "to_flax", "to_keras",
    "to_torch",
]  # fmt: skip
