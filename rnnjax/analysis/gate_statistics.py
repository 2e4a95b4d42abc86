"""What the gates of a cell do over time: their activations, and how open, shut or saturated they are."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.trajectory import Trajectory, extent, record, start
from rnnjax.cell import Cell, check_call, checked_key
from rnnjax.errors import check
from rnnjax.unroll import unroll
from rnnjax.wrappers.stack import Stack

Array = jax.Array
PyTree = Any

KEEPING = ("forget", "update")
"""Gates whose value is the share of the state that stays: `Cell` says so of these names."""

SATURATED = 0.1
"""A gate is saturated within this distance of either end of its range."""


class GateStatistics(NamedTuple):
    """One gate over the valid steps of a run.

    Shares and means are over time, one for each unit of each row, `[*batch, ..., units]`, and NaN for a row without
    valid steps. The range of a gate is (0, 1), and that of a candidate is taken to be (-1, 1).

    Attributes:
      mean: the mean activation.
      left: the share of steps in which the unit is shut: below 0.1, a candidate below -0.8.
      right: the share of steps in which the unit is open: above 0.9, a candidate above 0.8.
      forget_time: 1 / (1 - mean) steps for a gate that keeps the state, named "forget" or "update"; else `None`. With
        a constant gate f, what was in the state has fallen to f^k after k steps, about exp(-k (1 - f)).
      counts: `[*batch, bins]`, how many activations, of all units and steps, lie in each bin.
      edges: `[bins + 1]`, the edges of the bins, over the range; what lies beyond counts in the first and last bin.
    """

    mean: Array
    left: Array
    right: Array
    forget_time: Array | None
    counts: Array
    edges: np.ndarray


def gate_activations(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> dict[str, Array]:
    """The activation of every gate in every step of a run.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; past a row's length activations are NaN.
      resets: `[*batch, time]` bools; the gates of a step that starts afresh see the initial carry.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      By the names in `cell.gates`, `[*batch, time, ..., units]`; for a `Stack` by layer and gate, "layer_0/forget".

    Raises:
      InputError: a cell without gates, or an argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    found = {}
    for name, _, values, valid in _recorded(cell, params, xs, carry, lengths, resets, key):
        found[name] = values if valid is None else jnp.where(_fitting(valid, values), values, jnp.nan)
    return found


def gate_statistics(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
    bins: int = 20,
) -> dict[str, GateStatistics]:
    """How open every gate is on average, how often it is saturated, and for how long the state is kept.

    Karpathy, Johnson & Fei-Fei 2015 (arXiv:1506.02078) call a gate left- or right-saturated when its activation is
    below 0.1 or above 0.9. A forget gate that is always right-saturated makes its unit an integrator; gates that are
    always saturated pass hardly any gradient to their own weights. The forget time is the memory that a gate's bias
    gives a unit: Tallec & Ollivier 2018 (arXiv:1804.11188), Gers, Schmidhuber & Cummins 2000
    (doi:10.1162/089976600300015015).

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints, the valid steps of each row.
      resets: `[*batch, time]` bools; the gates of a step that starts afresh see the initial carry.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.
      bins: how many bins of equal width the histograms have.

    Returns:
      By the names in `cell.gates`; for a `Stack` by layer and gate, "layer_0/forget".

    Raises:
      InputError: a cell without gates, bins that are no positive int, or an argument that does not fit the cell, as in
        `rnnjax.unroll`.
    """
    check(isinstance(bins, int) and not isinstance(bins, bool) and bins > 0, "bins", bins, "a positive int")
    axis = jax.tree.leaves(xs)[0].ndim - 2 - cell.spatial_axes
    statistics = {}
    for name, candidate, values, valid in _recorded(cell, params, xs, carry, lengths, resets, key):
        low = -1.0 if candidate else 0.0
        edges = np.linspace(low, 1.0, bins + 1)
        mean, left, right, counts = _statistics(values, valid, axis, low, bins)
        keeps = name.rpartition("/")[2] in KEEPING and not candidate
        statistics[name] = GateStatistics(mean, left, right, 1 / (1 - mean) if keeps else None, counts, edges)
    return statistics


def _recorded(cell, params, xs, carry, lengths, resets, key) -> list[tuple[str, bool, Array, Array | None]]:
    """Of each gate its name, whether it is a candidate, its activations `[*batch, time, ...]`, and `[*batch, time]`,
    true where a step is no padding.
    """
    check_call(cell, params, xs, None)
    found = []
    for path, layer, params_, xs_, carry_, key_ in _layers(cell, params, xs, carry, lengths, resets, key):
        if not layer.gates:
            continue
        run = record(layer, params_, xs_, carry_, lengths, resets, key_)
        valid = None if run.moments.valid is None else jnp.moveaxis(run.moments.valid, 0, -1)
        activations = _activations(layer.dynamics, run)
        found += [(path + gate, gate in layer.candidates, activations[gate], valid) for gate in layer.gates]
    check(bool(found), "cell", cell, "a cell with gates")
    return found


def _layers(cell, params, xs, carry, lengths, resets, key, path="") -> Iterator[tuple]:
    """The layers of a stack, or the cell alone: a path, and each with its own parameters, inputs, carry and key."""
    if not isinstance(cell, Stack):
        yield path, cell, params, xs, carry, key
        return
    key = checked_key(key)
    keys = [None] * len(cell.cells) if key is None else jax.random.split(key, len(cell.cells))
    ys: list[Array] = []
    for index, (layer, layer_key) in enumerate(zip(cell.cells, keys, strict=True)):
        name = f"layer_{index}"
        own, inputs, state = params[name], cell.input(xs, ys), None if carry is None else carry[index]
        yield from _layers(layer, own, inputs, state, lengths, resets, layer_key, f"{path}{name}/")
        if index + 1 < len(cell.cells):
            ys.append(unroll(layer, own, inputs, state, lengths=lengths, resets=resets, key=layer_key)[1])


def _fitting(valid: Array, values: Array) -> Array:
    """`[*batch, time]` with as many axes as the activations have."""
    return valid.reshape(*valid.shape, *(1,) * (values.ndim - valid.ndim))


@functools.partial(jax.jit, static_argnums=0)
def _activations(cell: Cell, run: Trajectory) -> dict[str, Array]:
    batch_axes = len(extent(cell, run.ys)[0])

    def at(moment):
        return cell.gate_values(run.weights, start(run.initial, moment, moment.carry), moment.drive)

    with jax.default_matmul_precision("highest"):
        activations = jax.lax.map(at, run.moments)
    return {gate: jnp.moveaxis(values, 0, batch_axes) for gate, values in activations.items()}


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _statistics(
    values: Array, valid: Array | None, axis: int, low: float, bins: int
) -> tuple[Array, Array, Array, Array]:
    """Means and shares over time, and counts in bins, of activations `[*batch, time, ...]`."""
    values = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    valid = jnp.ones(values.shape[: axis + 1], bool) if valid is None else valid
    there = _fitting(valid, values)
    steps = _fitting(jnp.sum(valid, axis=axis), jnp.sum(values, axis=axis))
    margin = SATURATED * (1 - low)

    def share(of):
        return jnp.sum(jnp.where(there, of, 0), axis=axis) / steps

    place = jnp.clip(jnp.floor((values - low) / (1 - low) * bins), 0, bins - 1)
    counted = tuple(range(axis, values.ndim))
    counts = jnp.stack([jnp.sum(there & (place == index), axis=counted) for index in range(bins)], axis=-1)
    return share(values), share(values < low + margin), share(values > 1 - margin), counts
