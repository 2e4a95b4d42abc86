"""Zoneout: units of the state that stay as they were."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell
from rnnjax.errors import check
from rnnjax.wrappers.dropout import check_share
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array
PyTree = Any

_BASE = 256  # whole numbers up to here are exact in bfloat16 too


class ZoneoutState(NamedTuple):
    """`cell`: the carry of the cell; `steps [*batch, 2]`: the number of steps before this one, by digits."""

    cell: Any
    steps: Array


@dataclasses.dataclass(frozen=True, repr=False)
class Zoneout(Wrapper):
    """Lets units of the state stay as they were for a step, at random.

        s' = m * s + (1 - m) * s_new,   m ~ Bernoulli(rate)     with a key: another m for each unit in each step
        s' = rate * s + (1 - rate) * s_new                      without one: the expectation

    Krueger et al. 2016, arXiv:1606.01305, who take rates of 0.5 for the cell state and 0.05 for the output of an LSTM
    on characters. An output that is part of the state is zoned out with it, and one that is a readout of an affine
    state is read out of the state that was zoned out; any other is that of the cell.

    The masks of a step follow from the key of the sequence and the number of steps since its start, which the carry
    holds: chunks of a sequence, run with one key and the carry handed on, have the masks of the whole. A reset starts
    the count, and with it the masks, again.

    Args:
      cell: a cell that is not made of others; wrappers go around this one. Its parameters are those of the whole.
      rates: the share of units that stay, for each part of the state by its name, such as `{"h": 0.05, "c": 0.5}`,
        where parts that are not named never stay; or one number, for all parts that are as wide as the first: no clock.

    Raises:
      InputError: a cell made of cells, rates outside [0, 1), or a name of no part of the state.
    """

    _: dataclasses.KW_ONLY
    rates: float | Mapping[str, float] | tuple[tuple[str, float], ...]

    def __post_init__(self):
        super().__post_init__()
        check(isinstance(self.cell, UnitCell), "Zoneout.cell", self.cell, "a cell that is not made of others")
        rates = self.rates
        if isinstance(rates, Mapping):
            rates = tuple(rates.items())
            object.__setattr__(self, "rates", rates)
        if not isinstance(rates, tuple):
            return check_share("Zoneout.rates", rates)
        for entry in rates:
            pair = isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)
            check(pair, "Zoneout.rates", entry, "a name of a part of the state and a share")
            check_share(f"Zoneout.rates[{entry[0]!r}]", entry[1])

    @property
    def affine_in_state(self) -> bool:  # type: ignore[override]
        return False  # the masks depend on the number of the step

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> ZoneoutState:
        carry = self.cell.initial_carry(batch_shape)
        self._rates(carry)
        return ZoneoutState(carry, jnp.zeros((*batch_shape, 2), carry[0].dtype))

    def _rates(self, carry: Any) -> list[float]:
        """The rate of each part of the state."""
        if not isinstance(self.rates, tuple):
            rate = float(self.rates)  # type: ignore[arg-type]
            return [rate if part.shape[-1] == carry[0].shape[-1] else 0.0 for part in carry]
        rates = dict(self.rates)
        for name in rates:
            check(name in carry._fields, "Zoneout.rates", name, "one of " + ", ".join(carry._fields))
        return [rates.get(name, 0.0) for name in carry._fields]

    def prepare(self, params, *, key=None, batch_shape=()):
        if key is None:
            return {"cell": self.cell.prepare(params, batch_shape=batch_shape)}
        key, own = jax.random.split(key)
        weights = {"cell": self.cell.prepare(params, key=key, batch_shape=batch_shape)}
        return weights | {"keys": jax.random.split(own, batch_shape)}

    def project(self, weights, xs):
        return self.cell.project(weights["cell"], xs)

    def recur(self, weights, carry, drive):
        before, steps = carry
        after, y = self.cell.advance(weights["cell"], before, drive)
        stays = self._stays(weights.get("keys"), steps, before)
        after = type(before)(*(_mixed(*parts) for parts in zip(stays, before, after, strict=True)))
        if before._fields[0] in ("h", "y"):
            y = after[0]
        elif self.cell.affine_in_state:
            y = self.cell.readout(weights["cell"], after, drive)
        return ZoneoutState(after, _counted(steps)), y

    def _stays(self, keys, steps, carry) -> list[Any]:
        """For each part of the state, the share that stays, or which units do."""
        rates = self._rates(carry)
        if keys is None:
            return rates

        def draw(index, key, steps, part):
            # Rounded, as an engine may hold the count only to its own tolerance.
            low, high = jnp.round(jax.lax.stop_gradient(steps).astype(jnp.float32)).astype(jnp.int32)
            key = jax.random.fold_in(jax.random.fold_in(key, _BASE * high + low), index)
            return jax.random.bernoulli(key, rates[index], part.shape)

        stays = []
        for index, part in enumerate(carry):
            rows = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[keys.ndim :]), (steps, part))
            drawn = jax.vmap(functools.partial(draw, index))(keys.reshape(-1), *rows)
            stays.append(drawn.reshape(part.shape) if rates[index] else 0.0)
        return stays


def _mixed(stays, before, after):
    if isinstance(stays, float):
        return stays * before + (1 - stays) * after if stays else after
    return jnp.where(stays, before, after)


def _counted(steps: Array) -> Array:
    """The count of one step more: `[..., 2]`, the lower digit first."""
    low, high = steps[..., 0] + 1, steps[..., 1]
    full = low >= _BASE - 0.5
    return jnp.stack([jnp.where(full, low - _BASE, low), jnp.where(full, high + 1, high)], axis=-1)
