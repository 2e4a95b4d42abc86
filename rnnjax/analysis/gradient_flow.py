"""How much of a loss's gradient reaches each state of a sequence."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.analysis import scaled
from rnnjax.analysis.backward import Loss as Loss
from rnnjax.analysis.backward import backward, from_loss
from rnnjax.analysis.backward import last_output as last_output
from rnnjax.analysis.readout import step_with_readout
from rnnjax.analysis.trajectory import Trajectory, extent, is_moving, moved, moving, record, start
from rnnjax.cell import Cell
from rnnjax.rows import select

Array = jax.Array
PyTree = Any


class GradientFlow(NamedTuple):
    """Norms of dL/dh_t, one for each step t and each row of the batch.

    Attributes:
      log_norms: `[*batch, time]`, natural logarithm of the Euclidean norm over all leaves of the carry; -inf where the
        gradient is zero. Not limited by the range of floats.
      norms: `[*batch, time]`, the norms themselves; 0 or inf where they leave the range of floats.
      log_leaf_norms: the same as `log_norms` for each leaf of the carry on its own, in the carry's type: an LSTM's
        `LSTMState(h, c)` of `[*batch, time]`. A leaf below the smallest positive float times the norm of the row may
        read as -inf.
    """

    log_norms: Array
    norms: Array
    log_leaf_norms: PyTree


def gradient_flow(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    loss: Loss | None = None,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> GradientFlow:
    """The total derivative of a loss with respect to the state after each step of a sequence.

        delta_t = dL/dh_t = (dy_t/dh_t)^T dL/dy_t + (dy_t+1/dh_t)^T dL/dy_t+1 + J_t+1^T delta_t+1,
        delta_T = (dy_T/dh_T)^T dL/dy_T + dL/dh_T,                              J_t = dh_t/dh_t-1

    h_t is the whole carry, an LSTM's (h, c) together, with its leaves as independent variables; each output is read
    from the state of its step, and from the one before only where it does not pass through the new one. In most cells
    y_t is h_t, and delta_t is the gradient that backpropagation through time computes at step t. Its decay and growth
    with the distance to the loss are what Hochreiter 1991 (diploma thesis, TU Munich), Bengio, Simard & Frasconi 1994
    (doi:10.1109/72.279181) and Pascanu, Mikolov & Bengio 2013 (arXiv:1211.5063) call vanishing and exploding gradients.

    The recursion carries delta_t as floats times a power of two, one exponent a row. No square and no product of many
    steps is formed as a float, so that 1e-1000 and 1e+1000 are found in float32 as in float64, to the rounding error
    of the steps. What does not fit into floats is outside the range: a state, an output or a loss that overflows.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      loss: `(ys, carry) -> scalar` of the outputs `[*batch, time, output_features]` and the final carry. `None` is half
        the squared norm of each row's last valid output, summed over the batch: delta_T is then y_T itself, and
        differs from zero wherever the output does. The rows of a batch are told apart by their own terms of the loss;
        a mean over the batch divides every norm by its size.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; outputs past a row's length are zero, and so is the gradient there.
      resets: `[*batch, time]` bools; no gradient passes a reset: what comes from steps t and later does not reach
        the states before t where `resets[t]`.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      Norms over time, `[*batch, time]`; entry t belongs to the state after step t.

    Raises:
      InputError: a loss that is no scalar, or an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    run = record(cell, params, xs, carry, lengths, resets, key)
    return _backward(cell.dynamics, run, *from_loss(cell, run, loss, lengths))


@functools.partial(jax.jit, static_argnums=0)
def _backward(cell: Cell, run: Trajectory, to_outputs: Array, to_final: list[Array]) -> GradientFlow:
    batch_axes = len(extent(cell, run.ys)[0])

    def local(moment):
        def forward(before, probe):
            carry = moved(moment.carry, before)
            after, read = step_with_readout(cell, run.weights, start(run.initial, moment, carry), moment.drive)
            after = moved(after, [leaf + zero for leaf, zero in zip(moving(after), probe, strict=True)])
            y = read(after)
            if moment.valid is not None:
                after, y = select(moment.valid, after, carry), select(moment.valid, y, jnp.zeros_like(y))
            return moving(after), y

        return forward, [jnp.zeros_like(leaf) for leaf in moving(moment.carry)]

    def measure(cotangents, here):
        return [scaled.norm(leaf, cotangents.exponents, tuple(range(batch_axes, leaf.ndim))) for leaf in here]

    return _flow(backward(cell, run, to_outputs, to_final, local, measure), run.final)


def _flow(norms: list[tuple[Array, Array]], carry: PyTree) -> GradientFlow:
    """The result, from the norm of each leaf as mantissas and exponents `[time, *batch]`."""
    dtype = functools.reduce(jnp.promote_types, (mantissas.dtype for mantissas, _ in norms))
    mantissas = jnp.stack([jnp.moveaxis(mantissas, 0, -1).astype(dtype) for mantissas, _ in norms])
    exponents = jnp.stack([jnp.moveaxis(exponents, 0, -1) for _, exponents in norms])
    common = jnp.max(exponents, axis=0)
    total = scaled.norm(scaled.scale(mantissas, exponents - common), common, axis=0)
    logs = iter(scaled.log(mantissas, exponents))
    nothing = jnp.full(common.shape, -jnp.inf, dtype)  # of a leaf without derivative
    log_leaf_norms = jax.tree.map(lambda leaf: next(logs) if is_moving(leaf) else nothing, carry)
    return GradientFlow(scaled.log(*total), scaled.scale(*total), log_leaf_norms)
