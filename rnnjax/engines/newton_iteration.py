"""All time steps at once: Newton's method on the equations of a sequence, and the derivative of their solution.

The states of a sequence solve `s_t = f(s_{t-1}, x_t)`, one equation a step. Newton's method starts from a guess for all
of them and repeats

    r_t = f(s_{t-1}, x_t) - s_t       how far each step is from its equation
    d_t = J_t d_{t-1} + r_t           from d = 0 before the first step; J_t is the Jacobian of f at s_{t-1}
    s_t <- s_t + d_t

whose middle line is a linear recurrence, computed by a parallel scan (DEER: Lim et al. 2024, arXiv:2309.12252). With
anything else in the place of J_t the solution is the same, and steps 1 to k are right after k iterations, but it takes
more of them. Three such changes are offered. The diagonal of J_t (quasi-DEER: Gonzalez et al. 2024, arXiv:2407.19115)
needs less memory. Zero in its place (Picard's iteration) needs no Jacobians, and where the state is wide its many
iterations are the cheapest. `(1 - damping) J_t` (scale-ELK, appendix A.4 of the same paper) keeps the products of
Jacobians bounded where they overflow.

A small residual alone does not say that the states are right: where the map expands along time, errors grow from step
to step. So the same iteration is run on a second set of equations beside the first, `e_t = J_t e_{t-1} + u_t`: what
roundings u_t, of one unit in the last place of each state, add up to.

The derivative is that of the solution and does not know how it was found: the adjoint states solve one linear
recurrence in reverse, after which the gradients of weights, inputs and carry are one vector-Jacobian product of the
step, over all steps at once.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cell import Cell
from rnnjax.engines.carry_layout import CarryLayout
from rnnjax.engines.linear_recurrence import linear_recurrence

Array = jax.Array

_PROBES_AT_ONCE = 16  # of the diagonal of a dense Jacobian


class Convergence(NamedTuple):
    """How the iteration went, for each row: arrays `[*batch]`. Shares are of the largest state in a leaf of the carry.

    `iterations`: how many updates the row took. `residual`: the largest `|f(s_{t-1}, x_t) - s_t|` at the end, as a
    share. `rounding`: the largest error that roundings of one unit in the last place of each state add up to, as a
    share. `converged`: whether the row was solved; otherwise it was run step by step.
    """

    iterations: Array
    residual: Array
    rounding: Array
    converged: Array


@dataclasses.dataclass(frozen=True)
class Equations:
    """The equations of a sequence and how to solve them. States are vectors `[time, *batch, width]`, time forwards.

    Args:
      cell: the cell.
      layout: of its carry.
      batch_shape: the batch axes.
      places: the batch axes and the spatial axes of the cell.
      jacobian: "full", "diagonal" or "none", what is computed of the Jacobians.
      exact: whether what is computed is the whole Jacobian.
      tolerance: the largest share of an error that a converged row may have.
      unit: of rounding, as a share.
      max_iterations: after which a row is given up.
      damping: Jacobians are multiplied by `1 - damping`.
    """

    cell: Cell
    layout: CarryLayout
    batch_shape: tuple[int, ...]
    places: tuple[int, ...]
    jacobian: str
    exact: bool
    tolerance: float
    unit: float
    max_iterations: int
    damping: float

    def share(self, changes, states, valid):
        """The largest change in each row, as a share of the largest state in the same leaf of the carry."""
        largest = lambda array: jnp.max(jnp.abs(_unpadded(array, valid)), axis=0)  # noqa: E731
        scale = self.layout.leafwise(functools.partial(jnp.max, axis=-1, keepdims=True), largest(states))
        tiny = jnp.finfo(scale.dtype).tiny
        shares = largest(changes) / jnp.maximum(scale, tiny)
        return jnp.max(jnp.where(scale * tiny < 1, shares, jnp.inf), axis=-1)  # else 1 / scale may round to zero

    def initial(self) -> Array:
        return self.layout.vector(self.cell.initial_carry(self.places))

    def step(self, weights, before, inputs):
        """One step of all rows, with padding and resets: `[*batch, width] -> [*batch, width]`, and the output."""
        drive, valid, resets = inputs
        state = before
        if resets is not None:
            state = jnp.where(resets[..., None], self.initial(), state)
        if valid is not None:  # whatever stands in padding, the cell is not to see it: derivatives of NaN are NaN
            state = jnp.where(valid[..., None], state, self.initial())
        carry, y = self.cell.advance(weights, self.layout.carry(state), drive)
        after = self.layout.vector(carry)
        if valid is not None:
            after = jnp.where(valid[..., None], after, before)
            y = _unpadded(y, valid)
        return after, y

    def steps(self, weights, befores, inputs):
        """Every step from a state of its own, all at once."""
        return jax.vmap(functools.partial(self.step, weights))(befores, inputs)

    def linearized(self, weights, befores, inputs):
        """The states after each step, and the function that multiplies directions with the Jacobian of each step."""
        return jax.linearize(lambda befores: self.steps(weights, befores, inputs)[0], befores)

    def jacobians(self, push, befores):
        """The Jacobians of the steps `[time, *batch, width, width]`, or their diagonals `[time, *batch, width]`."""
        probe = lambda direction: push(jnp.broadcast_to(direction, befores.shape))  # noqa: E731
        basis = jnp.eye(self.layout.width, dtype=befores.dtype)
        if self.jacobian == "full":
            return jax.vmap(probe, out_axes=-1)(basis)
        if self.cell.jacobian == "diagonal":  # units do not mix: one probe for all units of a leaf
            leaves = np.repeat(np.arange(len(self.layout.widths)), self.layout.widths)
            units = [jnp.asarray(leaves == leaf, befores.dtype) for leaf in range(len(self.layout.widths))]
            return jnp.sum(jnp.stack([probe(own) * own for own in units]), axis=0)
        entries = lambda direction: jnp.sum(probe(direction) * direction, axis=-1)  # noqa: E731
        return jnp.moveaxis(jax.lax.map(entries, basis, batch_size=_PROBES_AT_ONCE), 0, -1)

    def changes(self, weights, states, rounding, signs, start, inputs):
        """The updates of all states and of the errors that rounding causes in them; both are zero in padding."""
        valid = inputs[1]
        befores = _shifted(states, start)
        afters, push = self.linearized(weights, befores, inputs)
        noise = self.unit * states * signs
        errors = push(_shifted(rounding, jnp.zeros_like(start))) + noise
        terms = _unpadded(jnp.stack([afters - states, errors - rounding], axis=-1), valid)
        if self.jacobian != "none":
            factors = (1 - self.damping) * _unpadded(self.jacobians(push, befores), valid)
            changes = linear_recurrence(factors, terms)
            # Where products of Jacobians overflow, a plain step from the last states, as if the Jacobian were zero.
            terms = jnp.where(jnp.abs(changes) < jnp.finfo(states.dtype).max ** 0.5, changes, terms)
        return terms[..., 0], terms[..., 1]

    def solve(self, weights, start, inputs):
        """The iteration: the states, whether the updates of a row have died away, and how many there were."""
        valid = inputs[1]
        time = jax.tree.leaves(inputs)[0].shape[0]
        guess = jnp.broadcast_to(self.initial(), (time, *self.batch_shape, self.layout.width))
        guess, _ = self.steps(weights, guess, inputs)  # saves an iteration or more, and costs less than one
        if valid is not None:  # padding before the first step, in reverse, holds what the run starts from
            guess = jnp.where(valid[..., None], guess, start)

        signs = jax.random.rademacher(
            jax.random.key(0), (time, *[1] * len(self.batch_shape), self.layout.width), start.dtype
        )

        def update(loop):
            states, rounding, last, active, settled, iterations, count = loop
            of_states, of_rounding = self.changes(weights, states, rounding, signs, start, inputs)
            size = self.share(of_states, states + of_states, valid)
            finite = jnp.isfinite(size)
            moving = (active & finite)[..., None]
            states = jnp.where(moving, states + of_states, states)
            rounding = jnp.where(moving, rounding + of_rounding, rounding)
            # Updates that shrink by a ratio q leave an error of q / (1 - q) times the last one. Close to the solution
            # the ratio itself falls with every update; an error smaller than the last update is not counted on.
            ratio = size / last
            left = jnp.where(ratio < 1, size * jnp.maximum(1, ratio / (1 - ratio)), jnp.inf)
            left = jnp.where(size == 0, 0, left)
            settled = settled | (active & (left <= self.tolerance))
            return states, rounding, size, active & finite & ~settled, settled, iterations + active, count + 1

        rows = functools.partial(jnp.full, self.batch_shape)
        loop = (guess, jnp.zeros_like(guess), rows(jnp.inf, start.dtype), rows(True), rows(False), rows(0), 0)
        going = lambda loop: jnp.any(loop[3]) & (loop[-1] < self.max_iterations)  # noqa: E731
        states, rounding, _, _, settled, iterations, _ = jax.lax.while_loop(going, update, loop)
        return states, self.share(rounding, states, valid), settled, iterations

    def adjoint(self, weights, befores, inputs, cotangents, unsolved):
        """The states' whole cotangents from those that they have of themselves: `l_t = g_t + J_{t+1}^T l_{t+1}`."""

        def one_by_one():
            def body(later, step):
                before, inputs, own = step
                total = own + later
                _, pull = jax.vjp(lambda before: self.step(weights, before, inputs)[0], before)
                return pull(total)[0], total

            start = jnp.zeros_like(cotangents[0])
            return jax.lax.scan(body, start, (befores, inputs, cotangents), reverse=True)[1]

        if not self.exact:
            return one_by_one()
        _, push = self.linearized(weights, befores, inputs)
        jacobians = self.jacobians(push, befores)
        factors = _next(jnp.swapaxes(jacobians, -1, -2) if self.jacobian == "full" else jacobians)
        together = linear_recurrence(factors, cotangents[..., None], reverse=True)[..., 0]
        mixed = lambda: jnp.where(unsolved[..., None], one_by_one(), together)  # noqa: E731
        return jax.lax.cond(jnp.any(unsolved), mixed, lambda: together)


