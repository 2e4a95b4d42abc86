"""Parameters that a cell fixes stay as they were drawn, through clipping, weight decay and wrappers."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from rnnjax import GRU, EchoState
from rnnjax.cells import REGISTRY
from rnnjax.tasks import Adding
from rnnjax.training import Config, Optimizer, fit
from rnnjax.training.state import initial_state
from rnnjax.wrappers import (
    DenseStack,
    Dropout,
    FastSlow,
    Highway,
    LayerNorm,
    Multiplicative,
    PastAttention,
    Residual,
    Stack,
    Zoneout,
)

RESERVOIR = EchoState(4)
CELLS = [
    RESERVOIR, Stack((RESERVOIR, GRU(3))), DenseStack((RESERVOIR, GRU(3))), Highway(RESERVOIR),
    Residual(Highway(RESERVOIR)), LayerNorm(RESERVOIR), Multiplicative(RESERVOIR),
    PastAttention(RESERVOIR), FastSlow((RESERVOIR, RESERVOIR), GRU(3)), Zoneout(RESERVOIR, rates=0.1),
    Dropout(RESERVOIR, input=0.1),
]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)
def test_wrappers_know_what_the_cell_inside_fixes(cell):
    """The tree says of each parameter whether it is trained: those of the reservoir are not, all others are."""
    params = cell.init(jax.random.key(0), 4)
    kept = cell.trainable(params)
    assert jax.tree.structure(kept) == jax.tree.structure(params)
    reservoirs = 2 if isinstance(cell, FastSlow) else 1
    assert sum(not each for each in jax.tree.leaves(kept)) == 3 * reservoirs


@pytest.mark.parametrize("name", [name for name, cell in REGISTRY.items() if not cell.fixed])
def test_other_cells_train_everything(name):
    """A cell that names nothing as fixed is trained as a whole."""
    cell = REGISTRY[name](4)
    assert all(jax.tree.leaves(cell.trainable(jax.eval_shape(lambda key: cell.init(key, 4), jax.random.key(0)))))


def test_training_leaves_fixed_parameters_alone():
    """The reservoir is bit for bit what it was; the layer above it, and the readout, are not."""
    optimizer = Optimizer("adamw", 1e-2, clip="norm", weight_decay=0.1)
    config = Config(Adding(6), Stack((RESERVOIR, GRU(3))), optimizer, steps=4, evaluate_every=2, batch_size=4)
    before = initial_state(jax.random.key(0), config).params
    after = jax.jit(fit, static_argnames="config")(jax.random.key(0), config)[0].params
    same = jax.tree.map(np.array_equal, before, after)
    assert all(same["cell"]["layer_0"].values())
    assert not any(jax.tree.leaves(same["cell"]["layer_1"]["kernel"])) and not same["readout"]["kernel"]
