"""The minimal long short-term memory: forget and input gate, of the input alone, that add up to one."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax

from rnnjax import affine
from rnnjax.cells.input_gated import InputGatedCell
from rnnjax.cells.min_gru import log_positive, positive

Array = jax.Array


class MinLSTMState(NamedTuple):
    """`h`: output of the last step, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class MinLSTM(InputGatedCell):
    """Minimal long short-term memory.

        f, i = sigmoid(W x + b),  n = g(W x + b)       (blocks of their own)
        h' = f / (f + i) * h + i / (f + i) * n
        g(a) = a + 1/2  for a >= 0,  sigmoid(a)  below

    Feng et al. 2024, arXiv:2410.01201, in the form whose gates add up to one and whose state is positive. Shares of two
    gates that are both shut are those of their logarithms, never zero over zero. For a long memory:
    `bias_init={"forget": 2.0}` or `Chrono(t_max)`.

    The paper gives no distribution for the weights: "paper" is "default", a LeCun-normal kernel and zero biases.
    """

    gates: ClassVar = ("forget", "input", "candidate")
    equation: ClassVar = "h' = f/(f+i)*h + i/(f+i)*g(Wx+b)"
    source: ClassVar = "Feng et al. 2024, arXiv:2410.01201"
    verified: ClassVar = ("minGRU-pytorch 0.2.1",)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> MinLSTMState:
        return MinLSTMState(self.zeros(batch_shape))

    def gate_values(self, weights, carry, drive):
        """The shares `f / (f + i)` and `i / (f + i)`, which act on the state, and the candidate."""
        del weights, carry
        log_odds = _log_odds(drive["forget"], drive["input"])
        forget, write = jax.nn.sigmoid(log_odds), jax.nn.sigmoid(-log_odds)
        return {"forget": forget, "input": write, "candidate": positive(drive["candidate"])}

    def affine(self, weights, drive):
        del weights
        forget, write, candidate = (drive[name].astype(self.state_dtype) for name in self.gates)
        log_odds = _log_odds(forget, write)
        return affine.Log(jax.nn.log_sigmoid(log_odds), jax.nn.log_sigmoid(-log_odds) + log_positive(candidate))


def _log_odds(forget, write):
    """The logarithm of f / i: its sigmoid is f / (f + i)."""
    return jax.nn.log_sigmoid(forget) - jax.nn.log_sigmoid(write)