def _in_full_precision(function):
    @functools.wraps(function)
    def traced(*arguments):
        with jax.default_matmul_precision("highest"):
            return function(*arguments)

    return traced


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
@_in_full_precision
def trajectory(equations, weights, start, inputs):
    """The states after each step, the outputs, and the convergence. Time runs forwards."""
    valid = inputs[1]
    states, rounding, settled, iterations = equations.solve(weights, start, inputs)
    afters, ys = equations.steps(weights, _shifted(states, start), inputs)
    residual = equations.share(afters - states, afters, valid)
    converged = settled & (residual <= equations.tolerance) & (rounding <= equations.tolerance)

    def one_by_one():
        def body(state, step):
            after, y = equations.step(weights, state, step)
            return after, (after, y)

        _, outcome = jax.lax.scan(body, start, inputs)
        solved = lambda array: converged.reshape(*converged.shape, *[1] * (array.ndim - 1 - converged.ndim))  # noqa: E731
        return tuple(jnp.where(solved(a), a, b) for a, b in zip((afters, ys), outcome, strict=True))

    states, ys = jax.lax.cond(jnp.all(converged), lambda: (afters, ys), one_by_one)
    return _held(states, start, valid), ys, Convergence(iterations, residual, rounding, converged)


def _forward(equations, weights, start, inputs):
    # The function itself, and not its body, so that its derivative can be differentiated again.
    outcome: Any = trajectory(equations, weights, start, inputs)
    states, _, report = outcome
    return outcome, (weights, start, inputs, states, report.converged)


