"""Recurrent neural networks in JAX, as pure functions.

    cell = rnnjax.LSTM(128)
    params = cell.init(jax.random.key(0), in_features=10)
    carry, ys = rnnjax.unroll(cell, params, xs)

A cell alone, from `Cell` to `unroll`, needs jax and numpy only. The packages `analysis`, `tasks`, `models` and
`training` are imported when they are named: `import rnnjax.training`.
"""

from rnnjax import cells, initializers
from rnnjax.cell import Cell, UnitCell
from rnnjax.cells import GRU, JANET, LRU, LSTM, RGLRU, S5, Elman, Jordan, MinGRU, MinLSTM, PeepholeLSTM
from rnnjax.errors import InputError
from rnnjax.initializers import Chrono
from rnnjax.kernel import dot
from rnnjax.precision import Precision
from rnnjax.unroll import bidirectional, unroll
from rnnjax.wrappers import Dropout, Residual, Stack

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "JANET",
    "LRU",
    "LSTM",
    "RGLRU",
    "S5",
    "Cell",
    "Chrono",
    "Dropout",
    "Elman",
    "InputError",
    "Jordan",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "Precision",
    "Residual",
    "Stack",
    "UnitCell",
    "bidirectional",
    "cells",
    "dot",
    "initializers",
    "unroll",
]  # fmt: skip
