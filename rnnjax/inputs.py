"""What a cell may be given besides plain features: the time that passed, and which features were observed."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.errors import InputError

Array = jax.Array
PyTree = Any


class Timed(NamedTuple):
    """Inputs at uneven times: features `x [..., features]`, and `elapsed [..., 1]`, the time since the step before.

    Cells with a clock take it, or a plain array, whose steps are one unit of time apart. `in_features` is
    `Timed(features, 1)` then.
    """

    x: Any
    elapsed: Any


def timed(xs: PyTree) -> Timed:
    """The inputs with their times: a plain array gets one unit of time a step."""
    return xs if isinstance(xs, Timed) else Timed(xs, jnp.ones((*xs.shape[:-1], 1), xs.dtype))


def checked_width(in_features: PyTree) -> int:
    """The width of plain or timed inputs, as `Cell.init` is given it.

    Raises:
      InputError: something else than a positive int, or `Timed(int, 1)`.
    """
    width = in_features
    if isinstance(in_features, Timed):
        if in_features.elapsed != 1:
            raise InputError("in_features.elapsed", in_features.elapsed, "1, the time since the step before")
        width = in_features.x
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise InputError("in_features", in_features, "a positive int")
    return width


class Observed(NamedTuple):
    """Inputs some of whose features are missing, at uneven times.

    `x [..., features]`, whatever it holds where features are missing; `mask [..., features]`, 1 where a feature was
    observed and 0 where not; `elapsed [..., 1]`, the time since the step before. Cells for missing values take it, or
    plain or timed inputs in which NaN stands for what is missing. `in_features` is `Observed(features, features, 1)`
    then.
    """

    x: Any
    mask: Any
    elapsed: Any


def observed(xs: PyTree) -> Observed:
    """The inputs with their masks and times, zero where missing: in plain and timed ones NaN is what is missing."""
    if not isinstance(xs, Observed):
        x, elapsed = timed(xs)
        xs = Observed(x, (~jnp.isnan(x)).astype(x.dtype), elapsed)
    return xs._replace(x=jnp.where(xs.mask > 0, xs.x, jnp.zeros((), xs.x.dtype)))
