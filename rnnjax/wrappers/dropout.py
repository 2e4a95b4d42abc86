"""Variational dropout."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import check
from rnnjax.inputs import Observed, Timed
from rnnjax.kernel import KernelStandIn, dot
from rnnjax.wrappers.kernels import is_matrix, map_matrices, owner, width
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Dropout(Wrapper):
    """Variational dropout: units of inputs, outputs and recurrent connections, with one mask a sequence.

    Each kept unit is divided by the share of kept units. The masks are drawn once a sequence and row, from the key
    given to `unroll` or `step`; without a key the cell is the one inside. The recurrent mask acts on the state as it
    enters a product with a recurrent kernel, one mask for all gates of a cell, and leaves the direct path of the state
    alone.

    Gal & Ghahramani 2016, arXiv:1512.05287.

    Args:
      cell: the cell inside; its parameters and carry are those of the whole.
      input: share of input units dropped, in [0, 1).
      output: share of output units dropped.
      recurrent: share of state units dropped on their way into recurrent kernels.

    Raises:
      InputError: a share outside [0, 1).
    """

    _: dataclasses.KW_ONLY
    input: float = 0.0
    output: float = 0.0
    recurrent: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        for field in ("input", "output", "recurrent"):
            check_share(f"Dropout.{field}", getattr(self, field))

    def prepare(self, params, *, key=None, batch_shape=()):
        keys: list[Any] = [None] * 4 if key is None else list(jax.random.split(key, 4))
        weights = {"cell": self.cell.prepare(params, key=keys[0], batch_shape=batch_shape)}
        if key is None:
            return weights
        if self.input:  # the width of the inputs is not known yet: one key a row, from which `project` draws
            weights["input"] = jax.random.split(keys[1], batch_shape)
        if self.output:
            weights["output"] = mask(keys[2], self.output, (*batch_shape, self.output_features), self.output_dtype)
        if self.recurrent:
            weights["recurrent"] = self._recurrent_masks(keys[3], weights["cell"], batch_shape)
        return weights

    def _recurrent_masks(self, key, weights, batch_shape):
        masks = {}
        for path, leaf in jax.tree.leaves_with_path(weights):
            if is_matrix(leaf) and owner(path, self.recurrent_kernels) is not None:
                place = self._place(path, leaf)
                if place not in masks:
                    place_key, dtype = jax.random.fold_in(key, len(masks)), jnp.promote_types(leaf.dtype, jnp.float32)
                    masks[place] = mask(place_key, self.recurrent, (*batch_shape, width(leaf)), dtype)
        check(bool(masks), "Dropout.recurrent", self.recurrent, f"0: {self.cell} has no recurrent kernel matrix")
        return masks

    def _place(self, path, leaf):
        """Which cell's state, of what width, a recurrent kernel multiplies."""
        return f"{owner(path, self.recurrent_kernels)} {width(leaf)}"

    def project(self, weights, xs):
        return self.cell.project(weights["cell"], self._kept(weights, xs))

    def stream(self, weights, xs):
        return self.cell.stream(weights["cell"], self._kept(weights, xs))

    def _kept(self, weights, xs):
        if "input" not in weights:
            return xs
        if isinstance(xs, Timed | Observed):  # what is observed, and when, is no unit
            return xs._replace(x=xs.x * self._input_mask(weights["input"], xs.x))
        return jax.tree.map(lambda leaf: leaf * self._input_mask(weights["input"], leaf), xs)

    def _input_mask(self, keys, leaf):
        draw = lambda key: mask(key, self.input, leaf.shape[-1:], leaf.dtype)  # noqa: E731
        return jax.vmap(draw)(keys.reshape(-1)).reshape(*keys.shape, -1)

    def recur(self, weights, carry, drive):
        carry, y = self.cell.advance(self._inner(weights), carry, drive)
        return carry, y * weights["output"] if "output" in weights else y

    def affine(self, weights, drive):
        return self.cell.affine(self._inner(weights), drive)

    def readout(self, weights, carry, drive):
        y = self.cell.readout(self._inner(weights), carry, drive).astype(self.output_dtype)
        return y * weights["output"] if "output" in weights else y

    def _inner(self, weights):
        """The weights of the cell inside, kernels replaced by such that drop units."""
        if "recurrent" not in weights:
            return weights["cell"]
        drop = lambda path, leaf: _DroppingKernel(leaf, weights["recurrent"][self._place(path, leaf)])  # noqa: E731
        return map_matrices(drop, weights["cell"], self.recurrent_kernels)


class _DroppingKernel(KernelStandIn):
    """A kernel that sees only the units of the state which the mask keeps."""

    def __init__(self, kernel: Any, mask: Array):
        super().__init__(kernel)
        self.mask = mask

    def tap(self, h: Array) -> Array:
        return dot(h * self.mask.astype(h.dtype), self.kernel)


def check_share(argument: str, given: Any) -> None:
    """Checks a share of what is dropped.

    Raises:
      InputError: naming the argument.
    """
    valid = isinstance(given, int | float) and 0.0 <= given < 1.0
    check(valid, argument, given, "a share in [0, 1)")


def mask(key: Array, share: float, shape: tuple[int, ...], dtype: Any) -> Array:
    """Zero for a share of the entries, and for the others a factor that keeps the expectation."""
    return jax.random.bernoulli(key, 1.0 - share, shape).astype(dtype) / (1.0 - share)
