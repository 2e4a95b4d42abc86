"""Convolutional GRU, on lines, images and volumes."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.convolutional import ConvolutionalCell, convolve
from rnnjax.cells.gated import DEFAULT

Array = jax.Array


class ConvGRUState(NamedTuple):
    """`h`: output of the last step, `[*batch, *places, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class ConvGRU(ConvolutionalCell, abc.ABC):
    """A GRU whose products with weights are convolutions.

        r, z = sigmoid(W * x + U * h + b)              (blocks of their own)
        n    = tanh(W * x + U * (r . h) + b)
        h'   = (1 - z) . n + z . h

    The star is a convolution, the point a product place by place. Ballas et al. 2015, arXiv:1511.06432: there the
    update gate is the share of the candidate, here, as in `GRU`, that of the old state; the two are one cell, with
    the signs of the gate's weights turned. The paper has no biases.

    Presets: "default" draws LeCun-normal kernels and recurrent kernels with orthonormal columns per gate; the paper's
    equations leave the start open, so that "paper" is "default".

    Args:
      features: channels of the state.
      kernel_size: places along each side of the window.
    """

    gates: ClassVar = ("reset", "update", "candidate")
    source: ClassVar = "Ballas et al. 2015, arXiv:1511.06432"
    presets: ClassVar = {"default": DEFAULT, "paper": DEFAULT}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ConvGRUState:
        return ConvGRUState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        gates, candidate = jnp.split(weights["recurrent_kernel"], [2 * self.features], axis=-1)
        return weights | {"recurrent_kernel": {"gates": gates, "candidate": candidate}}

    def gate_values(self, weights, carry, drive):
        kernel = weights["recurrent_kernel"]
        reset, update = jnp.split(convolve(carry.h, kernel["gates"]), 2, axis=-1)
        r = jax.nn.sigmoid(drive["reset"] + reset)
        z = jax.nn.sigmoid(drive["update"] + update)
        n = jnp.tanh(drive["candidate"] + convolve(r * carry.h, kernel["candidate"]))
        return {"reset": r, "update": z, "candidate": n}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        h = (1 - gates["update"]) * gates["candidate"] + gates["update"] * carry.h
        return ConvGRUState(h), h


@dataclasses.dataclass(frozen=True, repr=False)
class ConvGRU1D(ConvGRU):
    """Convolutional GRU on lines: inputs `[*batch, time, length, in_features]`.

        r, z = sigmoid(W * x + U * h + b),  n = tanh(W * x + U * (r . h) + b)     (blocks of their own)
        h'   = (1 - z) . n + z . h

    Ballas et al. 2015, arXiv:1511.06432. Parameters, presets and fields are those of `ConvGRU`.
    """

    spatial_axes: ClassVar[int] = 1
    equation: ClassVar = "n = tanh(conv(W,x)+conv(U,r*h)+b);  h' = (1-z)*n + z*h, on lines"


@dataclasses.dataclass(frozen=True, repr=False)
class ConvGRU2D(ConvGRU):
    """Convolutional GRU on images: inputs `[*batch, time, height, width, in_features]`.

        r, z = sigmoid(W * x + U * h + b),  n = tanh(W * x + U * (r . h) + b)     (blocks of their own)
        h'   = (1 - z) . n + z . h

    Ballas et al. 2015, arXiv:1511.06432. Parameters, presets and fields are those of `ConvGRU`.
    """

    spatial_axes: ClassVar[int] = 2
    equation: ClassVar = "n = tanh(conv(W,x)+conv(U,r*h)+b);  h' = (1-z)*n + z*h, on images"


@dataclasses.dataclass(frozen=True, repr=False)
class ConvGRU3D(ConvGRU):
    """Convolutional GRU on volumes: inputs `[*batch, time, depth, height, width, in_features]`.

        r, z = sigmoid(W * x + U * h + b),  n = tanh(W * x + U * (r . h) + b)     (blocks of their own)
        h'   = (1 - z) . n + z . h

    Ballas et al. 2015, arXiv:1511.06432. Parameters, presets and fields are those of `ConvGRU`.
    """

    spatial_axes: ClassVar[int] = 3
    equation: ClassVar = "n = tanh(conv(W,x)+conv(U,r*h)+b);  h' = (1-z)*n + z*h, on volumes"
