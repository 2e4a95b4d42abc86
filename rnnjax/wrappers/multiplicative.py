"""Recurrent kernels that see the state through a product with the input."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax

from rnnjax.errors import check
from rnnjax.initializers import Lecun, Orthogonal
from rnnjax.inputs import checked_width
from rnnjax.kernel import KernelStandIn, dot, dot_inputs
from rnnjax.wrappers.kernels import is_matrix, map_matrices, owner, width
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array
PyTree = Any

_NAMES = ("intermediate_kernel", "intermediate_recurrent_kernel")


@dataclasses.dataclass(frozen=True, repr=False)
class Multiplicative(Wrapper):
    """Puts an intermediate state, which multiplies input and state, before the recurrent kernels of a cell.

        m = (W x) * (U h),   and m takes the place of h in each product of the cell with a recurrent kernel

    Krause, Lu, Murray & Renals 2016, arXiv:1609.07959, after Sutskever, Martens & Hinton 2011. Around an `LSTM` it is
    their multiplicative LSTM, around an `Elman` the multiplicative RNN. Where a cell multiplies something else than h,
    such as r * h in a GRU with the reset gate before the product, that is what U sees. The direct path of the state
    stays as it is.

    Parameters: `cell`, those of the cell; `intermediate_kernel [in_features, width]`, the W, drawn LeCun-normal, and
    `intermediate_recurrent_kernel [width, width]`, the U, drawn orthogonal, for a state of that width.

    Args:
      cell: a cell whose recurrent kernels are matrices that all multiply states of one width.

    Raises:
      InputError: in `init`, a cell whose recurrent kernels are no such matrices.
    """

    has_parameters: ClassVar = True

    @property
    def recurrent_kernels(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*self.cell.recurrent_kernels, _NAMES[1])

    def init(self, key: Array, in_features: PyTree) -> PyTree:
        cell_key, kernel_key, recurrent_key = jax.random.split(key, 3)
        params, names = self.cell.init(cell_key, in_features), self.cell.recurrent_kernels
        leaves = jax.tree.leaves_with_path(params)
        widths = {width(leaf) for path, leaf in leaves if is_matrix(leaf) and owner(path, names) is not None}
        expected = "a cell whose recurrent kernels are matrices for states of one width"
        check(len(widths) == 1, "Multiplicative.cell", self.cell, expected)
        (state,), dtype = widths, self.precision.dtype("params")
        return {
            "cell": params,
            _NAMES[0]: Lecun()(kernel_key, (checked_width(getattr(in_features, "x", in_features)), state), dtype),
            _NAMES[1]: Orthogonal()(recurrent_key, (state, state), dtype),
        }

    def prepare(self, params, *, key=None, batch_shape=()):
        own = {name: params[name].astype(self.precision.dtype("compute")) for name in _NAMES}
        return own | {"cell": self.cell.prepare(params["cell"], key=key, batch_shape=batch_shape)}

    def project(self, weights, xs):
        features = getattr(xs, "x", xs)  # of timed inputs, the features
        return {"cell": self.cell.project(weights["cell"], xs), "factor": dot_inputs(features, weights[_NAMES[0]])}

    def recur(self, weights, carry, drive):
        seen = lambda path, leaf: _MultiplicativeKernel(leaf, weights[_NAMES[1]], drive["factor"])  # noqa: E731
        inner = map_matrices(seen, weights["cell"], self.cell.recurrent_kernels)
        return self.cell.advance(inner, carry, drive["cell"])


class _MultiplicativeKernel(KernelStandIn):
    """A kernel that sees the product of a factor and the state, multiplied with a kernel before."""

    def __init__(self, kernel: Any, before: Any, factor: Array):
        super().__init__(kernel)
        self.before = before
        self.factor = factor

    def tap(self, h: Array) -> Array:
        return dot(self.factor * dot(h, self.before), self.kernel)
