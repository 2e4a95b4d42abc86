"""The phased LSTM: each unit has a clock that opens it for a part of its period."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset, with_bias
from rnnjax.cells.lstm import PeepholeLSTM
from rnnjax.errors import check
from rnnjax.initializers import Normal
from rnnjax.inputs import checked_width, timed

Array = jax.Array
PyTree = Any


class PhasedLSTMState(NamedTuple):
    """`h`: output of the last step, `c`: the cell state, `[*batch, features]`; `time`: the clock, `[*batch, 1]`."""

    h: Array
    c: Array
    time: Array


@dataclasses.dataclass(frozen=True, repr=False)
class PhasedLSTM(PeepholeLSTM):
    """LSTM whose units are updated in a part of their period only, as the time tells that comes with each input.

        t'  = t + elapsed
        phi = ((t' - s) mod tau) / tau
        k   = 2 phi / r            phi < r / 2                the unit opens
              2 - 2 phi / r        r / 2 <= phi < r           and closes
              leak * phi           otherwise
        c~  = f * c + i * tanh(W x + U h + b),   h~ = o * tanh(c~)      i, f, o and peepholes as in `PeepholeLSTM`
        c'  = k * c~ + (1 - k) * c
        h'  = k * h~ + (1 - k) * h

    Neil, Pfeiffer & Liu 2016, arXiv:1610.09513. A closed unit keeps its state, and error flows back through it, over
    many steps unchanged, or nearly so. Inputs are `rnnjax.inputs.Timed(x, elapsed)`, or plain arrays, whose steps are
    one unit of time apart; time is 0 before the first step. Parameters as in `PeepholeLSTM`, and `[features]` each:
    `log_period`, log tau; `shift`, the s; `ratio_logit`, of which r is the sigmoid. Those of the paper are tau and r
    themselves; the paper's code adds the shift instead of subtracting it.

    The clock counts in the dtype of the carry: a bfloat16 carry stops at 256 unit steps. Give it a float32 one,
    `Precision(..., carry="float32")`.

    Presets: "default" draws LeCun-normal kernels, recurrent kernels orthogonal per gate, and forget bias 1; "paper"
    draws kernels and recurrent kernels from N(0, 0.1^2) with forget bias 2, as the paper's code. Periods are drawn
    log-uniformly, shifts uniformly from the period, and r is a constant. Ranges of periods differ between the paper's
    tasks; those here are the defaults of TensorFlow's `PhasedLSTMCell`, whose r starts at 0.1 while the paper's is
    0.05.

    Args:
      leak: how open a closed unit is at the end of its period; 0.001 in the paper, and 0 in its tests.
      period_min: the shortest period a unit starts with, in units of time.
      period_max: the longest.
      ratio_on: the share of the period for which units are open at the start.

    Raises:
      InputError: a leak outside [0, 1], periods that are not positive or out of order, or a ratio outside (0, 1).
    """

    equation: ClassVar = "k = open(((t-s) mod tau)/tau);  c' = k*(f*c + i*g) + (1-k)*c;  h' = k*o*tanh(c~) + (1-k)*h"
    source: ClassVar = "Neil, Pfeiffer & Liu 2016, arXiv:1610.09513"
    presets: ClassVar = {
        "default": with_bias(DEFAULT, forget=1.0),
        "paper": with_bias(Preset(Normal(0.1), Normal(0.1)), forget=2.0),
    }
    verified: ClassVar = ()

    _: dataclasses.KW_ONLY
    leak: float = 0.001
    period_min: float = 1.0
    period_max: float = 1000.0
    ratio_on: float = 0.05

    def __post_init__(self):
        super().__post_init__()
        number = {
            field: isinstance(given := getattr(self, field), int | float) and not isinstance(given, bool)
            for field in ("leak", "period_min", "period_max", "ratio_on")
        }
        check(number["leak"] and 0 <= self.leak <= 1, "PhasedLSTM.leak", self.leak, "a number in [0, 1]")
        valid = number["period_min"] and self.period_min > 0
        check(valid, "PhasedLSTM.period_min", self.period_min, "a number > 0")
        valid = number["period_max"] and self.period_max >= self.period_min
        expected = f"a number, at least period_min={self.period_min}"
        check(valid, "PhasedLSTM.period_max", self.period_max, expected)
        valid = number["ratio_on"] and 0 < self.ratio_on < 1
        check(valid, "PhasedLSTM.ratio_on", self.ratio_on, "a number in (0, 1)")

    @property
    def dynamics(self) -> GatedCell:
        return dataclasses.replace(super().dynamics, period_min=1.0, period_max=1000.0, ratio_on=0.05)

    def init(self, key: Array, in_features: PyTree) -> dict[str, Array]:
        key, period_key, shift_key = jax.random.split(key, 3)
        params = super().init(key, checked_width(in_features))
        dtype, shape = self.precision.dtype("params"), (self.features,)
        wide = jnp.promote_types(dtype, jnp.float32)
        bounds = math.log(self.period_min), math.log(self.period_max)
        log_period = jax.random.uniform(period_key, shape, wide, *bounds)
        shift = jnp.exp(log_period) * jax.random.uniform(shift_key, shape, wide)
        logit = math.log(self.ratio_on) - math.log1p(-self.ratio_on)
        clock = {"log_period": log_period, "shift": shift, "ratio_logit": jnp.full(shape, logit, wide)}
        return params | {name: leaf.astype(dtype) for name, leaf in clock.items()}

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> PhasedLSTMState:
        return PhasedLSTMState(self.zeros(batch_shape), self.zeros(batch_shape), self.zeros(batch_shape, 1))

    def prepare(self, params, *, key=None, batch_shape=()):
        """The clock's parameters stay in the dtype of the carry, as wide as the time itself."""
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        dtype = self.precision.dtype("carry")
        clock = {name: params[name].astype(dtype) for name in ("log_period", "shift", "ratio_logit")}
        for name in clock:
            del weights[name]
        weights["period"], weights["shift"] = jnp.exp(clock["log_period"]), clock["shift"]
        weights["ratio_on"] = jax.nn.sigmoid(clock["ratio_logit"])
        return weights

    def project(self, weights, xs):
        xs = timed(xs)
        drive = super().project(weights, xs.x)
        return drive | {"elapsed": xs.elapsed.astype(self.precision.dtype("carry"))}

    def openness(self, weights: PyTree, time: Array) -> Array:
        """How open each unit is at a time `[*batch, 1]`, for the weights that `prepare` returns: k of the equations."""
        period, ratio = weights["period"], weights["ratio_on"]
        cycles = (time - weights["shift"]) / period
        phase = cycles - jnp.floor(cycles)  # `jnp.mod` takes as long as all gates together
        rising = 2 * phase / ratio
        return jnp.where(phase < ratio / 2, rising, jnp.where(phase < ratio, 2 - rising, self.leak * phase))

    def recur(self, weights, carry, drive):
        gates = self.gate_values(weights, carry, drive)
        time = carry.time + drive["elapsed"]
        k = self.openness(weights, time)
        c = gates["forget"] * carry.c + gates["input"] * gates["candidate"]
        h = gates["output"] * jnp.tanh(c)
        c, h = k * c + (1 - k) * carry.c, k * h + (1 - k) * carry.h
        return PhasedLSTMState(h, c, time), h
