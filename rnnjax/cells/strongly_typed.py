"""The strongly typed networks: what mixes units never touches the state."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import affine
from rnnjax.cells.input_gated import InputGatedCell, InputPreset
from rnnjax.cells.windowed import WindowedCell
from rnnjax.initializers import Constant, Lecun, PerGate

Array = jax.Array

_START = InputPreset(Lecun(), PerGate((("forget", Constant(1.0)),), Constant(0.0)))


class TRNNState(NamedTuple):
    """`h`: state and output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class TRNN(InputGatedCell):
    """Strongly typed recurrent network, T-RNN.

        z  = W x + b,  f = sigmoid(W x + b)            (blocks of their own)
        h' = f * h + (1 - f) * z

    Balduzzi & Ghifary 2016, arXiv:1602.02218. The state is an average of inputs, all seen through one matrix: adding
    what is measured in different units is the error of type that the name is about. The paper's z has no bias; here it
    has one, which starts at zero.

    "default" draws a LeCun-normal kernel, and forget bias 1; "paper" is "default".
    """

    gates: ClassVar = ("candidate", "forget")
    equation: ClassVar = "f = sig(Wx+b);  h' = f*h + (1-f)*(Wx+b)"
    source: ClassVar = "Balduzzi & Ghifary 2016, arXiv:1602.02218"
    verified: ClassVar = ("torchrecurrent 0.2.5",)
    presets: ClassVar = {"default": _START, "paper": _START}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> TRNNState:
        return TRNNState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        del weights, carry
        return {"candidate": drive["candidate"], "forget": jax.nn.sigmoid(drive["forget"])}

    def affine(self, weights, drive):
        del weights
        forget, candidate = (drive[gate].astype(self.state_dtype) for gate in ("forget", "candidate"))
        return affine.Real(jax.nn.sigmoid(forget), jax.nn.sigmoid(-forget) * candidate)


@dataclasses.dataclass(frozen=True, repr=False)
class _TwoInputCell(WindowedCell, abc.ABC):
    """What T-GRU and T-LSTM share: gates of this input and the last one."""

    gates: ClassVar = ("candidate", "forget", "output")
    candidates: ClassVar = ("candidate", "output")
    affine_in_state: ClassVar = False  # it is in h, or c, but the state also holds the last input
    source: ClassVar = "Balduzzi & Ghifary 2016, arXiv:1602.02218"
    verified: ClassVar = ("torchrecurrent 0.2.5",)
    presets: ClassVar = {"default": _START, "paper": _START}

    @property
    def inputs_seen(self) -> int:
        return 2

    def project(self, weights, xs):
        drive = super().project(weights, xs)
        return drive | {"later": self.split(drive["later"])}

    def gate_values(self, weights, carry, drive):
        del weights
        return {
            "candidate": drive["candidate"] + carry.candidate,
            "forget": jax.nn.sigmoid(drive["forget"] + carry.forget),
            "output": jnp.tanh(drive["output"] + carry.output),
        }

    @abc.abstractmethod
    def recur(self, weights, carry, drive): ...


class TGRUState(NamedTuple):
    """`h`: state and output; `candidate`, `forget`, `output`: V x of the last input. Each is `[*batch, features]`."""

    h: Array
    candidate: Array
    forget: Array
    output: Array


@dataclasses.dataclass(frozen=True, repr=False)
class TGRU(_TwoInputCell):
    """Strongly typed gated recurrent unit, T-GRU.

        z = W x + V x_last + b
        f = sigmoid(W x + V x_last + b),  o = tanh(W x + V x_last + b)     (blocks of their own)
        h' = f * h + z * o

    Balduzzi & Ghifary 2016, arXiv:1602.02218. x_last is the input of the step before, zero in the first step.

    Parameters: `kernel [in_features, 3 * features]` W, `previous_kernel [1, in_features, 3 * features]` V, `bias [3 *
    features]`, blocks in the order of `gates`.

    "default" draws W and V LeCun-normal, as one matrix `[2 * in_features, features]` a gate, with forget bias 1;
    "paper" is "default".
    """

    equation: ClassVar = "z,f,o = Wx+Vx_last+b;  h' = sig(f)*h + z*tanh(o)"

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> TGRUState:
        return TGRUState(*(self.zeros(batch_shape) for _ in TGRUState._fields))

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        h = gates["forget"] * carry.h + gates["candidate"] * gates["output"]
        return TGRUState(h, **drive["later"]), h


class TLSTMState(NamedTuple):
    """`c`: cell state; `candidate`, `forget`, `output`: V x of the last input. Each is `[*batch, features]`."""

    c: Array
    candidate: Array
    forget: Array
    output: Array


@dataclasses.dataclass(frozen=True, repr=False)
class TLSTM(_TwoInputCell):
    """Strongly typed long short-term memory, T-LSTM.

        z = W x + V x_last + b
        f = sigmoid(W x + V x_last + b),  o = tanh(W x + V x_last + b)     (blocks of their own)
        c' = f * c + (1 - f) * z
        y  = c' * o

    Balduzzi & Ghifary 2016, arXiv:1602.02218. x_last is the input of the step before, zero in the first step. (The
    time-aware LSTM of Baytas et al. 2017, also called T-LSTM, is another cell.)

    Parameters and presets as in `TGRU`.
    """

    equation: ClassVar = "z,f,o = Wx+Vx_last+b;  c' = sig(f)*c + (1-sig(f))*z;  y = c'*tanh(o)"

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> TLSTMState:
        return TLSTMState(*(self.zeros(batch_shape) for _ in TLSTMState._fields))

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        f = gates["forget"]
        c = f * carry.c + (1 - f) * gates["candidate"]
        return TLSTMState(c, **drive["later"]), c * gates["output"]
