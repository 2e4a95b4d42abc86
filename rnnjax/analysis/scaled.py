"""Numbers far outside the range of floats, as a mantissa of floats and an integer exponent of two.

Scaling by a power of two does not round. A quantity that shrinks or grows by a factor a step can so be followed for
any number of steps, in float32 as well as in float64, at the rounding error of the steps alone.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

Array = jax.Array

NEVER = -(2**29)
"""The exponent of zero: below that of any other number, and the difference of any two exponents fits an int32."""


def exponent(values: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """The least integer e with `max |values| < 2^e` along `axis`, all axes unless given; `NEVER` where all are zero."""
    largest = jnp.max(magnitude(values), axis=axis)
    return jnp.where(largest == 0, NEVER, jnp.frexp(largest)[1])


def magnitude(values: Array) -> Array:
    """`|values|`, or for complex values the larger of `|Re|` and `|Im|`, in float32 at least."""
    if jnp.iscomplexobj(values):
        return jnp.maximum(jnp.abs(values.real), jnp.abs(values.imag))
    return jnp.abs(values.astype(jnp.promote_types(values.dtype, jnp.float32)))


def power_of_two(exponents: Array, dtype: jnp.dtype) -> Array:
    """`2^exponents`, without rounding; exponents outside the normal range of the dtype are brought to its ends."""
    limits = jnp.finfo(dtype)
    bits = {4: jnp.int32, 8: jnp.int64}[limits.dtype.itemsize]
    biased = jnp.clip(exponents, limits.minexp, limits.maxexp - 1) + (limits.maxexp - 1)
    return jax.lax.bitcast_convert_type(biased.astype(bits) << limits.nmant, limits.dtype)


def scale(values: Array, exponents: Array | int) -> Array:
    """`values * 2^exponents`, broadcast, in the dtype of the values, for any exponents.

    There is no rounding, unless the result leaves the range: what underflows is zero, what overflows is infinite.
    """
    real = jnp.finfo(jnp.promote_types(values.dtype, jnp.float32)).dtype  # the parts of a complex number
    exponents = jnp.asarray(exponents)
    half = exponents >> 1
    return ((values * power_of_two(half, real)) * power_of_two(exponents - half, real)).astype(values.dtype)


def norm(values: Array, exponents: Array, axis: int | tuple[int, ...]) -> tuple[Array, Array]:
    """The Euclidean norm along `axis` of `values * 2^exponents`, as a mantissa and an exponent.

    Args:
      values: any floats.
      exponents: of the shape that is left without `axis`.
      axis: the axes to reduce.
    """
    own = exponent(values, axis)
    wide = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    shrunk = scale(wide, -jnp.expand_dims(own, axis))
    mantissa = jnp.sqrt(jnp.sum(jnp.square(jnp.abs(shrunk)), axis=axis))
    return mantissa, jnp.where(own == NEVER, NEVER, own + exponents)


def log(mantissas: Array, exponents: Array) -> Array:
    """The natural logarithm of `mantissas * 2^exponents`; that of zero is -inf."""
    return jnp.where(mantissas == 0, -jnp.inf, jnp.log(mantissas) + exponents.astype(mantissas.dtype) * math.log(2))
