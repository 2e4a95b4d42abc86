"""sLSTM: the LSTM of xLSTM with exponential input gates and a normaliser."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, HeadedCell, Preset, with_bias
from rnnjax.initializers import Constant, Lecun
from rnnjax.kernel import dot

Array = jax.Array


class SLSTMState(NamedTuple):
    """The output and three memories, all `[*batch, features]`.

    `h`: output of the last step; `c`: the cell state and `n`: its normaliser, both divided by exp(m); `m`: the
    stabiliser.
    """

    h: Array
    c: Array
    n: Array
    m: Array


@dataclasses.dataclass(frozen=True, repr=False)
class SLSTM(HeadedCell):
    """LSTM with an exponential input gate, a normaliser, and states that are kept in the range of floats.

        i, f, o = W x + U h + b,  z = tanh(W x + U h + b)     (blocks of their own)
        m' = max(log sigmoid(f) + m, i)                       (m' = i where nothing was written yet)
        c' = exp(log sigmoid(f) + m - m') * c + exp(i - m') * z
        n' = exp(log sigmoid(f) + m - m') * n + exp(i - m')
        h' = sigmoid(o) * c' / n'

    Beck et al. 2024 (xLSTM), arXiv:2405.04517. Without the stabiliser m these are c' = sigmoid(f) c + exp(i) z and
    n' = sigmoid(f) n + exp(i), whose quotient is the same. The paper also allows an exponential forget gate; the
    authors' code has this one. A step that writes much more than all before it overwrites them: what an LSTM, whose
    gates end at 1, cannot do. All states start at zero, and from the first step on n is at least 1.

    "forget" among `gate_values` is sigmoid(f); "input" is exp(i - m'), the weight of the candidate in (0, 1].

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate and head, and forget bias 1;
    "paper" is the authors' code: kernels from N(0, 2 / (5 in_features)), recurrent kernels of zero, and forget biases
    from 5 down to -7 within each head, 5 - 12 (k / (head_features - 1))^0.3, as in the first block of a network.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    candidates: ClassVar = ("input", "candidate")
    equation: ClassVar = "c' = sig(f)*c + exp(i)*z;  n' = sig(f)*n + exp(i);  h' = sig(o)*c'/n'"
    source: ClassVar = "Beck et al. 2024, arXiv:2405.04517"
    verified: ClassVar = ("xlstm 2.0.6",)
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0),
        "paper": Preset(Lecun("normal"), Constant(0.0)),
    }

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        params = super().init(key, in_features)
        if self.preset == "paper" and self.kernel_init is None:
            params["kernel"] = params["kernel"] * 0.4**0.5
        if self.preset == "paper" and self.bias_init is None:
            share = jnp.arange(self.head_features) / max(self.head_features - 1, 1)
            forget = jnp.tile(5 - 12 * share**0.3, self.heads).astype(params["bias"].dtype)
            params["bias"] = params["bias"].at[self.features : 2 * self.features].set(forget)
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> SLSTMState:
        return SLSTMState(*(self.zeros(batch_shape) for _ in range(4)))

    def _activations(self, weights, carry, drive):
        recurrent = self.split(dot(carry.h, weights["recurrent_kernel"]))
        logits = {gate: drive[gate] + recurrent[gate] for gate in self.gates}
        kept = jax.nn.log_sigmoid(logits["forget"]) + carry.m
        m = jnp.where(carry.n == 0, logits["input"], jnp.maximum(kept, logits["input"]))
        return logits, kept, m

    def gate_values(self, weights, carry, drive):
        logits, _, m = self._activations(weights, carry, drive)
        return {
            "input": jnp.exp(logits["input"] - m),
            "forget": jax.nn.sigmoid(logits["forget"]),
            "candidate": jnp.tanh(logits["candidate"]),
            "output": jax.nn.sigmoid(logits["output"]),
        }

    def recur(self, weights, carry, drive):
        logits, kept, m = self._activations(weights, carry, drive)
        f = jnp.exp(jnp.minimum(kept - m, 0.0))  # above zero only where there is nothing to keep
        i = jnp.exp(logits["input"] - m)
        c = f * carry.c + i * jnp.tanh(logits["candidate"])
        n = f * carry.n + i
        h = jax.nn.sigmoid(logits["output"]) * c / n
        return SLSTMState(h, c, n, m), h
