"""How much of a loss's gradient reaches each gate in each step."""

from __future__ import annotations

import copy
import functools
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.analysis import scaled
from rnnjax.analysis.backward import Loss, backward, from_loss, plain_step
from rnnjax.analysis.trajectory import Trajectory, extent, record, start
from rnnjax.cell import Cell
from rnnjax.errors import check

Array = jax.Array
PyTree = Any


def gate_gradients(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    loss: Loss | None = None,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> dict[str, Array]:
    """The total derivative of a loss with respect to what enters each gate in each step of a sequence.

        log |dL/da_t|,      a_t = W x_t + b + ...: the pre-activation of the gate

    a_t is moved through what the inputs contribute to it, the gate's part of the drive. In a cell whose gates add up
    input and state, as those of LSTM and GRU do, dL/da_t is the error of the gate's net input in the derivations of
    Hochreiter & Schmidhuber 1997 (doi:10.1162/neco.1997.9.8.1735), and the gate's weights receive the sum over t of
    dL/da_t x_t^T, dL/da_t h_t-1^T and dL/da_t. A gate that is saturated has next to none, however large dL/dh_t is.
    Where a cell scales or gates what the inputs contribute, dL/da_t is the derivative before the scaling; a cell of
    several layers a step counts the layer that the inputs enter. Where inputs do not come gate by gate (`MogrifierLSTM`
    and `CfC`), a gate itself is moved, and taken to be the logistic function of a_t, a candidate to be tanh(a_t).

    Like `gradient_flow` it follows norms beyond the range of floats.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      loss: `(ys, carry) -> scalar` of the outputs and the final carry; `None` is half the squared norm of each row's
        last valid output, summed over the batch.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; no gradient reaches the gates of padded steps.
      resets: `[*batch, time]` bools; no gradient passes a reset.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      By the names in `cell.gates`, the natural logarithm of the Euclidean norm over units `[*batch, time]`; -inf where
      the gradient is zero.

    Raises:
      InputError: a cell without gates, or one whose step cannot be followed to them; a loss that is no scalar; or an
        argument that does not fit the cell, as in `rnnjax.unroll`.
    """
    check(bool(cell.gates), "cell", cell, "a cell with gates")
    run = record(cell, params, xs, carry, lengths, resets, key)
    norms = _gate_gradients(cell.dynamics, run, *from_loss(cell, run, loss, lengths))
    return {gate: norms[gate] for gate in cell.gates}  # compiled functions return dicts sorted by name


def _parts(cell: Cell, drive: PyTree) -> dict[str, Array] | None:
    """What the inputs contribute to each gate; `None` where they do not come one by one."""
    if not isinstance(drive, dict):
        return {cell.gates[0]: drive} if len(cell.gates) == 1 and hasattr(drive, "shape") else None
    drive = drive.get("gates", drive)  # beside the drive of another network, in a cell that has one
    return {gate: drive[gate] for gate in cell.gates} if set(cell.gates) <= set(drive) else None


def _added(cell: Cell, drive: PyTree, probe: dict[str, Array]) -> PyTree:
    """The drive, with something added to the part of each gate."""
    if not isinstance(drive, dict):
        return drive + probe[cell.gates[0]]
    if "gates" in drive:
        return drive | {"gates": _added(cell, drive["gates"], probe)}
    return drive | {gate: drive[gate] + probe[gate] for gate in cell.gates}


class _Moved:
    """The gates of a cell's step, each moved as if its pre-activation was."""

    def __init__(self, cell: Cell, probe: dict[str, Array]):
        self.cell, self.probe, self.called = cell, probe, False

    def __call__(self, weights: PyTree, carry: PyTree, drive: PyTree) -> dict[str, Array]:
        self.called = True
        values = self.cell.gate_values(weights, carry, drive)
        return {gate: value + self.slope(gate, value) * self.probe[gate] for gate, value in values.items()}

    def slope(self, gate: str, value: Array) -> Array:
        value = jax.lax.stop_gradient(value)
        return 1 - value**2 if gate in self.cell.candidates else value * (1 - value)


@functools.partial(jax.jit, static_argnums=0)
def _gate_gradients(cell: Cell, run: Trajectory, to_outputs: Array, to_final: list[Array]) -> dict[str, Array]:
    batch_axes = len(extent(cell, run.ys)[0])

    def by_drive(moment):
        def forward(before, probe):
            drive = _added(cell, moment.drive, probe)
            return plain_step(cell, run.weights, run.initial, moment, before, drive)

        return forward, jax.tree.map(jnp.zeros_like, _parts(cell, moment.drive))

    def by_value(moment):
        def forward(before, probe):
            moved, gates = copy.copy(cell), _Moved(cell, probe)
            object.__setattr__(moved, "gate_values", gates)  # what the copy's `recur` calls
            outcome = plain_step(moved, run.weights, run.initial, moment, before, moment.drive)
            check(
                gates.called, "cell", cell, "a cell whose step is built on `gate_values`, or has a drive for each gate"
            )
            return outcome

        values = cell.gate_values(run.weights, start(run.initial, moment, moment.carry), moment.drive)
        return forward, jax.tree.map(jnp.zeros_like, values)

    def measure(cotangents, here):
        norm = lambda leaf: scaled.norm(leaf, cotangents.exponents, tuple(range(batch_axes, leaf.ndim)))  # noqa: E731
        return {gate: scaled.log(*norm(leaf)) for gate, leaf in here.items()}

    local = by_value if _parts(cell, run.moments.drive) is None else by_drive
    norms = backward(cell, run, to_outputs, to_final, local, measure)
    return {gate: jnp.moveaxis(logs, 0, -1) for gate, logs in norms.items()}
