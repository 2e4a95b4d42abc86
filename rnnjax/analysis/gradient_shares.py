"""What each time step contributes to the gradient of the weights."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.analysis import scaled
from rnnjax.analysis.backward import Loss, backward, by_row, from_loss, plain_step
from rnnjax.analysis.parameter_blocks import parameter_blocks
from rnnjax.analysis.trajectory import Trajectory, extent, moving, record
from rnnjax.cell import Cell
from rnnjax.errors import check
from rnnjax.rows import select

Array = jax.Array
PyTree = Any


class GradientShares(NamedTuple):
    """The gradient of a loss with respect to the parameters, `G = sum over t of G_t`, taken apart by steps.

    Logarithms are natural, -inf where there is nothing, and not limited by the range of floats.

    Attributes:
      shares: `[*batch, time]`, the signed share `<G_t, G> / |G|^2` of each step of each row. They sum to one; a
        negative one works against the whole. NaN if G is zero.
      log_norms: `[time]`, of |G_t|, the contributions of all rows at step t together.
      log_block_norms: `[time]` for each block of the parameters, as in `parameter_blocks`: "kernel/forget", say.
      log_total: of |G|.
      log_block_totals: of each block of G.
    """

    shares: Array
    log_norms: Array
    log_block_norms: dict[str, Array]
    log_total: Array
    log_block_totals: dict[str, Array]


def gradient_shares(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    loss: Loss | None = None,
    carry: PyTree | None = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    key: Array | None = None,
) -> GradientShares:
    """Which steps of a sequence the weights learn from.

        G = dL/dw = sum over t of G_t,      G_t = (dh_t/dw)^T J_t+1^T delta_t+1 + (dy_t/dw)^T dL/dy_t

    G_t is the derivative with respect to the copy of the parameters that step t uses: the immediate derivative of its
    state and output, times all that later steps and the loss say about these. Where gradients vanish the shares of
    early steps do, and the network learns from what is recent: the short-term components that Pascanu, Mikolov &
    Bengio 2013 (arXiv:1211.5063, section 2) set against the long-term ones.

    Contributions are made and summed one step at a time, and projected on G by a Jacobian-vector product: of the size
    of the parameters there are G, one G_t and its sum, never one for each step or row. Numbers are floats times powers
    of two, as in `gradient_flow`.

    Args:
      cell: the cell.
      params: from `cell.init`.
      xs: inputs `[*batch, time, in_features]`, or a pytree of such arrays.
      loss: `(ys, carry) -> scalar` of the outputs and the final carry; `None` is half the squared norm of each row's
        last valid output, summed over the batch. Parameters outside the cell, a readout's, do not count.
      carry: the state before the first step; `None` is the initial carry.
      lengths: `[*batch]` ints; padded steps contribute nothing.
      resets: `[*batch, time]` bools; no gradient passes a reset.
      key: draws dropout masks, one a sequence; without one the cell is deterministic.

    Returns:
      Shares by row and step, and norms by step and by block of the parameters.

    Raises:
      InputError: a cell without parameters, a loss that is no scalar, or an argument that does not fit the cell, as in
        `rnnjax.unroll`.
    """
    check(bool(jax.tree.leaves(params)), "cell", cell, "a cell with parameters")
    run = record(cell, params, xs, carry, lengths, resets, key)
    found = _gradient_shares(cell.dynamics, params, xs, run, *from_loss(cell, run, loss, lengths), key)
    order = list(parameter_blocks(cell, params))  # compiled functions return dicts sorted by name
    by_block = ({block: logs[block] for block in order} for logs in (found.log_block_norms, found.log_block_totals))
    norms, totals = by_block
    return found._replace(log_block_norms=norms, log_block_totals=totals)


class _Sum(NamedTuple):
    """A gradient of the structure of the parameters, times a power of two."""

    leaves: PyTree
    exponent: Array


@functools.partial(jax.jit, static_argnums=0)
def _gradient_shares(
    cell: Cell,
    params: PyTree,
    xs: PyTree,
    run: Trajectory,
    to_outputs: Array,
    to_final: list[Array],
    key: Array | None,
) -> GradientShares:
    batch_axes = len(extent(cell, run.ys)[0])
    places = run.ys.shape[:batch_axes] + run.ys.shape[batch_axes + 1 : -1]
    xs = jax.tree.map(lambda leaf: jnp.moveaxis(jnp.asarray(leaf), batch_axes, 0), xs)
    if run.moments.valid is not None:
        xs = select(run.moments.valid, xs, jax.tree.map(jnp.zeros_like, xs))

    def local(moment):
        step = lambda before, _: plain_step(cell, run.weights, run.initial, moment, before, moment.drive)  # noqa: E731
        return step, None

    def of_params(moment, x):
        def step(params):
            weights = cell.prepare(params, key=key, batch_shape=places)
            return plain_step(cell, weights, run.initial, moment, moving(moment.carry), cell.project(weights, x))

        return step

    def add(total, step):
        moment, x, found = step
        highest = jnp.max(found.exponents)
        of_all_rows = jax.tree.map(lambda leaf: by_row(leaf, found.exponents - highest), (found.state, found.output))
        _, pull = jax.vjp(of_params(moment, x), params)
        contribution = _Sum(pull(of_all_rows)[0], highest)
        return _plus(total, contribution), _block_norms(cell, contribution)

    with jax.default_matmul_precision("highest"):
        found = backward(cell, run, to_outputs, to_final, local, lambda found, _: found)
        steps = run.moments, xs, found
        nothing = _Sum(jax.tree.map(jnp.zeros_like, params), jnp.asarray(scaled.NEVER, jnp.int32))
        total, norms = jax.lax.scan(add, nothing, steps)
        totals = _block_norms(cell, total)
        mantissa, exponent = _pooled(totals)
        unit = lambda leaf: (scaled.scale(leaf, total.exponent - exponent) / mantissa).astype(leaf.dtype)  # noqa: E731
        direction = jax.tree.map(unit, total.leaves)

        def share(step):
            moment, x, found = step
            _, (state, output) = jax.jvp(of_params(moment, x), (params,), (direction,))
            pairs = zip([*found.state, found.output], [*state, output], strict=True)
            along = jnp.asarray(sum(jnp.sum((a * b).real, axis=tuple(range(batch_axes, a.ndim))) for a, b in pairs))
            return scaled.scale(along, found.exponents - exponent) / mantissa

        shares = jnp.moveaxis(jax.lax.map(share, steps), 0, -1)
    logs = {block: scaled.log(*norm) for block, norm in norms.items()}
    log_totals = {block: scaled.log(*norm) for block, norm in totals.items()}
    return GradientShares(shares, scaled.log(*_pooled(norms)), logs, scaled.log(mantissa, exponent), log_totals)


def _plus(total: _Sum, more: _Sum) -> _Sum:
    """The sum of two gradients, with a power of two that suits it."""
    common = jnp.maximum(total.exponent, more.exponent)
    terms = (
        jax.tree.map(lambda leaf, part=part: scaled.scale(leaf, part.exponent - common), part.leaves)
        for part in (total, more)
    )
    leaves = jax.tree.map(jnp.add, *terms)
    own = functools.reduce(jnp.maximum, (scaled.exponent(leaf) for leaf in jax.tree.leaves(leaves)))
    leaves = jax.tree.map(lambda leaf: scaled.scale(leaf, -own), leaves)
    return _Sum(leaves, jnp.where(own == scaled.NEVER, scaled.NEVER, own + common))


def _block_norms(cell: Cell, gradient: _Sum) -> dict[str, tuple[Array, Array]]:
    """The norm of each block, as mantissa and exponent."""
    blocks = parameter_blocks(cell, gradient.leaves)
    return {name: scaled.norm(leaf, gradient.exponent, tuple(range(leaf.ndim))) for name, leaf in blocks.items()}


def _pooled(norms: dict[str, tuple[Array, Array]]) -> tuple[Array, Array]:
    """The norm of all blocks together."""
    mantissas, exponents = (jnp.stack(part) for part in zip(*norms.values(), strict=True))
    common = jnp.max(exponents, axis=0)
    return scaled.norm(scaled.scale(mantissas, exponents - common), common, axis=0)
