"""How far back a state remembers its inputs, and how far back a gradient reaches."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.gradient_flow import GradientFlow
from rnnjax.analysis.states import states_of
from rnnjax.analysis.trajectory import extent, record
from rnnjax.cell import Cell
from rnnjax.errors import InputError, check

Array = jax.Array
PyTree = Any


class MemoryCapacity(NamedTuple):
    """How well inputs are read from the state some steps later.

    Attributes:
      lags: `[lags]`, 0 to `max_lag`.
      r_squared: `[lags, in_features]`, on the part held out; negative where the mean would have been a better guess.
      capacity: the sum over lags and features of what is positive in `r_squared`.
    """

    lags: np.ndarray
    r_squared: Array
    capacity: Array


class HalfLife(NamedTuple):
    """Within how many steps back the norm of a gradient halves.

    Attributes:
      crossing: `[*batch]`, the lag at which the norm first is half of that at lag 0, interpolated between steps on the
        logarithm; infinite if it never is.
      slope: `[*batch]`, log 2 over the mean rate of decay: that of the straight line through the logarithms of all
        norms that are not zero, by least squares. Infinite without decay, and where there are fewer than two norms.
    """

    crossing: Array
    slope: Array


def memory_capacity(
    cell: Cell,
    params: PyTree,
    xs: Array,
    max_lag: int,
    carry: PyTree | None = None,
    *,
    burn_in: int = 0,
    held_out: float = 0.5,
    ridge: float = 1e-8,
    key: Array | None = None,
) -> MemoryCapacity:
    """The linear memory of a state: how much of each past input a linear readout finds in it.

        R^2_k = 1 - sum |x_t-k - (a_k + B_k h_t)|^2 / sum |x_t-k - mean|^2,        MC = sum over k of max(R^2_k, 0)

    a_k and B_k come from ridge regression on the first part of each row, R^2 from the rest. Jaeger 2001, "Short term
    memory in echo state networks", GMD report 152; for inputs that are independent from step to step and each other MC
    is at most n, the size of the state. Lag 0, the input that the state has just seen, counts. h_t is the whole carry,
    and rows of the batch share one readout. Few samples a unit make R^2 too low, not too high.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, best independent draws.
      max_lag: the longest lag.
      carry: the state before the first step; `None` is the initial carry.
      burn_in: steps at the beginning that do not count; never fewer than `max_lag`.
      held_out: the share of the remaining steps that is held out, at the end of each row.
      ridge: the penalty on |B|^2, relative to the variance of the states: the mean over its n directions.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      R^2 for each lag and each input, and their sum.

    Raises:
      InputError: inputs that are no array, a `max_lag`, `burn_in` or `held_out` that leave fewer than two steps to fit
        or to hold out, a negative ridge, or an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    check(cell.spatial_axes == 0, "cell", cell, "a cell without spatial axes")
    if not hasattr(xs, "ndim"):
        raise InputError("xs", type(xs).__name__, "an array [*batch, time, in_features]")
    run = record(cell, params, xs, carry, None, None, key)
    _, time = extent(cell, run.ys)
    for name, given in (("max_lag", max_lag), ("burn_in", burn_in)):
        valid = isinstance(given, int) and not isinstance(given, bool) and 0 <= given < time
        check(valid, name, given, f"an int in 0..{time - 1}, fewer than the steps of xs")
    check(0 < held_out < 1, "held_out", held_out, "a share in (0, 1)")
    check(ridge >= 0, "ridge", ridge, "a number that is not negative")
    first = max(burn_in, max_lag)
    split = first + round((time - first) * (1 - held_out))
    check(split - first >= 2 and time - split >= 2, "xs", f"{time} steps", f"more, {first} of them do not count")
    r_squared = _decoded(states_of(cell, run), jnp.asarray(xs), max_lag, first, split, ridge)
    return MemoryCapacity(np.arange(max_lag + 1), r_squared, jnp.sum(jnp.maximum(r_squared, 0)))


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _decoded(states: Array, xs: Array, max_lag: int, first: int, split: int, ridge: Any) -> Array:
    """`[lags, in_features]`: fitted on steps `first` to `split` of each row, measured on those from `split`."""
    time, features = xs.shape[-2:]
    xs = xs.astype(states.dtype)
    lagged = jnp.stack([xs[..., first - lag : time - lag, :] for lag in range(max_lag + 1)], axis=-2)
    lagged = lagged.reshape(*lagged.shape[:-2], -1)
    parts = []
    for begin, end in ((first, split), (split, time)):
        rows = states[..., begin:end, :].reshape(-1, states.shape[-1])
        targets = lagged[..., begin - first : end - first, :].reshape(-1, lagged.shape[-1])
        parts.append((rows, targets))
    (fit, fit_targets), (test, test_targets) = parts
    with jax.default_matmul_precision("highest"):
        mean, target_mean = jnp.mean(fit, axis=0), jnp.mean(fit_targets, axis=0)
        left, values, right = jnp.linalg.svd(fit - mean, full_matrices=False)
        penalty = ridge * jnp.sum(jnp.square(values)) / values.shape[0]
        square = jnp.square(values) + penalty
        shrunk = jnp.where(square > 0, values / jnp.where(square > 0, square, 1), 0)
        readout = right.T @ (shrunk[:, None] * (left.T @ (fit_targets - target_mean)))
        errors = test_targets - target_mean - (test - mean) @ readout
        spread = test_targets - jnp.mean(test_targets, axis=0)
    total = jnp.sum(jnp.square(spread), axis=0)
    r_squared = 1 - jnp.sum(jnp.square(errors), axis=0) / jnp.where(total > 0, total, 1)
    return jnp.where(total > 0, r_squared, 0).reshape(max_lag + 1, features)  # nothing to remember in a constant


