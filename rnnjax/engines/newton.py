"""The Newton engine: all time steps of a non-linear cell at once, by iteration."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell, check_call, checked_key
from rnnjax.engines.carry_layout import CarryLayout
from rnnjax.engines.engine import Call, Engine
from rnnjax.engines.newton_iteration import Convergence, Equations, trajectory
from rnnjax.engines.scan import Scan
from rnnjax.errors import InputError, check, check_choice

Array = jax.Array
PyTree = Any

_TOLERANCES = {"float32": 2e-6, "float64": 1e-11}
_WIDEST_FULL = 64  # numbers in a row's state: above it the Jacobians of the steps, [time, width, width], are too large


def _is_number(given) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


@dataclasses.dataclass(frozen=True)
class Newton(Engine):
    """All steps at once, by Newton's method with a parallel scan: for long sequences of narrow non-linear cells.

    How it works is told in `rnnjax.engines.newton_iteration`. Lim et al. 2024, arXiv:2309.12252 (DEER); Gonzalez et
    al. 2024, arXiv:2407.19115 (diagonal Jacobians and damping).

    A row has converged when three numbers are within the tolerance: the error left in its states, estimated from the
    last two updates; its residual; and the error that roundings of one unit in the last place of each state add up to.
    A row that has not after `max_iterations`, or has met a number that is not finite, is run step by step instead
    (`jax.lax.cond`), and so is its derivative: what is returned agrees with the scan engine either way, and
    `convergence` tells which way it was. Chaotic sequences, in which roundings grow from step to step, go that way:
    for them equal programs give different numbers. Rows do not touch each other: a row that has converged stays as it
    is while others go on. Under `jax.vmap` the `cond` becomes a selection, and the run step by step is always paid
    for; give the rows as batch axes instead.

    A float32 cell is computed in full float32, also where matrix products are rounded to fewer bits by default
    (TF32, on GPUs): on such stairs no iteration settles. Cells that compute or carry in fewer bits are refused.

    Args:
      tolerance: the largest error, as a share of the largest number in the same leaf of a row's states; `None` is
        2e-6 in float32, which cannot be made much smaller, and 1e-11 in float64.
      max_iterations: after which the engine gives up on a row.
      jacobian: what takes the place of the Jacobians of the steps. "full": they themselves. "diagonal": their
        diagonals, which for a dense Jacobian cost as many evaluations of the cell as the state has numbers. "none":
        zero; each iteration is one step of the cell from the states of the last one: many iterations, each a cheap
        one. "auto": "diagonal" where that is the whole Jacobian, else "full" for a state of up to 64 numbers a row,
        else "none". Where it is less than the whole Jacobian, the adjoint runs step by step.
      damping: in [0, 1); what takes the place of the Jacobians is multiplied by `1 - damping`.

    Raises:
      InputError: an option out of range.
    """

    name: ClassVar[str] = "newton"

    tolerance: float | None = None
    max_iterations: int = 100
    jacobian: str = "auto"
    damping: float = 0.0

    def __post_init__(self):
        given = self.tolerance
        check(given is None or (_is_number(given) and 0 < given < 1), "Newton.tolerance", given, "None, or in (0, 1)")
        given = self.max_iterations
        valid = isinstance(given, int) and not isinstance(given, bool) and given > 0
        check(valid, "Newton.max_iterations", given, "a positive int")
        check_choice("Newton.jacobian", self.jacobian, ("auto", "full", "diagonal", "none"))
        given = self.damping
        check(_is_number(given) and 0 <= given < 1, "Newton.damping", given, "a number in [0, 1)")

    def refusal(self, cell, weights, carry, xs, call):
        del cell, xs
        if call.remat:
            return "it has no loop over time whose steps `remat` could recompute"
        if call.unroll is not None:
            return "it has no loop over time whose steps `unroll` could join"
        if not call.hoist:
            return "its derivative is of its own, in reverse mode only"
        for leaf in jax.tree.leaves(carry):
            if not jnp.issubdtype(jnp.result_type(leaf), jnp.inexact):
                return f"it iterates on real numbers, and the carry holds {jnp.result_type(leaf)}"
        for leaf in jax.tree.leaves((weights, carry)):
            dtype = jnp.result_type(leaf)
            if jnp.issubdtype(dtype, jnp.inexact) and jnp.finfo(dtype).bits < 32:
                return f"rounding to {dtype} makes a staircase of the cell, on which the iteration does not settle"
        return None

    def run(self, cell, weights, carry, xs, call):
        if jax.tree.leaves(xs)[0].shape[0] == 0:
            return Scan().run(cell, weights, carry, xs, call)
        states, ys, _ = self.solve(cell, weights, carry, xs, call)
        final = jax.tree.map(lambda leaf: leaf[0 if call.reverse else -1], states)
        return final, ys, states if call.return_carries else None

    def solve(self, cell, weights, carry, xs, call) -> tuple[PyTree, Array, Convergence]:
        """The carries `[time, ...]` and the outputs after all of at least one step, and how the iteration went."""
        places = jax.tree.leaves(xs)[0].shape[1:-1]
        batch_shape = places[: len(places) - cell.spatial_axes]
        layout = CarryLayout.of(carry, len(batch_shape))
        # One real number a unit, and units apart: the diagonal is the whole Jacobian.
        apart = cell.jacobian == "diagonal" and len(layout.widths) == 1 and not layout.has_complex
        jacobian = self.jacobian
        if jacobian == "auto" and apart:
            jacobian = "diagonal"
        elif jacobian == "auto":
            jacobian = "full" if layout.width <= _WIDEST_FULL else "none"
        # The coarsest rounding on the way around the loop decides how still the iteration can come to lie.
        dtypes = map(jnp.result_type, jax.tree.leaves((weights, carry)))
        dtype = max((dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.inexact)), key=lambda d: jnp.finfo(d).eps)
        equations = Equations(
            cell=cell,
            layout=layout,
            batch_shape=batch_shape,
            places=places,
            jacobian=jacobian,
            exact=jacobian == "full" or (jacobian == "diagonal" and apart),
            tolerance=self.tolerance or _TOLERANCES[jnp.finfo(dtype).dtype.name],
            unit=float(jnp.finfo(dtype).eps),
            max_iterations=self.max_iterations,
            damping=self.damping,
        )
        flip = lambda tree: jax.tree.map(lambda leaf: jnp.flip(leaf, 0), tree) if call.reverse else tree  # noqa: E731
        inputs = flip((cell.project(weights, xs), call.valid, call.resets))
        outcome: Any = trajectory(equations, weights, layout.vector(carry), inputs)
        states, ys, report = outcome
        return layout.carry(flip(states)), flip(ys), jax.lax.stop_gradient(report)


def convergence(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    carry: PyTree | None = None,
    *,
    call: Call = Call(),
    engine: Newton = Newton(),
    key: Array | None = None,
) -> Convergence:
    """How `engine` fares on a call; a pure function, under `jit` too. A stack is iterated on as one cell.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[time, *batch, in_features]`, or a pytree of such arrays.
      carry: the state before the first step; `None` is the cell's initial carry.
      call: padding, resets and direction.
      engine: a Newton engine.
      key: draws dropout masks.

    Raises:
      InputError: arguments that do not fit each other, an engine that cannot serve the call, or no time steps.
    """
    check(isinstance(engine, Newton), "engine", engine, "a Newton engine")
    batch_shape = check_call(cell, params, xs, carry, time_axes=1)
    shape = jnp.shape(jax.tree.leaves(xs)[0])
    check(shape[0] > 0, "xs", f"shape {shape}", "at least one time step")
    weights = cell.prepare(params, key=checked_key(key), batch_shape=batch_shape)
    carry = cell.initial_carry(batch_shape) if carry is None else carry
    reason = engine.refusal(cell, weights, carry, xs, call)
    if reason is not None:
        raise InputError("engine", engine.name, f"an engine that can serve this call: {reason}")
    return engine.solve(cell, weights, carry, xs, call)[2]
