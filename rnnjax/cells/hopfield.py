"""Hopfield networks, of signs and with continuous states."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cell import UnitCell
from rnnjax.errors import InputError, check, check_choice
from rnnjax.kernel import dot, dot_inputs

Array = jax.Array


class HopfieldState(NamedTuple):
    """`h`: the state, which is the output, `[*batch, features]`."""

    h: Array


@dataclasses.dataclass(frozen=True, repr=False)
class Hopfield(UnitCell):
    """Associative memory of signs: patterns are stored in symmetric weights, and a part of one recalls the whole.

        W  = sum over the patterns p of p p^T, with a diagonal of zeros
        a  = W h / features + x K + b
        h' = 1 where a > 0,  -1 where a < 0,  h where a = 0

    Hopfield 1982, doi:10.1073/pnas.79.8.2554, with states of -1 and 1, the paper's second form, which it finds to
    hold twice as much as states of 0 and 1. Random patterns can be recalled up to about 0.14 a unit (0.138 for many
    units: Amit, Gutfreund & Sompolinsky 1985); beyond that all are lost. "asynchronous" updates one unit after the
    other, each seeing the new states of those before: the energy -h W h / (2 features) - h (x K + b) never grows, and a
    constant input leads to a fixed point. The paper's order is random, here it is that of the units. "synchronous"
    updates all at once: one matrix product, but it may end in a cycle of two states.

    The input is an external field. The state starts at zero, no pattern, and takes its signs from the first field; to
    recall from a given state hand it over as the carry. The patterns enter W as they are, so store those of -1 and 1.
    The output changes in jumps: gradients are zero.

    Parameters: `patterns [memories, features]`, which start as random signs; `kernel [in_features, features]`, the K,
    from N(0, input_scale^2 / in_features); `bias [features]`, the b, at zero. The paper has neither K nor b.

    Args:
      features: number of units.
      memories: number of patterns; `None` means a tenth of the features, at least one.
      update: "asynchronous" or "synchronous".
      input_scale: scale of the initial kernel.
      precision: the dtype policy.

    Raises:
      InputError: memories that are no positive int, an unknown update, a scale that is no positive number.
    """

    recurrent_kernels: ClassVar[tuple[str, ...]] = ()
    equation: ClassVar = "W = sum of p p^T, zero diagonal;  h' = sign(Wh/n + Kx + b)"
    source: ClassVar = "Hopfield 1982, doi:10.1073/pnas.79.8.2554"

    _: dataclasses.KW_ONLY
    memories: int | None = None
    update: str = "asynchronous"
    input_scale: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        _check_memory(self)
        check_choice("Hopfield.update", self.update, ("asynchronous", "synchronous"))

    @property
    def dynamics(self) -> Hopfield:
        return dataclasses.replace(self, input_scale=1.0)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        pattern_key, kernel_key = jax.random.split(key)
        dtype = self.precision.dtype("params")
        count = self.memories or max(1, self.features // 10)
        return {
            "patterns": jax.random.rademacher(pattern_key, (count, self.features), dtype),
            **_field(self, kernel_key, in_features),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> HopfieldState:
        return HopfieldState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        patterns = weights.pop("patterns")
        # Not divided by the features: sums of signs are then exact, and so are fields of zero.
        weights["recurrent_kernel"] = (patterns.T @ patterns) * (1 - jnp.eye(self.features, dtype=patterns.dtype))
        return weights

    def recur(self, weights, carry, drive):
        if self.update == "synchronous":
            h = _sign(dot(carry.h, weights["recurrent_kernel"]) / self.features + drive, carry.h)
        else:
            h = self._one_by_one(weights["recurrent_kernel"], carry.h, drive)
        return HopfieldState(h), h

    def _one_by_one(self, kernel, h, drive):
        def update(h, unit):
            index, row, field = unit
            own = jnp.sum(h * row, axis=-1) / self.features + field
            return h.at[..., index].set(_sign(own, h[..., index])), None

        h = h.astype(jnp.result_type(h, drive))
        units = jnp.arange(self.features), kernel, jnp.moveaxis(drive, -1, 0)
        return jax.lax.scan(update, h, units)[0]


@dataclasses.dataclass(frozen=True, repr=False)
class ModernHopfield(UnitCell):
    """Associative memory with continuous states, whose update is an attention over the patterns.

        q  = h + x K + b
        h' = X^T softmax(beta X q)

    Ramsauer et al. 2020, arXiv:2008.02217: X has a pattern in each row, and the paper's update is that of K = 0 and
    b = 0. The number of patterns that can be told apart grows exponentially with the features, and one or two steps
    recall one of them. A large beta recalls single patterns, a small one mixtures of those that are alike. The state
    starts at zero, from where an input of zero leads to the patterns' mean.

    Parameters: `patterns [memories, features]`, the X, from N(0, 1), and so about on the sphere of the paper's
    capacity; `kernel [in_features, features]`, the K, from N(0, input_scale^2 / in_features); `bias [features]`, the b,
    at zero. Input and state enter as a query; the paper has no input.

    Args:
      features: width of the patterns and of the state.
      memories: number of patterns; `None` means twice as many as features.
      beta: sharpness of the recall; `None` means 1 / sqrt(features), that of attention.
      input_scale: scale of the initial kernel.
      precision: the dtype policy.

    Raises:
      InputError: memories that are no positive int, a beta or a scale that is no positive number.
    """

    equation: ClassVar = "h' = X^T softmax(beta*X(h+Kx+b))"
    source: ClassVar = "Ramsauer et al. 2020, arXiv:2008.02217"

    _: dataclasses.KW_ONLY
    memories: int | None = None
    beta: float | None = None
    input_scale: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        _check_memory(self)
        valid = self.beta is None or _is_positive(self.beta)
        check(valid, "ModernHopfield.beta", self.beta, "a number > 0, or None")

    @property
    def dynamics(self) -> ModernHopfield:
        return dataclasses.replace(self, input_scale=1.0)

    def init(self, key: Array, in_features: int) -> dict[str, Array]:
        pattern_key, kernel_key = jax.random.split(key)
        shape = (self.memories or 2 * self.features, self.features)
        return {
            "patterns": jax.random.normal(pattern_key, shape, self.precision.dtype("params")),
            **_field(self, kernel_key, in_features),
        }

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> HopfieldState:
        return HopfieldState(self.zeros(batch_shape))

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = super().prepare(params, key=key, batch_shape=batch_shape)
        beta = self.features**-0.5 if self.beta is None else self.beta
        return weights | {"recurrent_kernel": beta * weights["patterns"].T}

    def project(self, weights, xs):
        return dot_inputs(super().project(weights, xs), weights["recurrent_kernel"])

    def recur(self, weights, carry, drive):
        shares = jax.nn.softmax(drive + dot(carry.h, weights["recurrent_kernel"]))
        h = dot(shares, weights["patterns"])
        return HopfieldState(h), h


def _sign(field: Array, otherwise: Array) -> Array:
    return jnp.where(field > 0, 1, jnp.where(field < 0, -1, otherwise))


def _is_positive(given) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and given > 0


def _check_memory(cell: Hopfield | ModernHopfield) -> None:
    name, given = type(cell).__name__, cell.memories
    valid = given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 1)
    check(valid, f"{name}.memories", given, "a positive int, or None")
    check(_is_positive(cell.input_scale), f"{name}.input_scale", cell.input_scale, "a number > 0")


def _field(cell: Hopfield | ModernHopfield, key: Array, in_features: int) -> dict[str, Array]:
    """The initial kernel and bias of the external field."""
    if not isinstance(in_features, int) or isinstance(in_features, bool) or in_features < 1:
        raise InputError("in_features", in_features, "a positive int")
    dtype = cell.precision.dtype("params")
    kernel = jax.random.normal(key, (in_features, cell.features), dtype)
    return {"kernel": cell.input_scale * in_features**-0.5 * kernel, "bias": jnp.zeros(cell.features, dtype)}
