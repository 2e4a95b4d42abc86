"""Arrays of other libraries as NumPy arrays, gate blocks in another order, and the check of names and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from rnnjax.errors import InputError

Shape = tuple[int | str, ...]
"""A shape; a name stands for a width that may be any."""


def as_array(leaf: Any) -> Any:
    """A NumPy array of what a library keeps its weights in. What `jax.grad` or `jax.jit` traces stays as it is."""
    if hasattr(leaf, "get_value"):  # a variable of Flax NNX
        leaf = leaf.get_value()
    if hasattr(leaf, "unbox"):  # a parameter of Flax Linen with metadata
        leaf = leaf.unbox()
    if hasattr(leaf, "detach"):  # a tensor of PyTorch
        leaf = leaf.detach().cpu()
        leaf = leaf.float() if str(leaf.dtype) == "torch.bfloat16" else leaf  # NumPy has no such dtype
    return leaf if isinstance(leaf, Tracer) else np.asarray(leaf)


def native(leaf: Any) -> np.ndarray:
    """A NumPy array of a dtype that other libraries read: bfloat16 becomes float32."""
    leaf = np.asarray(leaf)
    return leaf if leaf.dtype.kind != "V" else leaf.astype(np.float32)


def joined(blocks: Sequence[Any]) -> Any:
    """Blocks side by side along the last axis."""
    numpy = jnp if any(isinstance(block, Tracer) for block in blocks) else np
    return numpy.concatenate(blocks, axis=-1)


def by_gate(leaf: Any, gates: Sequence[str]) -> dict[str, Any]:
    """The blocks of the last axis, by gate."""
    width = leaf.shape[-1] // len(gates)
    return {gate: leaf[..., index * width : (index + 1) * width] for index, gate in enumerate(gates)}


def reordered(leaf: Any, given: Sequence[str], wanted: Sequence[str]) -> Any:
    """Gate blocks that lie in one order, in another."""
    blocks = by_gate(leaf, given)
    return leaf if tuple(given) == tuple(wanted) else joined([blocks[gate] for gate in wanted])


def cast(leaf: Any, dtype: str) -> Any:
    """The array in the dtype of a name."""
    return leaf.astype(jnp.dtype(dtype))


def flattened(tree: Any, argument: str) -> dict[str, Any]:
    """The arrays of nested mappings, by their keys joined by dots.

    Raises:
      InputError: naming `argument`, if it is no mapping.
    """
    if not isinstance(tree, Mapping):
        raise InputError(argument, type(tree).__name__, "a mapping from names to arrays")
    flat = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{name}": leaf for name, leaf in flattened(value, argument).items()}
        elif value is not None:  # how NNX says that there is no bias
            flat[str(key)] = as_array(value)
    return flat


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Nested dicts from names joined by dots."""
    tree: dict[str, Any] = {}
    for name, leaf in flat.items():
        *parents, last = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = leaf
    return tree


def check_arrays(argument: str, given: Mapping[str, Any], expected: Mapping[str, Shape], whose: str) -> None:
    """Checks names and shapes.

    Raises:
      InputError: an array that is missing, left over or of another shape, as `argument['name']`.
    """
    for name, shape in expected.items():
        if name not in given:
            raise InputError(f"{argument}[{name!r}]", None, f"an array of shape {_written(shape)} for {whose}")
    for name, leaf in given.items():
        if name not in expected:
            known = ", ".join(expected)
            raise InputError(f"{argument}[{name!r}]", f"shape {leaf.shape}", f"no such key: {whose} has {known}")
    for name, shape in expected.items():
        leaf = given[name].shape
        fits = len(leaf) == len(shape) and all(
            isinstance(want, str) or have == want for have, want in zip(leaf, shape, strict=True)
        )
        if not fits:
            raise InputError(f"{argument}[{name!r}]", f"shape {leaf}", f"shape {_written(shape)} for {whose}")


def _written(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
