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
