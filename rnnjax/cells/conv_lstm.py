"""Convolutional LSTM, on lines, images and volumes."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.convolutional import ConvolutionalCell, convolve
from rnnjax.cells.gated import DEFAULT, KERAS, Preset, with_bias
from rnnjax.errors import check
from rnnjax.initializers import Lecun

Array = jax.Array

_PEEPHOLES = ("input", "forget", "output")  # the gates that have one, in the order of the parameter


class ConvLSTMState(NamedTuple):
    """`h`: output of the last step, `[*batch, *places, features]`; `c`: the cell state, of the same shape."""

    h: Array
    c: Array


@dataclasses.dataclass(frozen=True, repr=False)
class ConvLSTM(ConvolutionalCell, abc.ABC):
    """An LSTM whose products with weights are convolutions.

        i, f, o = sigmoid(W * x + U * h + b),  g = tanh(W * x + U * h + b)     (blocks of their own)
        c' = f . c + i . g
        h' = o . tanh(c')

    The star is a convolution, the point a product place by place. With `peepholes`, i and f also see p . c and o sees
    p . c', through the parameter `peephole [3 * features]` of input, forget and output gate, which starts at zero.

    Shi et al. 2015, arXiv:1506.04214. There the gates have peepholes, with a weight for each place, so that the size of
    the images is part of the network; here a channel has one for all places. Keras, Flax and Haiku have no peepholes,
    and no more has this cell by default.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels with orthonormal columns per gate, and forget bias
    1; the paper says nothing, so that "paper" is "default"; "keras" and "flax" reproduce `keras.layers.ConvLSTM2D` and
    `flax.linen.ConvLSTMCell`, whose fixed 1 in the forget gate, as that of Haiku, is a bias of 1 here.

    Args:
      features: channels of the state.
      kernel_size: places along each side of the window.
      peepholes: whether gates see the cell state.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    source: ClassVar = "Shi et al. 2015, arXiv:1506.04214"
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0),
        "paper": with_bias(DEFAULT, forget=1.0),
        "keras": with_bias(KERAS, forget=1.0),
        "flax": with_bias(Preset(Lecun(), Lecun()), forget=1.0),
    }

    _: dataclasses.KW_ONLY
    peepholes: bool = False

    def __post_init__(self):
        super().__post_init__()
        given = self.peepholes
        check(isinstance(given, bool), f"{type(self).__name__}.peepholes", given, "True or False")

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        params = super().init(key, in_features)
        if self.peepholes:
            params["peephole"] = jnp.zeros(3 * self.features, self.precision.dtype("params"))
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ConvLSTMState:
        return ConvLSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(convolve(carry.h, weights["recurrent_kernel"]))
        peephole = dict(zip(_PEEPHOLES, jnp.split(weights["peephole"], 3), strict=True)) if self.peepholes else {}

        def gate(name, c):
            logits = drive[name] + recurrent[name]
            return jax.nn.sigmoid(logits + peephole[name] * c if peephole else logits)

        i, f = gate("input", carry.c), gate("forget", carry.c)
        g = jnp.tanh(drive["candidate"] + recurrent["candidate"])
        o = gate("output", f * carry.c + i * g)
        return {"input": i, "forget": f, "candidate": g, "output": o}

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        return ConvLSTMState(h, c), h


@dataclasses.dataclass(frozen=True, repr=False)
class ConvLSTM1D(ConvLSTM):
    """Convolutional LSTM on lines: inputs `[*batch, time, length, in_features]`.

        i, f, o = sigmoid(W * x + U * h + b),  g = tanh(W * x + U * h + b)     (blocks of their own)
        c' = f . c + i . g
        h' = o . tanh(c')

    Shi et al. 2015, arXiv:1506.04214. Parameters, presets and fields are those of `ConvLSTM`.
    """

    spatial_axes: ClassVar[int] = 1
    verified: ClassVar = ("dm-haiku 0.0.17",)
    equation: ClassVar = "c' = f*c + i*tanh(conv(W,x)+conv(U,h)+b);  h' = o*tanh(c'), on lines"


@dataclasses.dataclass(frozen=True, repr=False)
class ConvLSTM2D(ConvLSTM):
    """Convolutional LSTM on images: inputs `[*batch, time, height, width, in_features]`.

        i, f, o = sigmoid(W * x + U * h + b),  g = tanh(W * x + U * h + b)     (blocks of their own)
        c' = f . c + i . g
        h' = o . tanh(c')

    Shi et al. 2015, arXiv:1506.04214. Parameters, presets and fields are those of `ConvLSTM`.
    """

    spatial_axes: ClassVar[int] = 2
    verified: ClassVar = ("keras 3.15.1",)
    equation: ClassVar = "c' = f*c + i*tanh(conv(W,x)+conv(U,h)+b);  h' = o*tanh(c'), on images"


@dataclasses.dataclass(frozen=True, repr=False)
class ConvLSTM3D(ConvLSTM):
    """Convolutional LSTM on volumes: inputs `[*batch, time, depth, height, width, in_features]`.

        i, f, o = sigmoid(W * x + U * h + b),  g = tanh(W * x + U * h + b)     (blocks of their own)
        c' = f . c + i . g
        h' = o . tanh(c')

    Shi et al. 2015, arXiv:1506.04214. Parameters, presets and fields are those of `ConvLSTM`.
    """

    spatial_axes: ClassVar[int] = 3
    verified: ClassVar = ("flax 0.12.8",)
    equation: ClassVar = "c' = f*c + i*tanh(conv(W,x)+conv(U,h)+b);  h' = o*tanh(c'), on volumes"
