"""Whether a step keeps the norm of the gradient that it passes back, differentiable: Pascanu's measure."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.analysis.backward import Loss, from_loss
from rnnjax.analysis.readout import step_with_readout
from rnnjax.analysis.trajectory import Trajectory, extent, moved, moving, record, start, transition
from rnnjax.cell import Cell
from rnnjax.errors import check
from rnnjax.kernel import KernelStandIn, dot, dot_back
from rnnjax.rows import select
from rnnjax.wrappers.kernels import is_matrix, owner

Array = jax.Array
PyTree = Any


class NormPreservation(NamedTuple):
    """How steps change the norm of a gradient on its way back, one entry for each step t and row.

    Attributes:
      squared_ratios: `[*batch, time]`, |J_t^T delta_t|^2 / |delta_t|^2; 1 where it does not count.
      counted: `[*batch, time]` bools, false in padding, after the loss, and where delta_t is next to nothing.
    """

    squared_ratios: Array
    counted: Array


def norm_preservation(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    loss: Loss | None = None,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
    bound: float = 1e-20,
) -> NormPreservation:
    """What a step does to the norm of the gradient that runs back through it: 1 neither vanishes nor explodes.

        s_t = |J_t^T delta_t|^2 / |delta_t|^2,      delta_t = dL/dh_t,      J_t = dh_t/dh_t-1

    h_t is the whole carry, as in `gradient_flow`, and delta_t the total derivative found there. The regularisers of
    Pascanu, Mikolov & Bengio 2013 (arXiv:1211.5063, section 3.3) are sums of (sqrt(s_t) - 1)^2 or (s_t - 1)^2.

    **Its derivative is the immediate one**, as in the paper: that with respect to the recurrent kernels
    (`cell.recurrent_kernels`) where they carry the gradient back, `delta U^T`, with states, gates and delta_t held
    constant. Other parameters get zero. A cell that uses such a kernel otherwise than in `rnnjax.kernel.dot` has the
    derivative of its step's Jacobian with respect to that kernel in full, at a constant state.

    Args:
      cell: the cell.
      params: from `cell.init`; differentiate with respect to them.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      loss: `(ys, carry) -> scalar` of the outputs `[*batch, time, output_features]` and the final carry; `None` is half
        the squared norm of each row's last valid output, summed over the batch.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; padding does not count.
      resets: `[*batch, time]` bools; the ratio of a step that starts afresh is 0.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.
      bound: a step counts where |delta_t|^2 is at least this.

    Returns:
      The squared ratios, and which of them count.

    Raises:
      InputError: a cell without a recurrent kernel that is a matrix, a loss that is no scalar, or an argument that does
        not fit the cell, as in `rnnjax.unroll`.
    """
    constant = functools.partial(jax.tree.map, jax.lax.stop_gradient)
    run = constant(record(cell, constant(params), xs, carry, lengths, resets, key))
    check(has_recurrent_kernel(cell, run.weights), "cell", cell, "a cell with a recurrent kernel that is a matrix")
    return _preservation(cell.dynamics, run, constant(from_loss(cell, run, loss, lengths)), params, key, bound)


def has_recurrent_kernel(cell: Cell, weights: PyTree) -> bool:
    """Whether there is a matrix among the weights (from `cell.prepare`) by which the state returns into the cell."""
    return any(_is_recurrent(cell, path, leaf) for path, leaf in jax.tree.leaves_with_path(weights))


def _is_recurrent(cell: Cell, path: Any, leaf: Any) -> bool:
    return is_matrix(leaf) and owner(path, cell.recurrent_kernels) is not None


@functools.partial(jax.jit, static_argnums=0)
def _preservation(
    cell: Cell, run: Trajectory, cotangents: tuple[Array, list[Array]], params: PyTree, key: Array | None, bound: Array
) -> NormPreservation:
    batch_shape, _ = extent(cell, run.ys)
    places = (*batch_shape, *run.ys.shape[len(batch_shape) + 1 : -1])
    with jax.default_matmul_precision("highest"):
        deltas = [jax.lax.stop_gradient(leaf) for leaf in _state_gradients(cell, run, *cotangents)]
        variable = cell.prepare(params, key=key, batch_shape=places)
        weights = _returning(cell, run, variable, _Returning)
        try:
            moment = jax.tree.map(lambda leaf: leaf[0], run.moments)
            jax.eval_shape(lambda: cell.advance(weights, moment.carry, moment.drive))
        except (TypeError, ValueError):  # some functions of JAX take no stand-in for an array
            weights = _returning(cell, run, variable, lambda _, kernel: kernel)

        def back(moment, delta):
            def step(before):
                return moving(transition(cell, weights, run.initial, moment, moved(moment.carry, before)))

            return jax.vjp(step, moving(moment.carry))[1](delta)[0]

        passed_on = jax.vmap(back)(run.moments, deltas)
    before, after = (_squares(leaves, len(batch_shape) + 1) for leaves in (passed_on, deltas))
    counted = after >= bound
    ratios = jnp.where(counted, before / jnp.where(counted, after, 1.0), 1.0)
    return NormPreservation(jnp.moveaxis(ratios, 0, -1), jnp.moveaxis(counted, 0, -1))


def _state_gradients(cell: Cell, run: Trajectory, to_outputs: Array, to_final: list[Array]) -> list[Array]:
    """delta_t, the total derivative with respect to each leaf of the state after step t: `[time, *batch, ...]`.

    As in `gradient_flow`, without the care for numbers outside the range of floats: those below it do not count here.
    """

    def back(later, step):
        moment, to_output = step

        def forward(before, probe):
            carry = moved(moment.carry, before)
            after, read = step_with_readout(cell, run.weights, start(run.initial, moment, carry), moment.drive)
            after = moved(after, [leaf + zero for leaf, zero in zip(moving(after), probe, strict=True)])
            y = read(after)
            if moment.valid is not None:
                after, y = select(moment.valid, after, carry), select(moment.valid, y, jnp.zeros_like(y))
            return moving(after), y

        before = moving(moment.carry)
        return jax.vjp(forward, before, [jnp.zeros_like(leaf) for leaf in before])[1]((later, to_output))

    batch_axes = len(extent(cell, run.ys)[0])
    steps = run.moments, jnp.moveaxis(to_outputs, batch_axes, 0)
    _, deltas = jax.lax.scan(back, to_final, steps, reverse=True)
    return deltas


def _returning(cell: Cell, run: Trajectory, variable: PyTree, stand_in: Any) -> PyTree:
    """The weights of a run, with stand-ins for the recurrent kernels that hold those of `variable` too."""

    def replaced(path, leaf, kernel):
        return stand_in(leaf, kernel) if _is_recurrent(cell, path, leaf) else leaf

    return jax.tree_util.tree_map_with_path(replaced, run.weights, variable)


class _Returning(KernelStandIn):
    """A constant kernel in the products of a step, and a variable one where gradients come back through them."""

    def __init__(self, constant: Array, kernel: Array):
        super().__init__(kernel)
        self.constant = constant

    def tap(self, h: Array) -> Array:
        return _product(h.astype(self.kernel.dtype), self.constant, self.kernel)


@jax.custom_vjp
def _product(h, constant, kernel):
    del kernel
    return dot(h, constant)


def _product_backward(kernel, cotangent):
    return dot_back(cotangent, jnp.swapaxes(kernel, -1, -2)), None, None


_product.defvjp(lambda h, constant, kernel: (dot(h, constant), kernel), _product_backward)


def _squares(leaves: list[Array], batch_axes: int) -> Array:
    """The squared norm over all leaves, in float32 at least: `[time, *batch]`."""
    total: Any = 0.0
    for leaf in leaves:
        wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
        squares = (wide * wide.conj()).real  # unlike that of |z|, the derivative is finite at zero
        total = total + jnp.sum(squares, axis=tuple(range(batch_axes, leaf.ndim)))
    return total
