"""The clockwork network: modules of units, each of which runs at its own rate."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.gated import DEFAULT, GatedCell, Preset
from rnnjax.errors import check
from rnnjax.initializers import Normal
from rnnjax.kernel import dot

Array = jax.Array


class ClockworkRNNState(NamedTuple):
    """`h`: state and output, `[*batch, features]`; `clock`: the number t of the coming step, `[*batch, 1]`."""

    h: Array
    clock: Array


@dataclasses.dataclass(frozen=True, repr=False)
class ClockworkRNN(GatedCell):
    """Clockwork recurrent network.

        h'_k = tanh(W_k x + sum over j with T_j >= T_k of U_jk h_j + b_k)   if t mod T_k = 0
        h'_k = h_k                                                          else

    Koutnik et al. 2014, arXiv:1402.3511. Units lie in modules k of period T_k, the fastest first, in equal numbers (the
    first ones get one unit more where that does not come out even). A module reads itself and the slower ones, at
    whatever values these have last computed. Steps are counted from t = 0, in which all modules run; a carry with
    another clock shifts their phases. The clock counts steps, whatever time they take.

    Parameters as in every gated cell; the blocks of `recurrent_kernel [features, features]` that lead from a faster
    module to a slower one have no effect.

    Presets: "default" draws a LeCun-normal kernel and an orthogonal recurrent kernel, whose blocks from fast to slow
    are then without effect; "paper" draws both from N(0, 0.1^2), with a zero bias: its equations have none.

    Args:
      periods: one for each module, increasing; `None` is 1, 2, 4, ..., 128, or as many of them as there are units.

    Raises:
      InputError: periods that are no increasing positive ints, more periods than units, or periods whose common
        multiple the dtype of the carry cannot count up to.
    """

    gates: ClassVar = ("candidate",)
    equation: ClassVar = "h'_k = tanh(Wx + sum_{T_j>=T_k} U_jk h_j + b)_k if t mod T_k = 0, else h_k"
    source: ClassVar = "Koutnik et al. 2014, arXiv:1402.3511"
    presets: ClassVar = {"default": DEFAULT, "paper": Preset(Normal(0.1), Normal(0.1))}

    _: dataclasses.KW_ONLY
    periods: tuple[int, ...] | None = None

    def __post_init__(self):
        super().__post_init__()
        given = self.periods
        if isinstance(given, list):
            object.__setattr__(self, "periods", tuple(given))
        valid = given is None or (isinstance(given, list | tuple) and len(given) > 0 and all(map(_is_period, given)))
        check(valid, "ClockworkRNN.periods", given, "positive ints, or None")
        if given is not None:
            increasing = all(a < b for a, b in itertools.pairwise(given))
            check(increasing, "ClockworkRNN.periods", given, "increasing periods, the fastest module first")
            expected = f"no more periods than features={self.features}"
            check(len(given) <= self.features, "ClockworkRNN.periods", given, expected)
        cycle, most = math.lcm(*self.module_periods), self._highest_count
        expected = f"periods with a common multiple up to {most}, to which {self.precision.carry} counts"
        check(cycle <= most, "ClockworkRNN.periods", self.module_periods, expected)

    @property
    def module_periods(self) -> tuple[int, ...]:
        """The period of each module."""
        return tuple(2**k for k in range(min(8, self.features))) if self.periods is None else self.periods

    @property
    def unit_periods(self) -> np.ndarray:
        """The period of each unit, `[features]`."""
        modules = np.array_split(np.arange(self.features), len(self.module_periods))
        return np.repeat(self.module_periods, [len(units) for units in modules])

    @property
    def _highest_count(self) -> int:
        """Up to which all whole numbers are numbers of the carry's dtype."""
        return 2 ** (jnp.finfo(self.precision.carry).nmant + 1)

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ClockworkRNNState:
        return ClockworkRNNState(self.zeros(batch_shape), self.zeros(batch_shape, 1))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        periods = self.unit_periods
        connected = jnp.asarray(periods[:, None] >= periods, weights["recurrent_kernel"].dtype)
        return weights | {"recurrent_kernel": weights["recurrent_kernel"] * connected}

    def gate_values(self, weights, carry, drive):
        return {"candidate": jnp.tanh(drive["candidate"] + dot(carry.h, weights["recurrent_kernel"]))}

    def recur(self, weights, carry, drive):
        candidate = self.gate_values(weights, carry, drive)["candidate"]
        periods = jnp.asarray(self.unit_periods, carry.clock.dtype)
        since = carry.clock - jnp.floor(carry.clock / periods) * periods  # `jnp.mod` takes longer than the whole step
        active = (since < 1) | (since >= periods)  # the latter where the quotient was rounded down from a whole number
        h = jnp.where(active, candidate, carry.h)
        # Counted up as far as the dtype goes, then from zero again, where all modules run, as they do there.
        cycle = math.lcm(*self.module_periods)
        clock = jnp.mod(carry.clock + 1, float(self._highest_count // cycle * cycle))
        return ClockworkRNNState(h, clock), h


def _is_period(given) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 1
