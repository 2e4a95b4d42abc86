"""The backward kernel: the loop over time the other way, which carries the cotangents of the states alone."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.engines.fused.launch import Shapes, launch
from rnnjax.engines.fused.plan import Plan
from rnnjax.engines.fused.recurrence import Recurrence
from rnnjax.engines.fused.steps import FRESH, PADDING, product, step_index

Array = jax.Array


def backward(
    recurrence: Recurrence,
    plan: Plan,
    arguments: Array,
    kernel: Array,
    direct: tuple[Array, ...],
    mode: Array | None,
    cotangents: tuple[Array, ...],
) -> tuple[Array, tuple[Array, ...]]:
    """The cotangents of the arguments of each step, and of the states before the first step.

    Args:
      recurrence: the cell.
      plan: how to launch the kernel; `reverse` is that of the forward pass.
      arguments: of each step, from `forward`.
      kernel: `[heads, width, gates, width]`.
      direct: the states before each step that the cell reads directly, `[time, batch, heads, width]`.
      mode: as given to `forward`.
      cotangents: of each state after each step, `[time, batch, heads, width]`.

    Returns:
      Cotangents of the arguments, of their shape and dtype and zero in padding, and of each state before the first
      step, `[batch, heads, width]`, of the carry's dtype.
    """
    shapes = Shapes.of(arguments, plan)
    inputs = [shapes.steps(arguments), shapes.kernel(kernel), *map(shapes.states, direct)]
    inputs += [*map(shapes.states, cotangents), *([] if mode is None else [shapes.mode(mode)])]
    outputs = [shapes.new_steps(recurrence.arguments, plan.compute)]
    outputs += [shapes.new_carry(plan.carry)] * recurrence.states
    body = functools.partial(_kernel, recurrence, plan, shapes.time, mode is not None)
    of_arguments, *of_carry = launch(body, "rnn_backward", plan, shapes, inputs, outputs)
    return of_arguments, tuple(of_carry)


def _kernel(recurrence, plan, time, masked, arguments_ref, kernel_ref, *refs):
    refs = iter(refs)
    direct_refs = [next(refs) for _ in recurrence.direct]
    cotangent_refs = [next(refs) for _ in range(recurrence.states)]
    mode_ref = next(refs) if masked else None
    of_arguments_ref, *of_carry_refs = refs

    blocks = [kernel_ref[:, gate, :] for gate in range(recurrence.gates)]

    def retreat(t, after):
        """Cotangents of the arguments of a step, and of the states before it, from those of the states after it."""
        arguments = tuple(arguments_ref[t, :, i, :].astype(jnp.float32) for i in range(recurrence.arguments))
        direct = tuple(ref[t, :, :].astype(jnp.float32) for ref in direct_refs)
        _, vjp = jax.vjp(recurrence.after, arguments, direct)
        of_arguments, of_direct = vjp(tuple(after))
        before = [jnp.zeros_like(after[0]) for _ in after]
        for i, cotangent in zip(recurrence.direct, of_direct, strict=True):
            before[i] = cotangent
        for gate, block in enumerate(blocks):
            rows = of_arguments[recurrence.product[gate]].astype(plan.compute)
            before[0] = before[0] + product(rows, block, transposed=True)
        return of_arguments, before

    def step(index, states):
        t = step_index(index, time, not plan.reverse)
        after = [state + ref[t, :, :].astype(jnp.float32) for state, ref in zip(states, cotangent_refs, strict=True)]
        of_arguments, before = retreat(t, after)
        if mode_ref is not None:
            mode = mode_ref[t, :][:, None]
            of_arguments = [jnp.where(mode == PADDING, 0.0, cotangent) for cotangent in of_arguments]
            before = [jnp.where(mode == FRESH, 0.0, cotangent) for cotangent in before]
            before = [jnp.where(mode == PADDING, kept, new) for kept, new in zip(after, before, strict=True)]
        for i, cotangent in enumerate(of_arguments):
            of_arguments_ref[t, :, i, :] = cotangent.astype(of_arguments_ref.dtype)
        return before

    tile = jnp.zeros((plan.rows, kernel_ref.shape[0]), jnp.float32)
    before = jax.lax.fori_loop(np.int32(0), np.int32(time), step, [tile] * recurrence.states)
    for ref, cotangent in zip(of_carry_refs, before, strict=True):
        ref[...] = cotangent.astype(ref.dtype)
