"""The cells, one family a file, and the registry that is made from them."""

from __future__ import annotations

from typing import Any

from rnnjax.cell import Cell, UnitCell
from rnnjax.cells.complex_diagonal import ComplexState
from rnnjax.cells.elman import Elman, ElmanState
from rnnjax.cells.gru import GRU, GRUState
from rnnjax.cells.janet import JANET, JANETState
from rnnjax.cells.jordan import Jordan, JordanState
from rnnjax.cells.lru import LRU
from rnnjax.cells.lstm import LSTM, LSTMState, PeepholeLSTM
from rnnjax.cells.min_gru import MinGRU, MinGRUState
from rnnjax.cells.min_lstm import MinLSTM, MinLSTMState
from rnnjax.cells.rg_lru import RGLRU, RGLRUState
from rnnjax.cells.s5 import S5
from rnnjax.errors import InputError, check_choice

__all__ = [
    "GRU",
    "JANET",
    "LRU",
    "LSTM",
    "REGISTRY",
    "RGLRU",
    "S5",
    "ComplexState",
    "Elman",
    "ElmanState",
    "GRUState",
    "JANETState",
    "Jordan",
    "JordanState",
    "LSTMState",
    "MinGRU",
    "MinGRUState",
    "MinLSTM",
    "MinLSTMState",
    "PeepholeLSTM",
    "RGLRUState",
    "get",
]  # fmt: skip

REGISTRY: dict[str, type[UnitCell]] = {
    "elman": Elman,
    "jordan": Jordan,
    "lstm": LSTM,
    "peephole_lstm": PeepholeLSTM,
    "gru": GRU,
    "min_gru": MinGRU,
    "min_lstm": MinLSTM,
    "lru": LRU,
    "s5": S5,
    "rg_lru": RGLRU,
    "janet": JANET,
}
"""Every cell by its name on the command line. What is registered here is covered by the laws, the tools and the CLI."""

SHORTHANDS = {"irnn": Elman.irnn}


def get(name: str, features: int, **fields: Any) -> Cell:
    """The cell of a name: a key of `REGISTRY`, or "irnn".

    Raises:
      InputError: an unknown name or field.
    """
    check_choice("cell", name, [*REGISTRY, *SHORTHANDS])
    try:
        return (REGISTRY | SHORTHANDS)[name](features, **fields)
    except TypeError as error:
        raise InputError(f"cell {name}", fields, f"fields of the cell ({error})") from None
