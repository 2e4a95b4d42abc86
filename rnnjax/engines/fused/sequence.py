"""The two kernels as one differentiable function: the states of a cell after each step of a sequence."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from rnnjax.engines.fused.backward import backward
from rnnjax.engines.fused.forward import forward
from rnnjax.engines.fused.plan import Plan
from rnnjax.engines.fused.recurrence import Recurrence
from rnnjax.engines.fused.steps import STEP

Array = jax.Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def states(
    recurrence: Recurrence,
    plan: Plan,
    drive: Array,
    kernel: Array,
    bias: tuple[Array, ...],
    carry: tuple[Array, ...],
    mode: Array | None,
) -> tuple[Array, ...]:
    """Each state after each step, `[time, batch, heads, width]`; arguments as in `forward`.

    Weight gradients are one contraction over time and batch after the backward kernel, which writes the cotangents of
    the arguments of each step. It can be differentiated once, in reverse.
    """
    return forward(recurrence, plan, drive, kernel, bias, carry, mode, keep_arguments=False)[0]


def _forward(recurrence, plan, drive, kernel, bias, carry, mode):
    after, arguments = forward(recurrence, plan, drive, kernel, bias, carry, mode, keep_arguments=True)
    return after, (after, arguments, kernel, bias, carry, mode)


def _backward(recurrence, plan, residuals, cotangents):
    after, arguments, kernel, bias, carry, mode = residuals
    before = {i: _before(after[i], carry[i], mode, plan.reverse) for i in {0, *recurrence.direct}}
    direct = tuple(before[i] for i in recurrence.direct)
    of_arguments, of_carry = backward(recurrence, plan, arguments, kernel, direct, mode, cotangents)
    of_drive, of_product = _chosen(of_arguments, recurrence.drive), _chosen(of_arguments, recurrence.product)
    of_kernel = jnp.einsum("tbhn,tbghm->hngm", before[0].astype(kernel.dtype), of_product)
    of_bias = tuple(of_product[:, :, recurrence.biased, :, :].sum((0, 1)).astype(b.dtype) for b in bias)
    return of_drive, of_kernel, of_bias, of_carry, None


states.defvjp(_forward, _backward)


def _before(after: Array, carry: Array, mode: Array | None, reverse: bool) -> Array:
    """The state that each step goes on from, zero where that is the initial one or there is no step."""
    before = jnp.concatenate([after[1:], carry[None]] if reverse else [carry[None], after[:-1]])
    return before if mode is None else jnp.where(mode[:, :, None, None] == STEP, before, 0)


def _chosen(arguments: Array, which: tuple[int, ...]) -> Array:
    """The arguments of the given numbers along the third axis."""
    return arguments if which == tuple(range(arguments.shape[2])) else arguments[:, :, which, :, :]
