"""What the cells share whose gates see the last few inputs, and not the state: a convolution over time."""

from __future__ import annotations

import abc
import dataclasses

import jax
import jax.numpy as jnp

from rnnjax.cells.input_gated import InputGatedCell
from rnnjax.errors import InputError

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class WindowedCell(InputGatedCell, abc.ABC):
    """A cell whose gates are functions of `x_t W_0 + x_{t-1} W_1 + ... + bias`, one block of columns a gate.

    Inputs before the first are zero. Of an earlier input the cell needs its products with the kernels alone, so that
    the state holds these; the drive has them under "later", `[..., (inputs_seen - 1) * gates * features]`, as what
    the input of a step gives to the steps after it.

    Parameters: `kernel [in_features, gates * features]` W_0; `previous_kernel [inputs_seen - 1, in_features, gates *
    features]` W_1, W_2, ...; `bias [gates * features]`. `kernel_init` draws all taps of a gate as one matrix
    `[inputs_seen * in_features, features]`, as a convolution is drawn.
    """

    @property
    @abc.abstractmethod
    def inputs_seen(self) -> int:
        """How many inputs the gates of a step see, that of the step included."""

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        if not isinstance(in_features, int) or in_features < 1:
            raise InputError("in_features", in_features, "a positive int")
        params = super().init(key, self.inputs_seen * in_features)
        kernel, *previous = jnp.split(params["kernel"], self.inputs_seen)
        return params | {"kernel": kernel} | ({"previous_kernel": jnp.stack(previous)} if previous else {})

    def project(self, weights, xs):
        drive = super().project(weights, xs)
        if self.inputs_seen > 1:
            xs = xs.astype(self.precision.dtype("compute"))
            later = jnp.einsum("...i,kio->...ko", xs, weights["previous_kernel"])
            drive["later"] = later.reshape(*later.shape[:-2], -1)
        return drive
