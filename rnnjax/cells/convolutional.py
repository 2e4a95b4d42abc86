"""What the convolutional cells share: gates that read the input and the state through one convolution each."""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import ClassVar

import jax

from rnnjax.cells.gated import GatedCell
from rnnjax.errors import InputError, check

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class ConvolutionalCell(GatedCell, abc.ABC):
    """A gated cell on a grid of places, whose gates are functions of `x * kernel + bias` and `h * recurrent_kernel`.

    The star is a convolution of stride 1 that keeps the number of places: beyond the edge there are zeros. Inputs are
    `[*batch, time, *places, in_features]`, states and outputs of a step `[*batch, *places, features]`, with as many
    axes of places as the class's `spatial_axes` says.

    Parameters: `kernel [*window, in_features, gates * features]`, `recurrent_kernel [*window, features, gates *
    features]`, a window being `kernel_size` along each axis, and `bias [gates * features]`; blocks in the order of
    `gates`. An orthogonal recurrent kernel is one whose columns, each a window of all channels, are orthonormal.
    Recurrent dropout does not know kernels of convolutions.

    Args:
      kernel_size: places along each side of the window.

    Raises:
      InputError: a kernel size that is no positive int.
    """

    recurrent_kernels: ClassVar[tuple[str, ...]] = ()

    _: dataclasses.KW_ONLY
    kernel_size: int = 3

    def __post_init__(self):
        super().__post_init__()
        given = self.kernel_size
        valid = isinstance(given, int) and not isinstance(given, bool) and given >= 1
        check(valid, f"{type(self).__name__}.kernel_size", given, "a positive int")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or isinstance(in_features, bool) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        dtype = self.precision.dtype("params")
        window = (self.kernel_size,) * self.spatial_axes
        kernel, recurrent, bias = self.initializers
        kernel_key, recurrent_key, bias_key = jax.random.split(key, 3)
        return {
            "kernel": kernel.blocks(kernel_key, self.gates, (*window, in_features, self.features), dtype),
            "recurrent_kernel": recurrent.blocks(
                recurrent_key, self.gates, (*window, self.features, self.features), dtype
            ),
            "bias": bias.blocks(bias_key, self.gates, (self.features,), dtype),
        }

    def project(self, weights, xs):
        return self.split(convolve(xs, weights["kernel"]) + weights["bias"])


def convolve(x: Array, kernel: Array) -> Array:
    """A convolution that keeps the number of places: `[..., *places, n], [*window, n, m] -> [..., *places, m]`.

        y[p] = sum over d of x[p + d - (window - 1) // 2] kernel[d]

    The kernel is not flipped, as in every library of neural networks. Places outside the grid are zero.
    """
    axes = kernel.ndim - 2
    batch, inner = x.shape[: x.ndim - axes - 1], x.shape[x.ndim - axes - 1 :]
    letters = "DHW"[3 - axes :]
    layout = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    y = jax.lax.conv_general_dilated(
        x.astype(kernel.dtype).reshape(math.prod(batch), *inner), kernel, (1,) * axes, "SAME", dimension_numbers=layout
    )
    return y.reshape(*batch, *inner[:-1], kernel.shape[-1])
