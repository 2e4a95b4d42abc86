"""The products of states and of inputs with weights, and what may stand in for a kernel in the former."""

from __future__ import annotations

import operator
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array


def dot(h: Array, kernel: Any) -> Array:
    """The product `h @ kernel`, `[*batch, n], [n, m] -> [*batch, m]`, in the dtype of the kernel.

    A kernel `[heads, n, gates * n]` is a block-diagonal matrix for each gate, block k of which maps the k-th of `heads`
    parts of the state onto the same part of the gate: `[*batch, heads * n] -> [*batch, gates * heads * n]`.

    Cells multiply their state with weights through this function alone, so that an engine or a wrapper can put a
    `KernelStandIn` in the place of the kernel: to compute its gradient outside the loop over time, or to drop units.
    """
    if isinstance(kernel, KernelStandIn):
        return kernel.tap(h)
    h = h.astype(kernel.dtype)
    return jnp.dot(h, kernel) if kernel.ndim == 2 else _by_head(h, kernel)


def dot_back(cotangent: Array, transposed: Array) -> Array:
    """The cotangent of `h` in `dot(h, kernel)`, from that of the product and the kernel with its last axes swapped."""
    if transposed.ndim == 2:
        return jnp.dot(cotangent, transposed)
    heads, columns, width = transposed.shape
    blocks = transposed.reshape(heads, columns // width, width, width)
    cotangent = cotangent.reshape(*cotangent.shape[:-1], columns // width, heads, width)
    return jnp.einsum("...ghm,hgmn->...hn", cotangent, blocks).reshape(*cotangent.shape[:-3], heads * width)


def dot_inputs(xs: Array, kernel: Any) -> Array:
    """The product `xs @ kernel` of inputs, `[..., n], [n, m] -> [..., m]`, in the dtype of the kernel.

    A product of two matrices, and so are its derivatives. As a sum over several axes, the gradient of the kernel would
    start with a copy of `xs` in another order.
    """
    xs = xs.astype(kernel.dtype)
    if xs.ndim < 3 or not _undivided():
        return xs @ kernel
    return (_rows(xs) @ kernel).reshape(*xs.shape[:-1], kernel.shape[-1])


def contract(operands: Array, cotangents: Array, shape: tuple[int, ...]) -> Array:
    """The cotangent of a kernel of the given shape, from all operands and products' cotangents of its `dot`s at once.

    `sum over all leading axes of h^T d`, `[..., n], [..., m] -> [n, m]`, or block by block.
    """
    if len(shape) == 2:
        if operands.ndim > 2 and _undivided():
            operands, cotangents = _rows(operands), _rows(cotangents)
        axes = tuple(range(operands.ndim - 1))
        return jnp.tensordot(operands, cotangents, (axes, axes))
    heads, width, columns = shape
    operands = operands.reshape(-1, heads, width)
    cotangents = cotangents.reshape(-1, columns // width, heads, width)
    return jnp.einsum("bhn,bghm->hngm", operands, cotangents).reshape(shape)


def _undivided() -> bool:
    """Whether time and batch become one axis in a product: on a CPU that is the only device. Where the batch is split
    over devices, this would gather it on each.
    """
    return jax.device_count() == 1 and jax.default_backend() == "cpu"


def _rows(array: Array) -> Array:
    return array.reshape(-1, array.shape[-1])


def _by_head(h: Array, kernel: Array) -> Array:
    heads, width, columns = kernel.shape
    blocks = kernel.reshape(heads, width, columns // width, width)
    product = jnp.einsum("...hn,hngm->...ghm", h.reshape(*h.shape[:-1], heads, width), blocks)
    return product.reshape(*h.shape[:-1], heads * columns)


class KernelStandIn:
    """Takes the place of a kernel while a step is traced. `dot` calls `tap`; any other use sees the plain array."""

    def __init__(self, kernel: Any):
        self.kernel = kernel

    def tap(self, h: Array) -> Array:
        """What `dot(h, self)` returns."""
        return dot(h, self.kernel)

    def __jax_array__(self) -> Array:
        return jnp.asarray(self.kernel)

    @property
    def dtype(self) -> jnp.dtype:
        return self.kernel.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.kernel.shape

    @property
    def ndim(self) -> int:
        return self.kernel.ndim

    def __getattr__(self, name: str):
        return getattr(self.__jax_array__(), name)

    def __getitem__(self, index):
        return self.__jax_array__()[index]

    def __neg__(self):
        return -self.__jax_array__()


def _binary(function, swapped: bool):
    def method(self, other):
        array = self.__jax_array__()
        return function(other, array) if swapped else function(array, other)

    return method


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
    setattr(KernelStandIn, f"__{_name}__", _binary(getattr(operator, _name), swapped=False))
    setattr(KernelStandIn, f"__r{_name}__", _binary(getattr(operator, _name), swapped=True))
