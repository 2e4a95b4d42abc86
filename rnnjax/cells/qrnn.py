"""The quasi-recurrent network: gates are a convolution over time, and the state is pooled with them."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import affine
from rnnjax.cells.input_gated import InputPreset
from rnnjax.cells.windowed import WindowedCell
from rnnjax.errors import InputError, check, check_choice
from rnnjax.initializers import Constant, Lecun, PerGate

Array = jax.Array

_START = InputPreset(Lecun(), PerGate((("forget", Constant(1.0)),), Constant(0.0)))
_GATES = {
    "f": ("candidate", "forget"),
    "fo": ("candidate", "forget", "output"),
    "ifo": ("candidate", "forget", "output", "input"),
}


class QRNNState(NamedTuple):
    """`c`: the pooled state, `[*batch, features]`. Of a window of one input."""

    c: Array


class QRNNWindowState(NamedTuple):
    """The state of a wider window.

    `c`: the pooled state, `[*batch, features]`; `pending`: what the last inputs add to the pre-activations of the
    coming step, the one after it, and so on: `[*batch, (window - 1) * gates * features]`.
    """

    c: Array
    pending: Array


@dataclasses.dataclass(frozen=True, repr=False)
class QRNN(WindowedCell):
    """Quasi-recurrent neural network.

        z = tanh(W_0 x_t + W_1 x_{t-1} + ... + b)
        f, o, i = sigmoid(W_0 x_t + W_1 x_{t-1} + ... + b)     (blocks of their own)
        c' = f * c + (1 - f) * z,  y = c'                      pooling="f"
        c' = f * c + (1 - f) * z,  y = o * c'                  pooling="fo"
        c' = f * c + i * z,        y = o * c'                  pooling="ifo"

    Bradbury et al. 2016, arXiv:1611.01576. Inputs before the first are zero: a masked convolution. With a window of one
    input the cell is affine in its state, and the associative engine runs it; a wider window keeps the products of
    earlier inputs in the state. salesforce/pytorch-qrnn names the gate the other way round: there f writes, and 1 - f
    keeps.

    Parameters: `kernel [in_features, gates * features]` W_0, `previous_kernel [window - 1, in_features, gates *
    features]` of the earlier inputs, the latest first, `bias [gates * features]`; `gates` are those that the pooling
    has.

    "default" draws a LeCun-normal kernel, all inputs of the window together, and forget bias 1; "paper" is "default".

    Args:
      window: how many inputs the gates see, that of the step included.
      pooling: "f", "fo" or "ifo".

    Raises:
      InputError: a window that is no positive int, an unknown pooling.
    """

    gates: ClassVar = _GATES["fo"]  # those of an instance are those of its pooling
    jacobian: ClassVar = "block"  # diagonal with a window of one input
    equation: ClassVar = "z,f,o = conv(x)+b;  c' = sig(f)*c + (1-sig(f))*tanh(z);  y = sig(o)*c'"
    source: ClassVar = "Bradbury et al. 2016, arXiv:1611.01576"
    presets: ClassVar = {"default": _START, "paper": _START}

    _: dataclasses.KW_ONLY
    window: int = 2
    pooling: Literal["f", "fo", "ifo"] = "fo"

    def __post_init__(self):
        check_choice("QRNN.pooling", self.pooling, _GATES)
        valid = isinstance(self.window, int) and not isinstance(self.window, bool) and self.window >= 1
        check(valid, "QRNN.window", self.window, "a positive int")
        object.__setattr__(self, "gates", _GATES[self.pooling])
        object.__setattr__(self, "jacobian", "diagonal" if self.window == 1 else "block")
        super().__post_init__()

    @property
    def affine_in_state(self) -> bool:  # type: ignore[override]
        return self.window == 1

    @property
    def inputs_seen(self) -> int:
        return self.window

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> QRNNState | QRNNWindowState:
        c = self.zeros(batch_shape)
        if self.window == 1:
            return QRNNState(c)
        return QRNNWindowState(c, self.zeros(batch_shape, (self.window - 1) * self._step_width))

    def gate_values(self, weights, carry, drive):
        del weights
        return self._activations(self._summed(carry, drive))

    def affine(self, weights, drive):
        if self.window > 1:
            raise InputError("cell", self, "a cell that is affine in its state: a QRNN with window=1")
        del weights
        return self._pooling({gate: drive[gate].astype(self.state_dtype) for gate in self.gates})

    def readout(self, weights, carry, drive):
        del weights
        return self._read(carry.c, self._summed(carry, drive))

    def recur(self, weights, carry, drive):
        if self.window == 1:
            return super().recur(weights, carry, drive)
        summed = self._summed(carry, drive)
        c = self._pooling(summed)(carry.c)
        later = carry.pending[..., self._step_width :]
        coming = jnp.concatenate([later, jnp.zeros_like(carry.pending[..., : self._step_width])], axis=-1)
        return QRNNWindowState(c, coming + drive["later"]), self._read(c, summed)

    @property
    def _step_width(self) -> int:
        """How many numbers of `pending` belong to a step."""
        return len(self.gates) * self.features

    def _summed(self, carry, drive) -> dict[str, Array]:
        """The pre-activations of a step."""
        if self.window == 1:
            return {gate: drive[gate] for gate in self.gates}
        pending = self.split(carry.pending[..., : self._step_width])
        return {gate: drive[gate] + pending[gate] for gate in self.gates}

    def _activations(self, summed) -> dict[str, Array]:
        return {gate: (jnp.tanh if gate == "candidate" else jax.nn.sigmoid)(summed[gate]) for gate in self.gates}

    def _pooling(self, summed) -> affine.Real:
        """What a step does to c."""
        gates = self._activations(summed)
        write = gates["input"] if "input" in gates else jax.nn.sigmoid(-summed["forget"])
        return affine.Real(gates["forget"], write * gates["candidate"])

    def _read(self, c, summed) -> Array:
        return c if self.pooling == "f" else jax.nn.sigmoid(summed["output"]) * c
