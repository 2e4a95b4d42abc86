"""The front door: a cell over a sequence, in one direction or in both."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from rnnjax.cell import Cell, check_call, checked_key
from rnnjax.engines import ENGINES, Call, Engine, choose
from rnnjax.errors import InputError, check, check_choice
from rnnjax.wrappers import Stack

Array = jax.Array
PyTree = Any


def unroll(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    reverse: bool = False,
    time_major: bool = False,
    return_carries: bool = False,
    engine: str | Engine = "auto",
    remat: bool | int | str | None = None,
    unroll: int | None = None,
    hoist: bool = True,
    key: Array | None = None,
) -> Any:
    """Runs a cell over a sequence: `cell.step` scanned over time.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]` with any number of batch axes, or `[time, *batch, in_features]` if
        `time_major`; or a pytree of such arrays. Axes of places, for a cell that has them, come before the features.
      carry: the state before the first step; `None` is `cell.initial_carry(batch_shape)`.
      lengths: `[*batch]` ints in 0..time: outputs past a row's length are zero, and the final carry is the one after
        its last valid step; a row of length 0 keeps the carry it started from. What stands in the padding has no
        effect, not even NaN. Lengths that are traced cannot be checked and are taken to be in range.
      resets: `[*batch, time]` bools (`[time, *batch]` if `time_major`): the cell's initial carry takes the place of the
        state *before* x_t is consumed, by selection, so that no NaN leaks across.
      reverse: runs each row backwards within its own length; outputs keep the order of the inputs, and a reset acts
        before x_t is consumed, as ever. The final carry is the one after x_0.
      time_major: whether time is the first axis of inputs, outputs and carries.
      return_carries: whether to return the state after each step as well.
      engine: how to compute it: "auto", a key of `rnnjax.engines.ENGINES`, or an engine with options of its own, as
        in `engine=Newton(tolerance=1e-5)`.
      remat: recompute in the backward pass instead of storing: `True` each step, `k` blocks of k steps, "sqrt" blocks
        of about sqrt(time) steps (memory grows with the square root of time), `False` nothing, `None` where that is
        faster than storing.
      unroll: steps a loop iteration of the scan.
      hoist: computes weight gradients outside the backward loop. Turn it off for forward-mode differentiation
        (`jax.jvp`, `jax.jacfwd`) of the unroll.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      `(carry, ys)`, or `(carry, ys, carries)`: the final state, outputs `[*batch, time, output_features]`, and states
      with a time axis where that of the outputs is.

    Raises:
      InputError: an argument that does not fit the cell or the others, named, with what was expected; an engine, asked
        for by name, that cannot serve the call, with the reason.
    """
    if not isinstance(engine, Engine):
        check_choice("engine", engine, ("auto", *ENGINES))
        engine = ENGINES.get(engine, engine)
    valid_remat = remat in (None, "sqrt") or isinstance(remat, bool) or (isinstance(remat, int) and remat > 0)
    check(valid_remat, "remat", remat, 'None, a bool, a positive int or "sqrt"')
    check(unroll is None or (isinstance(unroll, int) and unroll > 0), "unroll", unroll, "a positive int, or None")
    if not time_major:
        xs = jax.tree.map(lambda leaf: _time_first(leaf, cell.spatial_axes), xs)
    places = check_call(cell, params, xs, carry, time_axes=1)
    batch_shape = places[: len(places) - cell.spatial_axes]
    time = jax.tree.leaves(xs)[0].shape[0]
    if carry is None:
        carry = cell.initial_carry(places)
    valid = None
    if lengths is not None:
        valid = jnp.arange(time).reshape(-1, *(1,) * len(batch_shape)) < _checked_lengths(lengths, batch_shape, time)
        here = valid.reshape(*valid.shape, *(1,) * (cell.spatial_axes + 1))
        xs = jax.tree.map(lambda leaf: jnp.where(here, leaf, 0), xs)
    if resets is not None:
        resets = _checked_resets(resets, batch_shape, time, time_major)

    weights = cell.prepare(params, key=checked_key(key), batch_shape=places)
    call = Call(valid, resets, reverse, return_carries, remat, unroll, hoist)
    carry, ys, carries = _run(engine, cell, weights, carry, xs, call)
    if not time_major:
        ys = jnp.moveaxis(ys, 0, len(batch_shape))
        carries = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, len(batch_shape)), carries)
    return (carry, ys, carries) if return_carries else (carry, ys)


def _run(engine, cell, weights, carry, xs, call):
    """Calls the engine; a stack is run layer by layer, each over the whole sequence."""
    if not isinstance(cell, Stack):
        arguments = (cell, weights, carry, xs, call)
        if not isinstance(engine, Engine):
            engine = choose(*arguments)
        reason = engine.refusal(*arguments)
        check(reason is None, "engine", engine.name, f"an engine that can serve this call: {reason}")
        return engine.run(*arguments)
    outcomes, ys = [], []
    for layer, layer_weights, layer_carry in zip(cell.cells, weights, carry, strict=True):
        outcomes.append(_run(engine, layer, layer_weights, layer_carry, cell.input(xs, ys), call))
        ys.append(outcomes[-1][1])
    final, _, carries = zip(*outcomes, strict=True)
    return final, cell.output(ys), carries if call.return_carries else None


def bidirectional(
    forward: Cell,
    backward: Cell,
    params: tuple[PyTree, PyTree],
    xs: PyTree,
    carry: tuple[PyTree, PyTree] | None = None,
    *,
    merge: str = "concat",
    key: Array | None = None,
    **options: Any,
) -> tuple[tuple[PyTree, PyTree], Array]:
    """Runs one cell forwards and one backwards over a sequence, each within a row's own length.

    Schuster & Paliwal 1997, doi:10.1109/78.650093.

    Args:
      forward: the cell that runs from the first step to the last.
      backward: the cell that runs from the last valid step to the first.
      params: parameters of the two.
      xs: inputs `[*batch, time, in_features]`.
      carry: the states before the first step of each direction, or `None`.
      merge: how the two outputs of a step are joined: "concat", "sum", "mean" or "product".
      key: draws dropout masks, different ones for the two directions.
      **options: `lengths`, `resets`, `time_major`, `engine`, `remat`, `unroll` and `hoist` of `unroll`.

    Returns:
      The two final carries (the backward one is the state after x_0), and the joined outputs.

    Raises:
      InputError: as `unroll`, and for an unknown `merge` or widths that cannot be joined.
    """
    check_choice("merge", merge, _MERGES)
    widths = forward.output_features, backward.output_features
    check(merge == "concat" or widths[0] == widths[1], "merge", merge, f'"concat" for outputs of widths {widths}')
    for name in options:
        check_choice("option", name, ("lengths", "resets", "time_major", "engine", "remat", "unroll", "hoist"))
    carries = (None, None) if carry is None else carry
    key = checked_key(key)
    keys = (None, None) if key is None else tuple(jax.random.split(key))
    one, ys = unroll(forward, params[0], xs, carries[0], key=keys[0], **options)
    other, zs = unroll(backward, params[1], xs, carries[1], key=keys[1], reverse=True, **options)
    return (one, other), _MERGES[merge](ys, zs)


_MERGES = {
    "concat": lambda a, b: jnp.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mean": lambda a, b: (a + b) / 2,
    "product": lambda a, b: a * b,
}


def _time_first(leaf, spatial_axes):
    if jnp.ndim(leaf) < 2 + spatial_axes:
        expected = "[*batch, time, features]: at least two axes"
        if spatial_axes:
            expected = f"[*batch, time, *places, features] with {spatial_axes} axes of places"
        raise InputError("xs", f"shape {jnp.shape(leaf)}", expected)
    return jnp.moveaxis(jnp.asarray(leaf), -2 - spatial_axes, 0)


def _checked_lengths(lengths, batch_shape, time):
    if not isinstance(lengths, jax.Array):
        lengths = np.asarray(lengths)
    check(jnp.issubdtype(lengths.dtype, jnp.integer), "lengths", f"dtype {lengths.dtype}", "an integer dtype")
    if lengths.shape != batch_shape:
        raise InputError("lengths", f"shape {lengths.shape}", f"shape {batch_shape}, the batch axes of xs")
    if not isinstance(lengths, Tracer) and lengths.size:
        known = np.asarray(lengths)  # not jnp: inside `jit` its operations are traced even on a known array
        low, high = int(known.min()), int(known.max())
        check(low >= 0 and high <= time, "lengths", high if high > time else low, f"ints in 0..{time}, the time axis")
    return jnp.asarray(lengths)


def _checked_resets(resets, batch_shape, time, time_major):
    resets = jnp.asarray(resets)
    check(resets.dtype == jnp.bool_, "resets", f"dtype {resets.dtype}", "bool")
    expected = (time, *batch_shape) if time_major else (*batch_shape, time)
    if resets.shape != expected:
        raise InputError("resets", f"shape {resets.shape}", f"shape {expected}")
    return resets if time_major else jnp.moveaxis(resets, -1, 0)
