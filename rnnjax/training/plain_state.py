"""A state as plain arrays, for what knows no random keys, and its checksum."""

from __future__ import annotations

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PyTree = Any


def checksum(state: PyTree) -> int:
    """Of all the bytes of a state without keys: what Orbax stores is not checked against damage everywhere."""
    found = 0
    for leaf in jax.tree.leaves(state):
        found = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), found)
    return found


def without_keys(state: PyTree) -> PyTree:
    """The state with the data of its keys in their place."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, state)


def with_keys(state: PyTree, like: PyTree) -> PyTree:
    """The state with keys where `like` has them."""
    return jax.tree.map(lambda leaf, key: jax.random.wrap_key_data(leaf) if _is_key(key) else leaf, state, like)


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
