"""The mogrifier LSTM: input and state scale each other before the LSTM sees them."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, with_bias
from rnnjax.cells.lstm import LSTMState
from rnnjax.errors import InputError, check
from rnnjax.initializers import Lecun, Spec, as_initializer, in_force
from rnnjax.kernel import dot

Array = jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class MogrifierLSTM(GatedCell):
    """LSTM whose input and state gate each other, in turn, before the step.

        x <- 2 sigmoid(h Q_r) * x                 rounds r = 1, 3, 5 ...
        h <- 2 sigmoid(x R_r) * h                 rounds r = 2, 4, 6 ...
        i, f, o = sigmoid(W x + U h + b),  g = tanh(W x + U h + b)     (blocks of their own)
        c' = f * c + i * g
        h' = o * tanh(c')

    Melis, Kocisky & Blunsom 2020, arXiv:1909.01792. Without rounds it is the LSTM. Parameters as in every gated cell,
    and `round_1`, `round_2`, ...: `[features, in_features]` in odd rounds and `[in_features, features]` in even ones,
    each `{"left": [.., rank], "right": [rank, ..]}` where `rank` is given. The authors' code adds a bias inside each
    sigmoid, which the paper's equations do not have, and lets the input gate be at most 1 - f. Since the state changes
    the input, nothing can be computed for all steps at once.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1; "paper" is
    the same: the paper does not say.

    Args:
      rounds: how many times one of the two is scaled by the other.
      rank: of the factorised matrices of the rounds; `None` for full matrices.
      mogrifier_init: initialiser of the matrices of the rounds; `None` is LeCun-normal.

    Raises:
      InputError: rounds that are no int >= 0, or a rank that is no positive int.
    """

    gates: ClassVar = ("input", "forget", "candidate", "output")
    equation: ClassVar = "x = 2 sig(Qh)*x, h = 2 sig(Rx)*h in turn;  c' = f*c + i*tanh(Wx+Uh+b);  h' = o*tanh(c')"
    source: ClassVar = "Melis, Kocisky & Blunsom 2020, arXiv:1909.01792"
    presets: ClassVar = {"default": with_bias(DEFAULT, forget=1.0), "paper": with_bias(DEFAULT, forget=1.0)}

    _: dataclasses.KW_ONLY
    rounds: int = 5
    rank: int | None = None
    mogrifier_init: Spec = None

    def __post_init__(self):
        super().__post_init__()
        whole = isinstance(self.rounds, int) and not isinstance(self.rounds, bool)
        check(whole and self.rounds >= 0, "MogrifierLSTM.rounds", self.rounds, "an int >= 0")
        if self.rank is not None and (not isinstance(self.rank, int) or isinstance(self.rank, bool) or self.rank < 1):
            raise InputError("MogrifierLSTM.rank", self.rank, "a positive int, or None")
        spec = as_initializer(self.mogrifier_init, "MogrifierLSTM.mogrifier_init", ())
        object.__setattr__(self, "mogrifier_init", spec)

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, mogrifier_init=None)

    def init(self, key: Array, in_features: int) -> dict[str, Any]:
        key, *keys = jax.random.split(key, 1 + self.rounds)
        params: dict[str, Any] = super().init(key, in_features)
        initializer, dtype = in_force(self.mogrifier_init, Lecun()), self.precision.dtype("params")
        for index, round_key in enumerate(keys):
            rows, columns = (self.features, in_features) if index % 2 == 0 else (in_features, self.features)
            if self.rank is None:
                params[f"round_{index + 1}"] = initializer(round_key, (rows, columns), dtype)
            else:
                left, right = jax.random.split(round_key)
                params[f"round_{index + 1}"] = {
                    "left": initializer(left, (rows, self.rank), dtype),
                    "right": initializer(right, (self.rank, columns), dtype),
                }
        return params

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        return LSTMState(self.zeros(batch_shape), self.zeros(batch_shape))

    def project(self, weights, xs):
        return xs.astype(self.precision.dtype("compute"))

    def _mogrify(self, weights, x, h):
        for index in range(self.rounds):
            kernel = weights[f"round_{index + 1}"]
            seen = h if index % 2 == 0 else x
            product = dot(seen, kernel) if self.rank is None else dot(dot(seen, kernel["left"]), kernel["right"])
            scale = 2 * jax.nn.sigmoid(product)
            x, h = (scale * x, h) if index % 2 == 0 else (x, scale * h)
        return x, h

    def gate_values(self, weights, carry, drive):
        x, h = self._mogrify(weights, drive, carry.h)
        ours = self.split(dot(x, weights["kernel"]) + weights["bias"])
        recurrent = self.split(dot(h, weights["recurrent_kernel"]))
        return {
            "input": jax.nn.sigmoid(ours["input"] + recurrent["input"]),
            "forget": jax.nn.sigmoid(ours["forget"] + recurrent["forget"]),
            "candidate": jnp.tanh(ours["candidate"] + recurrent["candidate"]),
            "output": jax.nn.sigmoid(ours["output"] + recurrent["output"]),
        }

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        return LSTMState(h, c), h
