"""The one product of state and weights, and what may stand in for a kernel in it."""

from __future__ import annotations

import operator
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array


def dot(h: Array, kernel: Any) -> Array:
    """The product `h @ kernel`, `[*batch, n], [n, m] -> [*batch, m]`, in the dtype of the kernel.

    Cells multiply their state with weights through this function alone, so that an engine or a wrapper can put a
    `KernelStandIn` in the place of the kernel: to compute its gradient outside the loop over time, or to drop units.
    """
    if isinstance(kernel, KernelStandIn):
        return kernel.tap(h)
    return jnp.dot(h.astype(kernel.dtype), kernel)


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
