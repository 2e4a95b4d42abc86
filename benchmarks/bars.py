"""The bar that the library sets itself, and whether it is held."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from benchmarks import ablation, gpu, layers, remat
from benchmarks.growth import SCAN
from benchmarks.peers import OURS
from benchmarks.problem import CELLS, MODES, SHAPES
from benchmarks.ratios import STATISTICS, best_jax_ratio, geometric_mean, ratio

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Bar:
    """A bound on a ratio.

    Attributes:
      device: "CPU" or "GPU".
      statement: what has to hold, in words.
      bound: the bound.
      at_least: whether it is a lower bound; else an upper one.
      applies: whether a row is one that the bar is about.
      measure: the ratio of a row by minimum or median; `None` if it cannot be told.
      ours: the contestant that the bar is about: where it has failed, the bar is not held.
      mean: whether the geometric mean of the rows is judged; else the worst of them.
    """

    device: str
    statement: str
    bound: float
    at_least: bool
    applies: Callable[[Row], bool]
    measure: Callable[[Row, str], float | None]
    ours: str = OURS
    mean: bool = False


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A bar beside what was measured.

    Attributes:
      bar: the bar.
      by: the ratio by minimum and by median; empty where nothing was measured.
      where: the row that decides, if one does.
      rows: how many rows went into it.
      of: how many there are in a full run.
      held: whether it is held by the minimum; `None` where nothing was measured.
    """

    bar: Bar
    by: dict[str, float]
    where: str
    rows: int
    of: int
    held: bool | None


def judge(rows: list[Row]) -> list[Verdict]:
    """All bars beside the rows of a benchmark."""
    return [_verdict(bar, rows) for bar in BARS]


def named(row: Row) -> str:
    """A row in a few words."""
    return f"{row['cell']} {row['shape']} {row['mode']}"


def _verdict(bar: Bar, rows: list[Row]) -> Verdict:
    about = [row for row in rows if bar.applies(row)]
    of = sum(bar.applies(key) for key in full_run())
    by: dict[str, float] = {}
    where, counted = "", 0
    for statistic in STATISTICS:
        measured = [(each, row) for row in about if (each := bar.measure(row, statistic)) is not None]
        if not measured:
            continue
        if bar.mean:
            by[statistic] = geometric_mean(each for each, _ in measured) or 0.0
        else:
            worst = (min if bar.at_least else max)(measured, key=lambda pair: pair[0])
            by[statistic] = worst[0]
            where = where or named(worst[1])
        counted = counted or len(measured)
    broken = next((named(row) for row in about if "failed" in row["contestants"].get(bar.ours, {})), None)
    if broken:
        return Verdict(bar, by, f"{broken}: failed", counted, of, False)
    if not by:
        return Verdict(bar, by, "", 0, of, None)
    decisive = by[STATISTICS[0]]
    held = decisive >= bar.bound if bar.at_least else decisive <= bar.bound
    return Verdict(bar, by, where, counted, of, held)


@functools.cache
def full_run() -> tuple[dict[str, str], ...]:
    """The keys of all races that the bars are about."""
    races = [*layers.races(CELLS, SHAPES, MODES, ()), *remat.races(CELLS, remat.SHAPE, ()), *gpu.races(())]
    races += ablation.races(ablation.FULL)
    return tuple(race.key for race in races)


def _layers(row: Row, mode: str | None = None) -> bool:
    return row["section"] == "layers" and (mode is None or row["mode"] == mode)


def _remat(row: Row, topic: str | None = None) -> bool:
    return row["section"] == "remat" and row["shape"] == str(remat.SHAPE) and topic in (None, row["topic"])


def _ablation(row: Row, topic: str) -> bool:
    return row["section"] == "ablation" and row["shape"] == str(ablation.FULL.shape) and topic in row["topic"]


def _on_gpu(row: Row, topic: str, *cells: str) -> bool:
    return row["section"] == "gpu" and row["topic"] == topic and (not cells or row["cell"] in cells)


def _over(over: str, under: str, quantity: str | None = None) -> Callable[[Row, str], float | None]:
    """Measures one contestant over another, by a statistic of the times or by another quantity."""
    return lambda row, statistic: ratio(row, over, under, quantity or statistic)


BARS = (
    Bar("CPU", "best JAX peer's time over ours, at every shape, forward and training step", 0.95, True,
        _layers, best_jax_ratio),
    Bar("CPU", "best JAX peer's time over ours, training step, geometric mean", 1.15, True,
        functools.partial(_layers, mode="training"), best_jax_ratio, mean=True),
    Bar("CPU", "PyTorch's time over ours, forward and training step, geometric mean", 1.0, True,
        _layers, _over("torch", OURS), mean=True),
    Bar("CPU", "our compile time over Flax Linen's, at every shape", 2.0, False,
        _layers, _over(OURS, "flax_linen", "compile_seconds")),
    *(Bar("CPU", f"`remat=\"sqrt\"`: memory over the plain scan's, at {remat.SHAPE}, loss of {loss}", 0.25, False,
          functools.partial(_remat, topic=topic), _over("sqrt", remat.PLAIN, "memory_bytes"), ours="sqrt")
      for topic, loss in remat.LOSSES.items()),
    Bar("CPU", f"`remat=\"sqrt\"`: time over the plain scan's, at {remat.SHAPE}", 1.6, False,
        _remat, _over("sqrt", remat.PLAIN), ours="sqrt"),
    Bar("CPU", f"{ablation.FULL.seeds} seeds in turn over the same as an ablation, start and compilation included", 1.6,
        True, lambda row: _ablation(row, "seeds"), _over(ablation.IN_TURN, ablation.TOGETHER), ours=ablation.TOGETHER),
    Bar("CPU", "a run that saves every 100 updates over one that writes nothing", 1.03, False,
        lambda row: _ablation(row, "checkpoints"), _over(ablation.SAVED, ablation.NOTHING), ours=ablation.SAVED),
    Bar("CPU", "`train` over a bare `lax.scan` of the update", 1.05, False,
        lambda row: _ablation(row, "loop"), _over(ablation.LOOP, ablation.BARE), ours=ablation.LOOP),
    Bar("GPU", f"Flax Linen's time over ours, training step of LSTM and GRU at {gpu.LAYER_SHAPE}", 5.0, True,
        lambda row: _on_gpu(row, "layers"), _over("flax_linen", OURS)),
    Bar("GPU", f"our time over PyTorch's, training step of LSTM at {gpu.LAYER_SHAPE}", 1.1, False,
        lambda row: _on_gpu(row, "layers", "lstm"), _over(OURS, "torch")),
    Bar("GPU", "scan's time over newton's, at 1 to 8 sequences of 10000x16x16", 10.0, True,
        lambda row: _on_gpu(row, "newton"), _over(SCAN, "newton"), ours="newton"),
    Bar("GPU", f"scan's time over associative's, at {gpu.ASSOCIATIVE_SHAPE}", 20.0, True,
        lambda row: _on_gpu(row, "associative"), _over(SCAN, "associative"), ours="associative"),
)  # fmt: skip
"""All bars, in the order of the report."""
