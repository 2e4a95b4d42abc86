"""Weights of the recurrent cells of Flax, Linen and NNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.cells import GRU, LSTM, Elman
from rnnjax.convert.arrays import Shape, by_gate, cast, check_arrays, flattened, joined, native, nested
from rnnjax.convert.layers import checked_params, plain
from rnnjax.errors import InputError, check_choice

Layout = Mapping[str, tuple[str, tuple[str, ...]]]
"""Each array of a module, and what it holds: a parameter of the cell, and which gates of it, side by side."""

_LETTERS = {"input": "i", "forget": "f", "candidate": "g", "output": "o"}
_GRU_LETTERS = {"reset": "r", "update": "z", "candidate": "n"}


def _lstm(forget: str) -> Layout:
    """A layer a gate; the bias is with the recurrent kernel."""
    names = _LETTERS | {"forget": forget}
    kernels = {f"i{names[gate]}.kernel": ("kernel", (gate,)) for gate in LSTM.gates}
    for gate in LSTM.gates:
        name = f"h{_LETTERS[gate]}"
        kernels |= {f"{name}.kernel": ("recurrent_kernel", (gate,)), f"{name}.bias": ("bias", (gate,))}
    return kernels


def _gru() -> Layout:
    """A layer a gate; the bias is with the input kernel, and that of the candidate's state with its kernel."""
    layout: dict[str, tuple[str, tuple[str, ...]]] = {}
    for gate in GRU.gates:
        letter = _GRU_LETTERS[gate]
        layout |= {f"i{letter}.kernel": ("kernel", (gate,)), f"i{letter}.bias": ("bias", (gate,))}
        layout |= {f"h{letter}.kernel": ("recurrent_kernel", (gate,))}
    return layout | {"hn.bias": ("recurrent_bias", ("candidate",))}


def _fused(gates: tuple[str, ...], bias: str) -> Layout:
    """One layer for the input, one for the state, all gates side by side."""
    return {
        "dense_i.kernel": ("kernel", gates),
        "dense_h.kernel": ("recurrent_kernel", gates),
        f"{bias}.bias": ("bias", gates),
    }


LAYOUTS: dict[type, dict[str, Layout]] = {
    LSTM: {
        "linen.LSTMCell": _lstm("f"),
        "linen.OptimizedLSTMCell": _lstm("f"),
        "nnx.LSTMCell": _lstm("f_"),
        "nnx.OptimizedLSTMCell": _fused(LSTM.gates, "dense_h"),
    },
    GRU: {"linen.GRUCell": _gru(), "nnx.GRUCell": _fused(GRU.gates, "dense_i")},
    Elman: {
        "linen.SimpleCell": {
            "i.kernel": ("kernel", Elman.gates),
            "i.bias": ("bias", Elman.gates),
            "h.kernel": ("recurrent_kernel", Elman.gates),
        },
        "nnx.SimpleCell": _fused(Elman.gates, "dense_i"),
    },
}
"""The modules that a cell has counterparts in, and where these keep its parameters."""


def from_flax(cell: Any, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a cell from those of the module of Flax that computes the same.

    `LSTM` takes those of `LSTMCell` and `OptimizedLSTMCell`, `GRU` those of `GRUCell`, `Elman` those of `SimpleCell`,
    of Linen and of NNX; which of them it is, the names tell. `nnx.GRUCell` (Flax 0.12.8, flax#5594) lacks the bias
    b_hn that `linen.GRUCell` has: it becomes zero here.

    Args:
      cell: an `Elman`, `LSTM` or `GRU`.
      params: of Linen `variables["params"]["cell"]` where the module is inside `nn.RNN`, else `variables["params"]`; of
        NNX `nnx.state(module, nnx.Param)`.

    Returns:
      NumPy arrays of the dtype of the cell's parameters.

    Raises:
      InputError: a cell that Flax does not have, an array that is missing or left over, or a wrong shape; it is named.
    """
    inner, layouts = _layouts(cell)
    given = flattened(params, "params")
    name = max(layouts, key=lambda name: len(given.keys() & layouts[name].keys()))
    layout = layouts[name]
    check_arrays("params", given, _shapes(inner, layout), f"{name} of {inner}")
    blocks: dict[str, dict[str, Any]] = {}
    for path, (parameter, gates) in layout.items():
        blocks.setdefault(parameter, {}).update(by_gate(given[path], gates))
    wanted = {parameter: inner.gates for parameter in ("kernel", "recurrent_kernel", "bias")}
    if isinstance(inner, GRU):
        wanted["recurrent_bias"] = ("candidate",)
        zero = np.zeros(inner.features, blocks["bias"]["candidate"].dtype)
        blocks.setdefault("recurrent_bias", {"candidate": zero})
    return {
        parameter: cast(joined([blocks[parameter][gate] for gate in gates]), inner.precision.params)
        for parameter, gates in wanted.items()
    }


def to_flax(cell: Any, params: Mapping[str, Any], module: str | None = None) -> dict[str, Any]:
    """The inverse of `from_flax`: nested dicts of NumPy arrays.

    They are the "params" of a Linen module as they stand. For NNX: `nnx.update(module, to_flax(...))`.

    Args:
      cell: an `Elman`, `LSTM` or `GRU`.
      params: its parameters.
      module: "linen.LSTMCell", "linen.OptimizedLSTMCell", "nnx.LSTMCell", "nnx.OptimizedLSTMCell", "linen.GRUCell",
        "nnx.GRUCell", "linen.SimpleCell" or "nnx.SimpleCell"; `None` is the one of Linen.

    Raises:
      InputError: a cell or a module that do not belong together, parameters that are not those of the cell, or a
        `recurrent_bias` other than zero for `nnx.GRUCell`, which has none (flax#5594).
    """
    inner, layouts = _layouts(cell)
    name = next(iter(layouts)) if module is None else module
    check_choice("module", name, layouts)
    given = checked_params(inner, params)
    layout = layouts[name]
    held = {parameter for parameter, _ in layout.values()}
    for parameter in given.keys() - held:
        if np.any(given[parameter]):
            expected = f"zero: {name} has no such bias; linen.GRUCell has"
            raise InputError(f"params[{parameter!r}]", given[parameter], expected)
    flat = {}
    for path, (parameter, gates) in layout.items():
        own = ("candidate",) if parameter == "recurrent_bias" else inner.gates
        blocks = by_gate(given[parameter], own)
        flat[path] = native(joined([blocks[gate] for gate in gates]))
    return nested(flat)


def _layouts(cell: Any) -> tuple[Any, dict[str, Layout]]:
    inner = plain(cell)
    if isinstance(inner, GRU) and not inner.reset_after:
        raise InputError("cell.reset_after", inner.reset_after, "True, as Flax")
    return inner, LAYOUTS[type(inner)]


def _shapes(cell: Any, layout: Layout) -> dict[str, Shape]:
    rows = {"kernel": "in_features", "recurrent_kernel": cell.features}
    return {
        path: (*([rows[parameter]] if parameter in rows else []), len(gates) * cell.features)
        for path, (parameter, gates) in layout.items()
    }
