"""The cells under test: every registered class, named variants of them, and wrappers around them.

A cell that is added to `rnnjax.cells.REGISTRY` is listed here by itself, and so comes under every law. What has to be
compiled for a law takes most of its time: of most cells, all but a few that stand for the others, `make test` runs the
laws in brief (`test_laws_in_brief.py`) and `make test-all` in full.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import references

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
from rnnjax.wrappers import (
    DenseStack,
    DropConnect,
    FastSlow,
    Highway,
    LayerNorm,
    Multiplicative,
    PastAttention,
    WeightNorm,
    Zoneout,
)

FEATURES = 4
IN_FEATURES = 5  # unlike every other width here, so that no two shapes agree by chance

FLOAT64 = Precision("float64")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A cell under test: `entry.cell(precision)` builds it, for inputs of `in_features`."""

    name: str
    cell: Callable[[Precision], Cell]
    in_features: int = IN_FEATURES
    places: tuple[int, ...] = ()  # the extent of the spatial axes
    zoo: bool = False

    @property
    def brief(self) -> bool:
        """Whether what compiles this cell is run in brief by `make test`, and in full by `make test-all` only."""
        return self.zoo or self.name in IN_BRIEF

    def __str__(self) -> str:
        return self.name


def entry_of(make: Callable[..., Cell]) -> Entry:
    """An entry for a cell class with four features."""
    return Entry(make.__name__, lambda precision: make(FEATURES, precision=precision))


TEXTBOOK = ("elman", "jordan", "lstm", "peephole_lstm", "gru", "min_gru", "min_lstm", "lru", "s5", "rg_lru")

# Of these, each like another one that is tested in full.
IN_BRIEF = (
    "jordan",
    "peephole_lstm",
    "min_lstm",
    "s5",
    "rg_lru",
    "irnn",
    "gru_reset_before",
    "dropout_of_stack",
    "stack_of_affine",
)


def _registered(name: str, cls: type) -> Entry:
    make = lambda precision: cls(FEATURES, precision=precision)  # noqa: E731
    in_features = FEATURES if name in references.SQUARE else IN_FEATURES
    return Entry(name, make, in_features, (3,) * cls.spatial_axes, zoo=name not in TEXTBOOK)


REGISTERED = [_registered(name, cls) for name, cls in REGISTRY.items()]

VARIANTS = [
    Entry("elman_relu", lambda p: Elman(FEATURES, activation="relu", precision=p), zoo=True),
    Entry("irnn", lambda p: Elman.irnn(FEATURES, precision=p)),
    Entry("gru_reset_before", lambda p: GRU(FEATURES, reset_after=False, precision=p)),
    Entry("s5_square", lambda p: S5(FEATURES, state_features=6, blocks=2, precision=p), FEATURES, zoo=True),
    Entry("rg_lru_heads", lambda p: RGLRU(FEATURES, heads=2, precision=p), FEATURES, zoo=True),
    Entry(
        "jordan_output_size",
        lambda p: Jordan(FEATURES, output_size=6, output_activation="identity", precision=p),
        zoo=True,
    ),
    *(Entry(name, make, *more, zoo=True) for name, make, *more in references.VARIANTS),
]

WRAPPED = [
    Entry("stack", lambda p: Stack((LSTM(6, precision=p), GRU(FEATURES, precision=p)))),
    Entry("residual", lambda p: Residual(GRU(FEATURES, precision=p)), in_features=FEATURES, zoo=True),
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
    Entry(
        "dense",
        lambda p: DenseStack((LSTM(6, precision=p), MinGRU(FEATURES, precision=p)), outputs="all"),
        zoo=True,
    ),
    Entry(
        "dropout_of_dense",
        lambda p: Dropout(DenseStack((Elman(6, precision=p), GRU(FEATURES, precision=p))), output=0.3),
        zoo=True,
    ),
    Entry("highway", lambda p: Highway(GRU(FEATURES, precision=p)), in_features=FEATURES, zoo=True),
    Entry("highway_of_affine", lambda p: Highway(MinGRU(FEATURES, precision=p)), in_features=FEATURES, zoo=True),
    Entry("layer_norm", lambda p: LayerNorm(GRU(FEATURES, precision=p), input=True), zoo=True),
    Entry("layer_norm_of_affine", lambda p: LayerNorm(LRU(FEATURES, state_features=3, precision=p)), zoo=True),
    Entry("weight_norm", lambda p: WeightNorm(LSTM(FEATURES, heads=2, precision=p)), zoo=True),
    Entry("drop_connect", lambda p: DropConnect(GRU(FEATURES, reset_after=False, precision=p), rate=0.4), zoo=True),
    Entry("zoneout", lambda p: Zoneout(LSTM(FEATURES, precision=p), rates={"h": 0.3, "c": 0.5}), zoo=True),
    Entry("zoneout_of_affine", lambda p: Zoneout(LRU(FEATURES, state_features=3, precision=p), rates=0.4), zoo=True),
    Entry(
        "fast_slow",
        lambda p: FastSlow((GRU(FEATURES, precision=p), GRU(FEATURES, precision=p)), LSTM(6, precision=p)),
        zoo=True,
    ),
    Entry("multiplicative", lambda p: Multiplicative(LSTM(FEATURES, precision=p)), zoo=True),
    Entry("past_attention", lambda p: PastAttention(Elman(FEATURES, precision=p), window=3), zoo=True),
]

CELLS = REGISTERED + VARIANTS + WRAPPED


def differing_in_dynamics(entries: list[Entry]) -> list[Entry]:
    """Without those that compute what an earlier one computes, from other initial parameters."""
    first = {}
    for entry in entries:
        first.setdefault(entry.cell(FLOAT64).dynamics, entry)
    return list(first.values())


def _each(entries: list[Entry]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=str)


def _each_but(entries: list[Entry], late: list[Entry]) -> pytest.MarkDecorator:
    """Each entry; some only where all is tested in full."""
    marks = [pytest.mark.exhaustive, pytest.mark.slow]
    cases = [pytest.param(entry, id=str(entry), marks=marks if entry in late else []) for entry in entries]
    return pytest.mark.parametrize("entry", cases)


def each_in_full(entries: list[Entry]) -> pytest.MarkDecorator:
    """Each entry; those that are tested in brief where all is tested in full only."""
    return _each_but(entries, [entry for entry in entries if entry.brief])


# A variant is a registered cell with another option: `make test` has the registered one.
every_cell = _each_but(CELLS, VARIANTS)
every_plain_cell = _each_but(REGISTERED + VARIANTS, VARIANTS)
every_registered_cell = _each(REGISTERED)
every_cell_in_brief = _each_but([entry for entry in CELLS if entry.brief], VARIANTS)


# For what has to compile a cell.
every_computation = each_in_full(differing_in_dynamics(CELLS))
every_plain_computation = each_in_full(differing_in_dynamics(REGISTERED + VARIANTS))
every_cell_in_full = each_in_full(CELLS)
every_plain_cell_in_full = each_in_full(REGISTERED + VARIANTS)
every_registered_computation = each_in_full(REGISTERED)
