"""A carry as one real vector a row, for engines that do linear algebra on states."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True)
class CarryLayout:
    """Where each leaf of a carry lies in the vector of a row; a complex leaf is its real, then its imaginary parts.

    Args:
      structure: the tree of the carry.
      shapes: shape of each leaf without batch axes.
      dtypes: dtype of each leaf.
    """

    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[jnp.dtype, ...]

    @classmethod
    def of(cls, carry: PyTree, batch_axes: int) -> CarryLayout:
        """The layout of a carry `[*batch, ...]`."""
        leaves, structure = jax.tree.flatten(carry)
        shapes = tuple(tuple(jnp.shape(leaf)[batch_axes:]) for leaf in leaves)
        return cls(structure, shapes, tuple(jnp.result_type(leaf) for leaf in leaves))

    @property
    def dtype(self) -> jnp.dtype:
        """The dtype of the vector: wide enough for every leaf."""
        return jnp.result_type(*(jnp.finfo(dtype).dtype for dtype in self.dtypes))

    @property
    def has_complex(self) -> bool:
        """Whether a leaf is complex."""
        return any(jnp.issubdtype(dtype, jnp.complexfloating) for dtype in self.dtypes)

    @property
    def widths(self) -> tuple[int, ...]:
        """How many entries of the vector each leaf takes."""
        parts = (2 if jnp.issubdtype(dtype, jnp.complexfloating) else 1 for dtype in self.dtypes)
        return tuple(part * math.prod(shape) for part, shape in zip(parts, self.shapes, strict=True))

    @property
    def width(self) -> int:
        """How many real numbers a row's carry holds."""
        return sum(self.widths)

    def vector(self, carry: PyTree) -> Array:
        """The vector `[..., width]` of a carry with any leading axes."""
        pieces = []
        for leaf, shape in zip(jax.tree.leaves(carry), self.shapes, strict=True):
            flat = jnp.reshape(leaf, (*jnp.shape(leaf)[: jnp.ndim(leaf) - len(shape)], -1))
            parts = [flat.real, flat.imag] if jnp.iscomplexobj(flat) else [flat]
            pieces += [part.astype(self.dtype) for part in parts]
        return jnp.concatenate(pieces, axis=-1)

    def carry(self, vector: Array) -> PyTree:
        """The carry of a vector `[..., width]`."""
        leaves, start = [], 0
        for width, shape, dtype in zip(self.widths, self.shapes, self.dtypes, strict=True):
            piece = vector[..., start : start + width]
            start += width
            if jnp.issubdtype(dtype, jnp.complexfloating):
                piece = jax.lax.complex(*jnp.split(piece, 2, axis=-1))
            leaves.append(piece.reshape(*vector.shape[:-1], *shape).astype(dtype))
        return self.structure.unflatten(leaves)

    def leafwise(self, function: Any, vector: Array) -> Array:
        """A reduction of the entries of each leaf, put in the place of all of them: `[..., width] -> [..., width]`.

        Args:
          function: reduces the last axis, as `jnp.max(..., axis=-1, keepdims=True)`.
          vector: one vector a row.
        """
        starts = itertools.accumulate(self.widths, initial=0)
        pieces = [vector[..., start : start + width] for start, width in zip(starts, self.widths, strict=False)]
        return jnp.concatenate([jnp.broadcast_to(function(piece), piece.shape) for piece in pieces], axis=-1)
