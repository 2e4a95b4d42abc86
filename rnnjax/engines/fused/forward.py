"""The forward kernel: all time steps of a block of rows and a head, the recurrent weights and the states on chip."""

from __future__ import annotations

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.engines.fused.launch import Shapes, launch
from rnnjax.engines.fused.plan import Plan
from rnnjax.engines.fused.recurrence import Recurrence
from rnnjax.engines.fused.steps import FRESH, PADDING, product, step_index

Array = jax.Array


def forward(
    recurrence: Recurrence,
    plan: Plan,
    drive: Array,
    kernel: Array,
    bias: tuple[Array, ...],
    carry: tuple[Array, ...],
    mode: Array | None,
    keep_arguments: bool,
) -> tuple[tuple[Array, ...], Array | None]:
    """The states after each step, and the arguments of each step if the backward pass is to follow.

    Args:
      recurrence: the cell.
      plan: how to launch the kernel.
      drive: `[time, batch, gates, heads, width]`.
      kernel: `[heads, width, gates, width]`.
      bias: `[biased gates, heads, width]`, or nothing.
      carry: each state before the first step, `[batch, heads, width]`.
      mode: `[time, batch]` of `PADDING`, `STEP` and `FRESH`, or `None` where every step is a `STEP`.
      keep_arguments: whether to return the arguments.

    Returns:
      Each state `[time, batch, heads, width]` of the carry's dtype, and the arguments `[time, batch, arguments, heads,
      width]` of the compute dtype, or `None`.
    """
    shapes = Shapes.of(drive, plan)
    inputs = [shapes.steps(drive), shapes.kernel(kernel), *map(shapes.bias, bias), *map(shapes.carry, carry)]
    inputs += [] if mode is None else [shapes.mode(mode)]
    outputs = [shapes.new_states(plan.carry)] * recurrence.states
    outputs += [shapes.new_steps(recurrence.arguments, plan.compute)] if keep_arguments else []
    body = functools.partial(_kernel, recurrence, plan, shapes.time, mode is not None)
    results = launch(body, "rnn_forward", plan, shapes, inputs, outputs)
    return tuple(results[: recurrence.states]), results[recurrence.states] if keep_arguments else None


def _kernel(recurrence, plan, time, masked, drive_ref, kernel_ref, *refs):
    refs = iter(refs)
    bias_ref = next(refs) if recurrence.biased else None
    carry_refs = [next(refs) for _ in range(recurrence.states)]
    mode_ref = next(refs) if masked else None
    state_refs = [next(refs) for _ in range(recurrence.states)]
    arguments_ref = next(refs, None)

    blocks = [kernel_ref[:, gate, :] for gate in range(recurrence.gates)]
    biases = {}
    if bias_ref is not None:
        biases = {gate: bias_ref[i, :].astype(jnp.float32) for i, gate in enumerate(recurrence.biased)}

    def advance(t, before):
        operand = before[0].astype(plan.compute)
        terms = [[] for _ in range(recurrence.arguments)]
        for gate, block in enumerate(blocks):
            terms[recurrence.drive[gate]].append(drive_ref[t, :, gate, :].astype(jnp.float32))
            terms[recurrence.product[gate]].append(product(operand, block))
            if gate in biases:
                terms[recurrence.product[gate]].append(biases[gate][None, :])
        arguments = tuple(functools.reduce(operator.add, parts) for parts in terms)
        after = recurrence.after(arguments, tuple(before[i] for i in recurrence.direct))
        return arguments, [state.astype(plan.carry).astype(jnp.float32) for state in after]

    def step(index, states):
        t = step_index(index, time, plan.reverse)
        if mode_ref is not None:
            mode = mode_ref[t, :][:, None]
            arguments, after = advance(t, [jnp.where(mode == FRESH, 0.0, state) for state in states])
            after = [jnp.where(mode == PADDING, old, new) for old, new in zip(states, after, strict=True)]
        else:
            arguments, after = advance(t, states)
        for ref, state in zip(state_refs, after, strict=True):
            ref[t, :, :] = state.astype(ref.dtype)
        if arguments_ref is not None:
            for i, argument in enumerate(arguments):
                arguments_ref[t, :, i, :] = argument.astype(arguments_ref.dtype)
        return after

    jax.lax.fori_loop(np.int32(0), np.int32(time), step, [ref[...].astype(jnp.float32) for ref in carry_refs])