@_in_full_precision
def _backward(equations, residuals, cotangents):
    weights, start, inputs, states, converged = residuals
    of_states, of_ys, _ = cotangents
    befores = _shifted(states, start)
    _, pull = jax.vjp(equations.steps, weights, befores, inputs)
    from_outputs = pull((jnp.zeros_like(of_states), of_ys))[1]
    unsolved = ~converged  # also cuts the tangent that JAX gives a bool, for which `any` has no derivative
    total = equations.adjoint(weights, befores, inputs, of_states + _next(from_outputs), unsolved)
    d_weights, d_befores, d_inputs = pull((total, of_ys))
    return d_weights, d_befores[0], d_inputs


trajectory.defvjp(_forward, _backward)


def _shifted(states: Array, start: Array) -> Array:
    """The states before each step."""
    return jnp.concatenate([start[None], states[:-1]])


def _next(array: Array) -> Array:
    """What belongs to the step after each; zero after the last."""
    return jnp.concatenate([array[1:], jnp.zeros_like(array[:1])])


def _unpadded(array: Array, valid: Array | None) -> Array:
    """An array `[time, *batch, ...]`, or that of one step `[*batch, ...]`, with zeros in padding."""
    if valid is None:
        return array
    return jnp.where(valid.reshape(*valid.shape, *[1] * (array.ndim - valid.ndim)), array, 0)


def _held(states: Array, start: Array, valid: Array | None) -> Array:
    """States that stay in padding as they were after the last valid step, exactly."""
    if valid is None:
        return states
    steps = jnp.arange(states.shape[0]).reshape(-1, *[1] * (valid.ndim - 1))
    last = jax.lax.cummax(jnp.where(valid, steps, -1), axis=0)[..., None]
    return jnp.where(last < 0, start, jnp.take_along_axis(states, jnp.maximum(last, 0), axis=0))
