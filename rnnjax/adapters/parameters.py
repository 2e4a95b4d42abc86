"""What all adapters do with the parameters of a cell."""

from __future__ import annotations

from typing import Any

import jax

from rnnjax.cell import Cell

PyTree = Any


def widths(xs: PyTree) -> PyTree:
    """The `in_features` of inputs `[..., in_features]`, or of a pytree of such."""
    return jax.tree.map(lambda leaf: leaf.shape[-1], xs)


def held(cell: Cell, params: PyTree) -> PyTree:
    """The parameters, with no gradient for those that a cell names as `fixed`: a framework trains all that it sees."""
    stop = jax.lax.stop_gradient
    return jax.tree.map(lambda leaf, trained: leaf if trained else stop(leaf), params, cell.trainable(params))
