"""Weights of Keras' `SimpleRNN`, `LSTM` and `GRU`, as `get_weights` gives them and `set_weights` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnjax.cells import GRU
from rnnjax.convert.arrays import Shape, as_array, by_gate, cast, check_arrays, joined, native, reordered
from rnnjax.convert.layers import Cells, assembled, layers_of, plain, shapes, taken_apart
from rnnjax.errors import InputError

_NAMES: tuple[str, ...] = ("kernel", "recurrent_kernel", "bias")


def from_keras(cell: Cells, weights: Sequence[Any]) -> Any:
    """Parameters of a cell from the list of arrays that `layer.get_weights()` returns.

    `Elman` takes those of `SimpleRNN`, `LSTM` and `GRU` those of the layers of the same name; the order of gates is
    changed where it is another (Keras' GRU has z, r, h). A `GRU` with `reset_after` has two rows of biases in Keras:
    they are summed, but for the candidate's. A layer without biases gives biases of zero.

    Args:
      cell: a cell for one layer; a `Stack` for layers on top of each other, as in `keras.Sequential`; a pair of cells
        `(forward, backward)` for `Bidirectional`; a sequence of such pairs for several of these.
      weights: kernel, recurrent kernel and bias (or the first two, of layers without biases) of each layer in turn, the
        forward direction first.

    Returns:
      NumPy arrays of the dtype of each cell's parameters, in the structure that `init` makes: for a pair a pair, for a
      sequence of pairs a list of pairs.

    Raises:
      InputError: a cell that Keras does not have, a wrong number of arrays, or a wrong shape; the array is named.
    """
    layers = [tuple(map(plain, layer)) for layer in layers_of(cell)]
    if not isinstance(weights, list | tuple):
        raise InputError("weights", type(weights).__name__, "a list of arrays, as get_weights() returns")
    count = sum(map(len, layers))
    size = 2 if len(weights) == 2 * count else 3
    if len(weights) != size * count:
        expected = f"3 for each of {count} layers and directions ({', '.join(_NAMES)}), or 2 without bias, for {cell}"
        raise InputError("weights, number of arrays", len(weights), expected)
    params: list[tuple[Any, ...]] = []
    width: int | str = "in_features"
    start = 0
    for layer in layers:
        directions = []
        for each in layer:
            given = dict(zip(_NAMES, map(as_array, weights[start : start + size]), strict=False))
            expected_shapes = _shapes(each, width, bias=size == 3)
            check_arrays(f"weights[{start}:{start + size}]", given, expected_shapes, f"{each}")
            directions.append(_params(each, given))
            start += size
        params.append(tuple(directions))
        width = sum(each.output_features for each in layer)
    return assembled(cell, params)


def to_keras(cell: Cells, params: Any) -> list[np.ndarray]:
    """The inverse of `from_keras`: a list for `layer.set_weights`, with biases.

    Raises:
      InputError: a cell that Keras does not have, or parameters that are not those of the cell.
    """
    layers = [tuple(map(plain, layer)) for layer in layers_of(cell)]
    weights = []
    for layer, layer_params in zip(layers, taken_apart(cell, params), strict=True):
        for each, own in zip(layer, layer_params, strict=True):
            weights += [native(leaf) for leaf in _weights(each, own)]
    return weights


def _order(cell: Any) -> tuple[str, ...]:
    return ("update", "reset", "candidate") if isinstance(cell, GRU) else cell.gates


def _shapes(cell: Any, in_features: int | str, bias: bool) -> dict[str, Shape]:
    own = shapes(cell)
    _, columns = own["kernel"]
    found: dict[str, Shape] = {"kernel": (in_features, columns), "recurrent_kernel": own["recurrent_kernel"]}
    if bias:
        found["bias"] = (2, columns) if "recurrent_bias" in own else (columns,)
    return found


def _params(cell: Any, given: dict[str, Any]) -> dict[str, Any]:
    params = {name: reordered(given[name], _order(cell), cell.gates) for name in _NAMES[:2]}
    two = "recurrent_bias" in shapes(cell)
    columns = params["kernel"].shape[-1]
    bias = given.get("bias", np.zeros((2, columns) if two else (columns,), params["kernel"].dtype))
    bias = reordered(bias, _order(cell), cell.gates)
    if two:
        own, recurrent = (by_gate(row, cell.gates) for row in bias)
        params["recurrent_bias"] = recurrent["candidate"]
        bias = joined([own["reset"] + recurrent["reset"], own["update"] + recurrent["update"], own["candidate"]])
    params["bias"] = bias
    return {name: cast(leaf, cell.precision.params) for name, leaf in params.items()}


def _weights(cell: Any, params: dict[str, Any]) -> list[np.ndarray]:
    kernel, recurrent, bias = (reordered(params[name], cell.gates, _order(cell)) for name in _NAMES)
    if "recurrent_bias" in params:
        second = np.zeros_like(bias)
        second[2 * cell.features :] = params["recurrent_bias"]  # the candidate is last in both orders
        bias = np.stack([bias, second])
    return [kernel, recurrent, bias]
