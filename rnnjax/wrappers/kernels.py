"""Which leaves of parameters or weights are kernels: what wrappers normalise, drop, or put a stand-in for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax

Array = jax.Array
PyTree = Any
Path = tuple[Any, ...]


def is_matrix(leaf: Any) -> bool:
    """Whether a leaf is a matrix, or one for each of several heads."""
    return leaf.ndim in (2, 3)


def owner(path: Path, names: tuple[str, ...]) -> str | None:
    """The path of the cell whose parameter of one of these names a leaf is, or is a part of; `None` if it is none."""
    named = [index for index, entry in enumerate(path) if getattr(entry, "key", None) in names]
    return jax.tree_util.keystr(path[: named[0]]) if named else None


def map_matrices(function: Callable[[Path, Any], Any], tree: PyTree, names: tuple[str, ...]) -> PyTree:
    """The tree with `function(path, leaf)` in the place of each matrix that goes by one of these names."""

    def replaced(path, leaf):
        return function(path, leaf) if is_matrix(leaf) and owner(path, names) is not None else leaf

    return jax.tree_util.tree_map_with_path(replaced, tree)


def width(kernel: Any) -> int:
    """The width of the state that `rnnjax.kernel.dot` multiplies with a kernel."""
    return math.prod(kernel.shape[:-1])
