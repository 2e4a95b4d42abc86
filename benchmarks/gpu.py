"""What is measured where there is a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import jax

from benchmarks.growth import ASSOCIATIVE_CELLS, engine_race
from benchmarks.layers import layer_race
from benchmarks.peers import OURS
from benchmarks.problem import MODES, Shape
from benchmarks.race import Race

LAYER_SHAPE = Shape(64, 512, 256, 256)
LAYER_PEERS = {"lstm": (OURS, "flax_linen", "torch"), "gru": (OURS, "flax_linen")}
NEWTON_SHAPES = tuple(Shape(batch, 10000, 16, 16) for batch in (1, 2, 4, 8))
NEWTON_CELL = "gru"
ASSOCIATIVE_SHAPE = Shape(8, 16384, 256, 256)


def missing() -> str | None:
    """Why nothing can be measured on a GPU, or `None` if it can."""
    try:
        jax.devices("gpu")
    except RuntimeError:
        return "JAX sees no GPU here"
    return None


def races(peers: Sequence[str]) -> list[Race]:
    """Layers beside Flax and cuDNN, and the engines that are parallel over time beside the scan."""
    found = []
    for cell, wanted in LAYER_PEERS.items():
        present = [peer for peer in wanted if peer in peers]
        found.append(layer_race("gpu", cell, LAYER_SHAPE, "training", present, "gpu"))
    for shape in NEWTON_SHAPES:
        found += [engine_race("gpu", "newton", NEWTON_CELL, shape, mode, "gpu") for mode in MODES]
    for cell in ASSOCIATIVE_CELLS:
        found += [engine_race("gpu", "associative", cell, ASSOCIATIVE_SHAPE, mode, "gpu") for mode in MODES]
    return found
