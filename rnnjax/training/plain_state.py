"""A state as plain arrays, for what knows no random keys, and as one row of bytes with a description."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PyTree = Any


def packed(state: PyTree) -> np.ndarray:
    """All bytes of a state without keys, leaf after leaf, `[bytes]` uint8."""
    leaves = [np.ascontiguousarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]
    return np.frombuffer(b"".join(leaves), np.uint8)


def described(state: PyTree) -> dict[str, list]:
    """For each leaf of a state without keys, by its path, shape and dtype: what it takes to read `packed`."""
    leaves = jax.tree.leaves_with_path(state)
    return {jax.tree_util.keystr(path): [list(leaf.shape), leaf.dtype.name] for path, leaf in leaves}


def checksum(row: np.ndarray, description: dict[str, list]) -> int:
    """Of the bytes and of their description: what is stored is not checked against damage everywhere."""
    return zlib.crc32(row.data, zlib.crc32(json.dumps(description).encode()))


def unpacked(row: np.ndarray, like: PyTree) -> PyTree:
    """The state of these bytes, with the structure, shapes and dtypes of one without keys, which may be abstract."""
    leaves, tree = jax.tree.flatten(like)
    found, start = [], 0
    for leaf in leaves:
        end = start + math.prod(leaf.shape) * leaf.dtype.itemsize
        found.append(jnp.asarray(row[start:end].view(leaf.dtype).reshape(leaf.shape)))
        start = end
    return jax.tree.unflatten(tree, found)


def without_keys(state: PyTree) -> PyTree:
    """The state with the data of its keys in their place."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, state)


def with_keys(state: PyTree, like: PyTree) -> PyTree:
    """The state with keys where `like` has them."""
    return jax.tree.map(lambda leaf, key: jax.random.wrap_key_data(leaf) if _is_key(key) else leaf, state, like)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
