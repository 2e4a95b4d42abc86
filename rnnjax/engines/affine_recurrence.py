"""The states of a chain of affine maps, in a loop or by a parallel scan, each with a derivative of its own.

Both take maps `[time, *batch, n]` (`rnnjax.affine`), the state before the first step, and `resets [time, *batch]` or
`None`: where one is true, `fresh` takes the place of the state before the step. `fresh` is taken for a constant.

With g_t the cotangent of h_t, what flows through h_t altogether is

    d_t = A_{t+1}^T d_{t+1} + g_t

which is a recurrence of the same kind, backwards, and d_t is then the cotangent of what step t made. The maps and the
states are kept for it, and nothing of what is computed in between.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
PyTree = Any
_map = jax.tree.map


def where(condition: Array, chosen: PyTree, other: PyTree) -> PyTree:
    """A selection for each state, `[..., n]`, by conditions `[...]`."""
    return _map(lambda a, b: jnp.where(condition[..., None], a, b), chosen, other)


# --- in a loop ---------------------------------------------------------------------------------------------------


def in_a_loop(reverse: bool, maps: Any, valid: Array | None, resets: Array | None, fresh: PyTree, carry: PyTree):
    """The states after each step, one step after the other.

    Args:
      reverse: from the last step to the first.
      maps: a field that is the same at all steps may lack the axis of time, `[*batch, n]`.
      valid: `[time, *batch]`, false where a step leaves the state as it is, or `None`.
      resets: as in the module.
      fresh: as in the module.
      carry: the state before the first step.
    """

    def step(state, this):
        varying, valid, resets = this
        after = _at(maps, varying)(_reset(resets, fresh, state))
        after = after if valid is None else where(valid, after, state)
        return after, after

    return jax.lax.scan(step, carry, (_varying(maps, carry), valid, resets), reverse=reverse)[1]


looped = jax.custom_vjp(in_a_loop, nondiff_argnums=(0,))
"""`in_a_loop` with its own derivative."""


def _looped_forward(reverse, maps, valid, resets, fresh, carry):
    states = looped(reverse, maps, valid, resets, fresh, carry)
    return states, (maps, valid, resets, fresh, carry, states)


def _looped_backward(reverse, residuals, cotangents):
    maps, valid, resets, fresh, carry, states = residuals
    nothing = _map(jnp.zeros_like, carry)

    def step(so_far, this):
        later, sums = so_far
        varying, valid, resets, before, cotangent = this
        flowing = _map(jnp.add, later, cotangent)
        _, pull = jax.vjp(lambda maps, before: maps(before), _at(maps, varying), _reset(resets, fresh, before))
        of_map, of_before = pull(flowing)
        of_before = _reset(resets, nothing, of_before)
        if valid is not None:
            of_map = where(valid, of_map, _map(jnp.zeros_like, of_map))
            of_before = where(valid, of_before, flowing)
        # Fields without an axis of time are added up here: sums over the first axis of an array are slow on a CPU.
        sums = [
            None if now is not None else total + part for now, total, part in zip(varying, sums, of_map, strict=True)
        ]
        return (of_before, sums), [part if now is not None else None for now, part in zip(varying, of_map, strict=True)]

    varying = _varying(maps, carry)
    sums = [None if now is not None else jnp.zeros_like(field) for now, field in zip(varying, maps, strict=True)]
    steps = (varying, valid, resets, _shifted(carry, states, reverse), cotangents)
    (of_carry, sums), parts = jax.lax.scan(step, (nothing, sums), steps, reverse=not reverse)
    of_maps = [part if total is None else total for total, part in zip(sums, parts, strict=True)]
    return type(maps)(*of_maps), None, None, None, of_carry


looped.defvjp(_looped_forward, _looped_backward)


def _varying(maps, carry):
    """The fields that have an axis of time, `None` for the others."""
    axes = jax.tree.leaves(carry)[0].ndim + 1
    return [field if field.ndim == axes else None for field in maps]


def _at(maps, varying):
    """The maps of one step."""
    return type(maps)(*(field if now is None else now for field, now in zip(maps, varying, strict=True)))


# --- in blocks ---------------------------------------------------------------------------------------------------


def in_blocks(block: int, maps: Any, resets: Array | None, fresh: PyTree, carry: PyTree) -> PyTree:
    """The states after each step, by a parallel scan.

    Time is cut into blocks. The maps within a block are composed one after the other, in all blocks at once; those of
    whole blocks are a shorter chain, whose states are found likewise and stand before the steps of the next block.
    """
    time = maps[0].shape[0]
    if time <= block:
        return in_a_loop(False, maps, None, resets, fresh, carry)
    count = -(-time // block)
    idle = maps.identity(), None if resets is None else jnp.zeros_like(resets)
    padded = _map(lambda leaf, end: jnp.concatenate([leaf, end[: count * block - time]]), (maps, resets), idle)
    blocks = _map(lambda leaf: leaf.reshape(count, block, *leaf.shape[1:]).swapaxes(0, 1), padded)

    def step(so_far, this):
        so_far = _in_a_row(so_far, this)
        return so_far, so_far

    whole, (within, begun) = jax.lax.scan(step, _map(lambda leaf: leaf[:count], idle), blocks)
    before = _shifted(carry, in_blocks(block, whole[0], whole[1], fresh, carry), False)
    states = within(_reset(begun, fresh, before))
    return _map(lambda leaf: leaf.swapaxes(0, 1).reshape(count * block, *leaf.shape[2:])[:time], states)


def _in_a_row(first, second):
    """Two steps as one: the later one alone, if it is a reset."""
    (maps, resets), (later, later_resets) = first, second
    if resets is None:
        return maps.then(later), None
    # Selected before they are composed, so that nothing before a reset, NaN included, has an effect on gradients.
    return where(later_resets, maps.identity(), maps).then(later), resets | later_resets


blocked = jax.custom_vjp(in_blocks, nondiff_argnums=(0,))
"""`in_blocks` with its own derivative."""


def _blocked_forward(block, maps, resets, fresh, carry):
    states = blocked(block, maps, resets, fresh, carry)
    return states, (maps, resets, fresh, carry, states)


def _blocked_backward(block, residuals, cotangents):
    maps, resets, fresh, carry, states = residuals
    later = _map(lambda leaf, end: jnp.concatenate([leaf[1:], end[:1]]), maps, maps.identity())
    later_resets = None if resets is None else jnp.concatenate([resets[1:], jnp.zeros_like(resets[:1])])
    adjoint = _map(lambda leaf: leaf[::-1], (later.adjoint(cotangents), later_resets))
    nothing = _map(jnp.zeros_like, carry)
    flowing = _map(lambda leaf: leaf[::-1], blocked(block, *adjoint, nothing, nothing))

    first_maps, last, first_resets = _map(lambda leaf: leaf[0], (maps, flowing, resets))
    of_carry = _reset(first_resets, nothing, first_maps.adjoint(nothing)(last))
    before = _reset(resets, fresh, _shifted(carry, states, False))
    (of_maps,) = jax.vjp(lambda maps: maps(before), maps)[1](flowing)
    return of_maps, None, None, of_carry


blocked.defvjp(_blocked_forward, _blocked_backward)


# --- in both -----------------------------------------------------------------------------------------------------


def _reset(resets, fresh, states):
    return states if resets is None else where(resets, fresh, states)


def _shifted(carry, states, reverse):
    """The state before each step."""
    if reverse:
        return _map(lambda last, rest: jnp.concatenate([rest[1:], last[None]]), carry, states)
    return _map(lambda first, rest: jnp.concatenate([first[None], rest[:-1]]), carry, states)
