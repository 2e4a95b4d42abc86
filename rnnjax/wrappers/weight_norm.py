"""Kernels written as a length times a direction."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.errors import check
from rnnjax.wrappers.kernels import is_matrix
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array
PyTree = Any

_NOTHING = 1e-20  # squares below have no slope that float32 could hold


@dataclasses.dataclass(frozen=True, repr=False)
class WeightNorm(Wrapper):
    """Writes each column of a cell's kernels as a length times a direction.

        w = g * v / |v|     (one g for each unit of each gate)

    Salimans & Kingma 2016, arXiv:1602.07868. The columns are normalised once a sequence. At the start g is |v|, so that
    the cell computes what it does without.

    Parameters: `cell`, those of the cell, the kernels among them being the v; `scale`, the g, a dict from the path of
    each kernel to `[columns]`, or to `[heads, columns]` for a kernel of several heads.

    Args:
      cell: the cell inside; the cells of a stack are normalised each.
      kernels: names of the parameters to normalise; `None` means every matrix whose name ends in "kernel" and that
        training changes.

    Raises:
      InputError: kernels that are no names; in `init`, names of which the cell has no matrix.
    """

    has_parameters: ClassVar = True

    _: dataclasses.KW_ONLY
    kernels: tuple[str, ...] | None = None

    def __post_init__(self):
        super().__post_init__()
        given = self.kernels
        if isinstance(given, list):
            object.__setattr__(self, "kernels", tuple(given))
        valid = given is None or (
            isinstance(given, tuple | list) and bool(given) and all(isinstance(n, str) for n in given)
        )
        check(valid, "WeightNorm.kernels", given, "None, or names of parameters")

    def init(self, key: Array, in_features: int) -> PyTree:
        params = self.cell.init(key, in_features)
        scales = {
            jax.tree_util.keystr(path, simple=True, separator="/"): _length(leaf).squeeze(-2).astype(leaf.dtype)
            for path, leaf in jax.tree.leaves_with_path(params)
            if self._normalises(path, leaf)
        }
        names = {path.rpartition("/")[2] for path in scales}
        missing = next((name for name in self.kernels or () if name not in names), None)
        check(missing is None, "WeightNorm.kernels", missing, f"names of matrices among the parameters of {self.cell}")
        check(bool(scales), "WeightNorm.cell", self.cell, "a cell with a matrix whose name ends in kernel")
        return {"cell": params, "scale": scales}

    def _normalises(self, path: tuple[Any, ...], leaf: Any) -> bool:
        name = str(getattr(path[-1], "key", ""))
        if self.kernels is None:
            return is_matrix(leaf) and name.endswith("kernel") and name not in self.fixed
        return is_matrix(leaf) and name in self.kernels

    def prepare(self, params, *, key=None, batch_shape=()):
        def normalised(path, leaf):
            if not self._normalises(path, leaf):
                return leaf
            scale = params["scale"][jax.tree_util.keystr(path, simple=True, separator="/")]
            wide = jnp.promote_types(leaf.dtype, jnp.float32)
            return (scale[..., None, :].astype(wide) * leaf.astype(wide) / _length(leaf)).astype(leaf.dtype)

        kernels = jax.tree_util.tree_map_with_path(normalised, params["cell"])
        return self.cell.prepare(kernels, key=key, batch_shape=batch_shape)

    def project(self, weights, xs):
        return self.cell.project(weights, xs)

    def recur(self, weights, carry, drive):
        return self.cell.advance(weights, carry, drive)

    def affine(self, weights, drive):
        return self.cell.affine(weights, drive)

    def readout(self, weights, carry, drive):
        return self.cell.readout(weights, carry, drive)


def _length(kernel: Array) -> Array:
    """The length of each column, with an axis of one for the rows; a column of zeros counts as one of length one."""
    wide = kernel.astype(jnp.promote_types(kernel.dtype, jnp.float32))
    squares = jnp.sum(wide**2, axis=-2, keepdims=True)
    return jnp.sqrt(jnp.where(squares > _NOTHING, squares, 1))
