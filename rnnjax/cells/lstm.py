"""Long short-term memory, with and without peepholes."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, FLAX, KERAS, TORCH, GatedCell, HeadedCell, Preset, with_bias
from rnnjax.initializers import Constant, Spec, Uniform, as_initializer, in_force
from rnnjax.kernel import dot

Array = jax.Array

_PEEPHOLES = ("input", "forget", "output")  # the gates that have one, in the order of the parameter


class LSTMState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`; `c`: the cell state, of the same shape."""

    h: Array
    c: Array


@dataclasses.dataclass(frozen=True, repr=False)
class LSTM(HeadedCell):
    """Long short-term memory with forget gate.

        i, f, o = sigmoid(W x + U h + b),  g = tanh(W x + U h + b)     (blocks of their own)
        c' = f * c + i * g
        h' = o * tanh(c')

    Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; the forget gate is that of Gers, Schmidhuber &
    Cummins 2000, doi:10.1162/089976600300015015.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1 (the
    advice of Jozefowicz et al. 2015); "paper" draws everything from U(-0.1, 0.1) as the experiments of 1997 did, with
    forget bias 1; "torch", "keras" and "flax" reproduce the distributions of `torch.nn.LSTM` (its two biases summed),
    `keras.layers.LSTM` and `flax.linen.OptimizedLSTMCell`. For chrono initialisation: `bias_init=Chrono(t_max)`.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    equation: ClassVar = "c' = f*c + i*tanh(Wx+Uh+b);  h' = o*tanh(c')"
    source: ClassVar = "Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735"
    verified: ClassVar = ("torch 2.13.0", "keras 3.15.1", "flax 0.12.8", "dm-haiku 0.0.17", "equinox 0.13.8")
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0),
        "paper": with_bias(Preset(Uniform(0.1), Uniform(0.1), Uniform(0.1)), forget=1.0),
        "torch": TORCH,
        "keras": with_bias(KERAS, forget=1.0),
        "flax": FLAX,
    }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        return {
            "input": jax.nn.sigmoid(drive["input"] + recurrent["input"]),
            "forget": jax.nn.sigmoid(drive["forget"] + recurrent["forget"]),
            "candidate": jnp.tanh(drive["candidate"] + recurrent["candidate"]),
            "output": jax.nn.sigmoid(drive["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        return LSTMState(h, c), h


@dataclasses.dataclass(frozen=True, repr=False)
class PeepholeLSTM(LSTM):
    """LSTM whose gates also see the cell state, through one weight a unit.

        i = sigmoid(.. + p_i * c),  f = sigmoid(.. + p_f * c),  o = sigmoid(.. + p_o * c')
        c' = f * c + i * tanh(W x + U h + b)
        h' = o * tanh(c')

    Gers, Schraudolph & Schmidhuber 2002, JMLR 3:115-143. The tanh on the way out is that of the LSTM. Parameters as
    in `LSTM`, and `peephole [3 * features]` for input, forget and output gate. Presets as in `LSTM`.

    Args:
      peephole_init: initialiser of the peephole weights, or a mapping from gate to initialiser; zero unless given.
    """

    equation: ClassVar = "i,f see c, o sees c';  c' = f*c + i*tanh(Wx+Uh+b);  h' = o*tanh(c')"
    source: ClassVar = "Gers, Schraudolph & Schmidhuber 2002, JMLR 3:115"
    verified: ClassVar = ("torchrecurrent 0.2.5",)

    _: dataclasses.KW_ONLY
    peephole_init: Spec = Constant(0.0)

    def __post_init__(self):
        super().__post_init__()
        spec = as_initializer(self.peephole_init, "PeepholeLSTM.peephole_init", _PEEPHOLES)
        object.__setattr__(self, "peephole_init", spec)

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, peephole_init=Constant(0.0))

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        key, peephole_key = jax.random.split(key)
        dtype = self.precision.dtype("params")
        initializer = in_force(self.peephole_init, Constant(0.0))
        peephole = initializer.blocks(peephole_key, _PEEPHOLES, (self.features,), dtype)
        return {**super().init(key, in_features), "peephole": peephole}

    def gate_values(self, weights, carry, drive):
        peephole = dict(zip(_PEEPHOLES, jnp.split(weights["peephole"], 3), strict=True))
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        i = jax.nn.sigmoid(drive["input"] + recurrent["input"] + peephole["input"] * carry.c)
        f = jax.nn.sigmoid(drive["forget"] + recurrent["forget"] + peephole["forget"] * carry.c)
        g = jnp.tanh(drive["candidate"] + recurrent["candidate"])
        c = f * carry.c + i * g
        o = jax.nn.sigmoid(drive["output"] + recurrent["output"] + peephole["output"] * c)
        return {"input": i, "forget": f, "candidate": g, "output": o}