def gradient_half_life(flow: GradientFlow | Any) -> HalfLife:
    """In how many steps back the norm of dL/dh_t halves: the reach of a gradient as one number a row.

    Lags are counted from the last step that has a gradient, as in the figure of a gradient flow. Where the decay is
    exponential the two measures are the same; a norm that falls fast at first and slowly then has a short crossing and
    a long slope.

    Args:
      flow: from `gradient_flow` with a loss at the end of each row, or natural logarithms of norms `[*batch, time]`.

    Returns:
      Steps, `[*batch]`; NaN for a row without gradients.

    Raises:
      InputError: no axis of time.
    """
    logs = jnp.asarray(getattr(flow, "log_norms", flow))
    check(logs.ndim >= 1 and logs.shape[-1] > 0, "flow", f"shape {logs.shape}", "[*batch, time]")
    return _half_life(logs)


@jax.jit
def _half_life(logs: Array) -> HalfLife:
    time = logs.shape[-1]
    there = logs != -jnp.inf
    after = jnp.argmax(there[..., ::-1], axis=-1)[..., None]  # steps behind the last gradient
    lag = time - 1 - after - jnp.arange(time)  # at each step, negative behind the last gradient
    begin = jnp.take_along_axis(logs, time - 1 - after, axis=-1)
    fallen = logs - begin + math.log(2)  # zero or less where the norm has halved
    at = jnp.max(jnp.where((lag > 0) & (fallen <= 0), jnp.arange(time), -1), axis=-1, keepdims=True)
    value = jnp.take_along_axis(fallen, jnp.maximum(at, 0), axis=-1)
    nearer = jnp.take_along_axis(fallen, jnp.clip(at + 1, 0, time - 1), axis=-1)
    way = jnp.where(jnp.isfinite(value) & (nearer > value), nearer / (nearer - value), 1)  # -inf: all at once
    crossing = jnp.where(at < 0, jnp.inf, time - 2 - after - at + way)

    used = there & (lag >= 0)
    count = jnp.sum(used, axis=-1, keepdims=True)
    middle = lambda values: jnp.sum(jnp.where(used, values, 0), axis=-1, keepdims=True) / jnp.maximum(count, 1)  # noqa: E731
    lags, heights = lag - middle(lag), logs - middle(logs)
    rate = -middle(lags * heights) / jnp.where(count > 1, middle(lags * lags), 1)
    slope = jnp.where((rate > 0) & (count > 1), math.log(2) / jnp.where(rate > 0, rate, 1), jnp.inf)
    known = (count > 0) & ~jnp.any(jnp.isnan(logs), axis=-1, keepdims=True)
    crossing, slope = (jnp.where(known, values, jnp.nan)[..., 0] for values in (crossing, slope))
    return HalfLife(crossing, slope)
