"""Linear recurrences over time with a matrix or a diagonal at each step, by a parallel scan."""

from __future__ import annotations

import jax

Array = jax.Array


def linear_recurrence(factors: Array, terms: Array, *, reverse: bool = False) -> Array:
    """The states of `s_t = F_t s_{t-1} + b_t` from `s = 0` before the first step.

    Two steps in a row are one step of the same kind, `(G F, G b + c)`, so that all states come out of
    `jax.lax.associative_scan` in a depth that grows with the logarithm of the time (Blelloch 1990, CMU-CS-90-190).

    Args:
      factors: F, `[time, *batch, n, n]`, or its diagonal `[time, *batch, n]`.
      terms: b, `[time, *batch, n, columns]`: each column is a recurrence of its own with the same factors.
      reverse: from the last step to the first: `s_t = F_t s_{t+1} + b_t`.

    Returns:
      The states, of the shape of `terms`.
    """
    _, states = jax.lax.associative_scan(_in_a_row, (factors, terms), reverse=reverse)
    return states


def _in_a_row(first, second):
    (factors, terms), (later_factors, later_terms) = first, second
    if factors.ndim < terms.ndim:
        return later_factors * factors, later_factors[..., None] * terms + later_terms
    return later_factors @ factors, later_factors @ terms + later_terms
