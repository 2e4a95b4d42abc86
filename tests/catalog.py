"""The cells under test: every registered class, named variants of them, and wrappers around them.

A cell that is added to `rnnjax.cells.REGISTRY` is listed here by itself, and so comes under every law.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from rnnjax import (
    GRU,
    LRU,
    LSTM,
    RGLRU,
    S5,
    Dropout,
    Elman,
    Jordan,
    MinGRU,
    PeepholeLSTM,
    Precision,
    Residual,
    Stack,
)
from rnnjax.cell import Cell
from rnnjax.cells import REGISTRY

FEATURES = 4
IN_FEATURES = 5  # unlike every other width here, so that no two shapes agree by chance

FLOAT64 = Precision("float64")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A cell under test: `entry.cell(precision)` builds it, for inputs of `in_features`."""

    name: str
    cell: Callable[[Precision], Cell]
    in_features: int = IN_FEATURES

    def __str__(self) -> str:
        return self.name


def _registered(cls: type) -> Callable[[Precision], Cell]:
    return lambda precision: cls(FEATURES, precision=precision)


REGISTERED = [Entry(name, _registered(cls)) for name, cls in REGISTRY.items()]

VARIANTS = [
    Entry("elman_relu", lambda p: Elman(FEATURES, activation="relu", precision=p)),
    Entry("irnn", lambda p: Elman.irnn(FEATURES, precision=p)),
    Entry("gru_reset_before", lambda p: GRU(FEATURES, reset_after=False, precision=p)),
    Entry("s5_square", lambda p: S5(FEATURES, state_features=6, blocks=2, precision=p), in_features=FEATURES),
    Entry("rg_lru_heads", lambda p: RGLRU(FEATURES, heads=2, precision=p), in_features=FEATURES),
    Entry("jordan_output_size", lambda p: Jordan(FEATURES, output_size=6, output_activation="identity", precision=p)),
]

WRAPPED = [
    Entry("stack", lambda p: Stack((LSTM(6, precision=p), GRU(FEATURES, precision=p)))),
    Entry("residual", lambda p: Residual(GRU(FEATURES, precision=p)), in_features=FEATURES),
    Entry("dropout", lambda p: Dropout(GRU(FEATURES, precision=p), input=0.3, output=0.4, recurrent=0.3)),
    Entry(
        "stack_of_wrapped",
        lambda p: Stack(
            (
                Dropout(PeepholeLSTM(FEATURES, precision=p), recurrent=0.4),
                Residual(Dropout(GRU(FEATURES, reset_after=False, precision=p), output=0.3)),
            )
        ),
    ),
    Entry(
        "dropout_of_stack",
        lambda p: Dropout(Stack((Elman(6, precision=p), LSTM(FEATURES, precision=p))), recurrent=0.4),
    ),
    Entry(
        "stack_of_affine",
        lambda p: Stack(
            (
                Residual(LRU(IN_FEATURES, state_features=3, precision=p)),
                Dropout(MinGRU(FEATURES, precision=p), input=0.3, output=0.4),
            )
        ),
    ),
]

CELLS = REGISTERED + VARIANTS + WRAPPED


def differing_in_dynamics(entries: list[Entry]) -> list[Entry]:
    """Without those that compute what an earlier one computes, from other initial parameters."""
    first = {}
    for entry in entries:
        first.setdefault(entry.cell(FLOAT64).dynamics, entry)
    return list(first.values())


every_cell = pytest.mark.parametrize("entry", CELLS, ids=str)
every_computation = pytest.mark.parametrize("entry", differing_in_dynamics(CELLS), ids=str)
every_plain_cell = pytest.mark.parametrize("entry", REGISTERED + VARIANTS, ids=str)
every_plain_computation = pytest.mark.parametrize("entry", differing_in_dynamics(REGISTERED + VARIANTS), ids=str)
every_registered_cell = pytest.mark.parametrize("entry", REGISTERED, ids=str)
