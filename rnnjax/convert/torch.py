"""Weights of `torch.nn.RNN`, `LSTM` and `GRU`: any number of layers, one direction or both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.cells import GRU, LSTM, Elman
from rnnjax.cells.lstmp import LSTMP
from rnnjax.convert.arrays import Shape, as_array, cast, check_arrays, joined, native
from rnnjax.convert.layers import Cells, alike, assembled, layers_of, plain, taken_apart
from rnnjax.errors import InputError, check

_LAYER = re.compile(r"_l(\d+)(_reverse)?$")
_SUFFIXES = ("", "_reverse")
_CELLS = (Elman, LSTM, LSTMP, GRU)


def from_torch(cell: Cells, state_dict: Mapping[str, Any], *, prefix: str = "") -> Any:
    """Parameters of a cell from the `state_dict()` of a module of PyTorch.

    `Elman` takes those of `torch.nn.RNN`, `LSTM` and `GRU` those of the modules of the same name, `LSTMP` those of
    `torch.nn.LSTM` with a `proj_size`. PyTorch has two biases where one is enough: they are summed, except in the
    candidate of a GRU, whose second bias the reset gate multiplies. A module without biases gives biases of zero.

    Args:
      cell: a cell for a module of one layer; a `Stack` of equal cells for one of several layers; a pair of cells
        `(forward, backward)` for a bidirectional one; a sequence of such pairs, one a layer, for both. `Dropout` around
        a cell changes nothing.
      state_dict: names to tensors, or to NumPy arrays.
      prefix: the module's name in a larger model, with the dot at its end; keys that do not start with it are left out.

    Returns:
      NumPy arrays of the dtype of each cell's parameters, in the structure that `init` makes: for a pair a pair, for a
      sequence of pairs a list of pairs.

    Raises:
      InputError: a cell that PyTorch does not have, a key that is missing or left over, a wrong number of layers or
        directions, a wrong shape; the key is named.
    """
    layers = _plain_layers(cell)
    if not isinstance(state_dict, Mapping):
        raise InputError("state_dict", type(state_dict).__name__, "a mapping from names to tensors")
    given = {name: as_array(leaf) for name, leaf in state_dict.items() if name.startswith(prefix)}
    _check_layers(cell, layers, given)
    bias = any(name.startswith(f"{prefix}bias_") for name in given)
    expected: dict[str, Shape] = {}
    width: int | str = "in_features"
    for index, layer in enumerate(layers):
        for each, suffix in zip(layer, _SUFFIXES, strict=False):
            expected |= _shapes(each, width, f"{prefix}{{}}_l{index}{suffix}", bias)
        width = sum(each.output_features for each in layer)
    check_arrays("state_dict", given, expected, f"{cell}")
    _check_same_width(given, layers, prefix)
    params = [
        tuple(
            _params(each, given, f"{prefix}{{}}_l{index}{suffix}")
            for each, suffix in zip(layer, _SUFFIXES, strict=False)
        )
        for index, layer in enumerate(layers)
    ]
    return assembled(cell, params)


def to_torch(cell: Cells, params: Any, *, prefix: str = "") -> dict[str, np.ndarray]:
    """The inverse of `from_torch`: a state dict of NumPy arrays for a module of the same cells.

    The bias goes into `bias_ih` as a whole and `bias_hh` is zero, but for the candidate of a GRU. For PyTorch:
    `module.load_state_dict({name: torch.tensor(array) for name, array in to_torch(cell, params).items()})`.

    Raises:
      InputError: a cell that PyTorch does not have, or parameters that are not those of the cell.
    """
    layers = _plain_layers(cell)
    state_dict = {}
    for index, (layer, layer_params) in enumerate(zip(layers, taken_apart(cell, params), strict=True)):
        for each, own, suffix in zip(layer, layer_params, _SUFFIXES, strict=False):
            state_dict |= _state(each, own, f"{prefix}{{}}_l{index}{suffix}")
    return state_dict


def _plain_layers(cell: Cells) -> list[tuple[Any, ...]]:
    layers = [tuple(plain(each, _CELLS) for each in layer) for layer in layers_of(cell)]
    cells = [each for layer in layers for each in layer]
    check(alike(cells), "cell", cell, "layers of equal cells: a module of PyTorch has one kind and one width")
    first = cells[0]
    if isinstance(first, Elman):
        check(first.activation in ("tanh", "relu"), "cell.activation", first.activation, '"tanh" or "relu", as PyTorch')
    if isinstance(first, GRU):
        check(first.reset_after, "cell.reset_after", first.reset_after, "True, as PyTorch")
    return layers


def _check_layers(cell, layers, given):
    found = [match for match in map(_LAYER.search, given) if match]
    depth = 1 + max((int(match[1]) for match in found), default=-1)
    check(depth == len(layers), "state_dict, number of layers", depth, f"{len(layers)} for {cell}")
    directions = 1 + any(match[2] for match in found)
    expected = f"{len(layers[0])} for {cell}; a pair of cells has two"
    check(directions == len(layers[0]), "state_dict, number of directions", directions, expected)


def _check_same_width(given, layers, prefix):
    if len(layers[0]) == 2:
        names = [f"{prefix}weight_ih_l0{suffix}" for suffix in _SUFFIXES]
        one, other = (given[name].shape for name in names)
        check(one == other, f"state_dict[{names[1]!r}]", f"shape {other}", f"shape {one}, as forwards")


def _shapes(cell: Any, in_features: int | str, name: str, bias: bool) -> dict[str, Shape]:
    rows = len(cell.gates) * cell.features
    shapes: dict[str, Shape] = {
        "weight_ih": (rows, in_features),
        "weight_hh": (rows, cell.output_features),
    }
    if bias:
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
    if isinstance(cell, LSTMP):
        shapes["weight_hr"] = (cell.output_features, cell.features)
    return {name.format(key): shape for key, shape in shapes.items()}


def _params(cell: Any, given: Mapping[str, Any], name: str) -> dict[str, Any]:
    kernel, recurrent = (given[name.format(key)].T for key in ("weight_ih", "weight_hh"))
    zeros = np.zeros(kernel.shape[-1:], kernel.dtype)
    bias, recurrent_bias = (given.get(name.format(key), zeros) for key in ("bias_ih", "bias_hh"))
    params = {"kernel": kernel, "recurrent_kernel": recurrent}
    if isinstance(cell, LSTMP):
        params["projection"] = given[name.format("weight_hr")].T
    if isinstance(cell, GRU):
        gates = 2 * cell.features  # the blocks of reset and update gate; that of the candidate is kept apart
        params["bias"] = joined([bias[:gates] + recurrent_bias[:gates], bias[gates:]])
        params["recurrent_bias"] = recurrent_bias[gates:]
    else:
        params["bias"] = bias + recurrent_bias
    return {name: cast(leaf, cell.precision.params) for name, leaf in params.items()}


def _state(cell: Any, params: Mapping[str, Any], name: str) -> dict[str, np.ndarray]:
    bias = params["bias"]
    recurrent_bias = np.zeros_like(bias)
    if isinstance(cell, GRU):
        recurrent_bias[2 * cell.features :] = params["recurrent_bias"]
    state = {
        "weight_ih": params["kernel"].T,
        "weight_hh": params["recurrent_kernel"].T,
        "bias_ih": bias,
        "bias_hh": recurrent_bias,
    }
    if isinstance(cell, LSTMP):
        state["weight_hr"] = params["projection"].T
    return {name.format(key): np.ascontiguousarray(native(leaf)) for key, leaf in state.items()}
