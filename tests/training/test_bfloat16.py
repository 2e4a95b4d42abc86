"""Training in bfloat16: parameters and state stay in float32, and small tasks are learned."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU, LSTM, MinGRU, Precision
from rnnjax.tasks import Latch
from rnnjax.training import Config, Optimizer, fit

BFLOAT16 = Precision("float32", "bfloat16", "float32")
CONFIG = Config(
    Latch(4),
    GRU(8, precision=BFLOAT16),
    Optimizer("adam", 0.03, clip="norm"),
    steps=60,
    batch_size=16,
    evaluate_every=60,
    evaluation_size=100,
)


def learns(cell, steps=60):
    """The task is learned, well below the loss of who remembers nothing, and what is trained is not narrow."""
    config = dataclasses.replace(CONFIG, cell=cell, steps=steps)
    state, history = jax.jit(fit, static_argnames="config")(jax.random.key(0), config=config)
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype("float32")}
    rounded = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16).astype(jnp.float32), state.params["cell"])
    assert any(
        np.any(a != b) for a, b in zip(jax.tree.leaves(rounded), jax.tree.leaves(state.params["cell"]), strict=True)
    )
    assert float(history.evaluations["loss"][-1]) < config.task.baseline / 4


def test_a_gated_cell_learns():
    learns(CONFIG.cell)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize(("cell", "steps"), [(LSTM, 60), (MinGRU, 300)])  # minGRU is as slow in float32
def test_other_cells_learn(cell, steps):
    learns(cell(8, precision=BFLOAT16), steps)
