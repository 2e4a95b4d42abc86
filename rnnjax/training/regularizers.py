"""Terms that are added to the gradient of a run: Pascanu's regulariser and gradient flossing."""

from __future__ import annotations

import abc
import dataclasses
import functools
import numbers
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.analysis import flossing_loss, norm_preservation
from rnnjax.analysis.norm_preservation import has_recurrent_kernel
from rnnjax.analysis.states import vector
from rnnjax.analysis.trajectory import moving
from rnnjax.cell import Cell, abstract_params
from rnnjax.errors import check, check_choice

Array = jax.Array
PyTree = Any


class Pass(NamedTuple):
    """What a regulariser is given: the cell's part of one update.

    Attributes:
      xs: inputs `[batch, time, in_features]`.
      loss: `(ys, carry) -> scalar`, the loss of the update as a function of the cell's outputs.
      carry: the state before the first step, or `None` for the initial one.
      lengths: `[batch]`, or `None` where every row is full.
      key: draws the same dropout masks as the update does.
      axis: name of the mapped axis over which the batch is split, or `None`.
    """

    xs: Array
    loss: Any
    carry: PyTree
    lengths: Array | None
    key: Array
    axis: str | None


@dataclasses.dataclass(frozen=True)
class Regularizer(abc.ABC):
    """A term of the parameters of the cell whose gradient, times `weight`, is added to that of the loss.

    Args:
      weight: the factor.

    Raises:
      InputError: a weight below zero.
    """

    weight: float = 1.0

    def __post_init__(self):
        valid = _is_number(self.weight) and 0 <= self.weight < float("inf")
        check(valid, f"{type(self).__name__}.weight", self.weight, "a number >= 0")

    @abc.abstractmethod
    def check_cell(self, cell: Cell, in_features: int) -> None:
        """Raises `InputError` for a cell that the regulariser has no meaning for."""

    @abc.abstractmethod
    def penalty(self, cell: Cell, params: PyTree, given: Pass) -> Array:
        """The term, a scalar, without its weight; differentiable with respect to the parameters of the cell."""

    def active(self, step: Array) -> Array | None:
        """Whether it acts on the update of this number; `None` if on every one."""
        del step

    def keeps_loss(self) -> bool:
        """Whether the gradient of the loss is followed where the regulariser acts."""
        return True


@dataclasses.dataclass(frozen=True)
class Pascanu(Regularizer):
    """Keeps the norm of the gradient on its way back through time, against vanishing gradients.

        s_t = |J_t^T delta_t|^2 / |delta_t|^2,      delta_t = dL/dh_t,      J_t = dh_t/dh_t-1
        "paper": sum over t of (sqrt(s_t) - 1)^2, mean over rows        "code": mean over t and rows of (s_t - 1)^2

    Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, section 3.3. Its gradient is the paper's, with respect to the
    recurrent kernels alone, with states and delta_t held constant (`rnnjax.analysis.norm_preservation`); it is added
    before the clipping. "paper" is equation 9, with a weight of 4 in the experiments; equation 10 has squared norms in
    the place of norms. The authors' programs (`pascanur/trainingRNNs`) compute "code", with 2 as the weight that is set
    there: a mean, where the paper has a sum, so that over T steps the same weight means T times less.

    Args:
      weight: alpha.
      variant: "paper" or "code".
      bound: a step counts where |delta_t|^2 is at least this, for the mean loss over the batch; the authors' 1e-20.

    Raises:
      InputError: an unknown variant, or a number out of range.
    """

    weight: float = 4.0
    _: dataclasses.KW_ONLY
    variant: str = "paper"
    bound: float = 1e-20

    def __post_init__(self):
        super().__post_init__()
        check_choice("Pascanu.variant", self.variant, ("paper", "code"))
        check(_is_number(self.bound) and self.bound > 0, "Pascanu.bound", self.bound, "a number > 0")

    def check_cell(self, cell: Cell, in_features: int) -> None:
        expected = f"a cell with a recurrent kernel that is a matrix, which {cell} has not"
        check(_returns(cell.dynamics, in_features), "Config.regularizer", self, expected)

    def penalty(self, cell: Cell, params: PyTree, given: Pass) -> Array:
        rows = dict(carry=given.carry, lengths=given.lengths, key=given.key, bound=self.bound)
        squared, counted = norm_preservation(cell, params, given.xs, given.loss, **rows)
        if self.variant == "paper":
            positive = squared > 0  # the root has no derivative at zero
            ratios = jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)
            return jnp.mean(jnp.sum(jnp.where(counted, jnp.square(ratios - 1), 0.0), axis=-1))
        count = jnp.sum(counted, dtype=squared.dtype)
        count = count if given.axis is None else jax.lax.pmean(count, given.axis)
        return jnp.sum(jnp.where(counted, jnp.square(squared - 1), 0.0)) / jnp.maximum(count, 1e-9)


@dataclasses.dataclass(frozen=True)
class Flossing(Regularizer):
    """Gradient flossing: pushes Lyapunov exponents to zero, where gradients neither vanish nor explode.

        mean over rows of  sum over i = 1..count of lambda_i^2

    Engelken 2023, arXiv:2312.17306 (`rnnjax.analysis.flossing_loss`), on the inputs of each update. The paper flosses
    before training (`updates=500, alone=True`), and again in between (`period`). A gradient through a direction that a
    step wipes out is not finite, and such updates are skipped: keep `count` small where cells have such steps, as
    rectified ones do.

    Args:
      weight: the factor of the term.
      count: how many exponents, the largest first.
      updates: acts on the first so many updates; `None` on all.
      period: acts on one update in so many, the first of them.
      alone: whether the gradient of the loss is left out where it acts.
      window: the first so many steps of the inputs; `None` is all.
      every: steps between re-orthonormalisations.
      burn_in: steps at the beginning that do not count; fewer than those of any row.

    Raises:
      InputError: a number out of range.
    """

    _: dataclasses.KW_ONLY
    count: int = 1
    updates: int | None = None
    period: int = 1
    alone: bool = False
    window: int | None = None
    every: int = 1
    burn_in: int = 0

    def __post_init__(self):
        super().__post_init__()
        for field, least in (("count", 1), ("updates", 1), ("period", 1), ("window", 1), ("every", 1), ("burn_in", 0)):
            given = getattr(self, field)
            optional = field in ("updates", "window")
            valid = isinstance(given, int) and not isinstance(given, bool) and given >= least
            expected = f"an int >= {least}" + (", or None" if optional else "")
            check(valid or (optional and given is None), f"Flossing.{field}", given, expected)
        within = self.window is None or self.burn_in < self.window
        check(within, "Flossing.burn_in", self.burn_in, f"an int below window={self.window}")

    def check_cell(self, cell: Cell, in_features: int) -> None:
        del in_features
        n = _state_size(cell.dynamics)
        check(self.count <= n, "Config.regularizer", self, f"a count in 1..{n}, the size of the state of {cell}")

    def penalty(self, cell: Cell, params: PyTree, given: Pass) -> Array:
        window = given.xs.shape[1] if self.window is None else min(self.window, given.xs.shape[1])
        lengths = None if given.lengths is None else jnp.minimum(given.lengths, window)
        options: dict[str, Any] = dict(every=min(self.every, window), burn_in=self.burn_in, key=given.key)
        return flossing_loss(cell, params, given.xs[:, :window], self.count, given.carry, lengths=lengths, **options)

    def active(self, step: Array) -> Array | None:
        if self.updates is None and self.period == 1:
            return None
        due = step % self.period == 0
        return due if self.updates is None else due & (step < self.updates)

    def keeps_loss(self) -> bool:
        return not self.alone


def add_penalty(
    regularizer: Regularizer, cell: Cell, params: PyTree, gradients: PyTree, step: Array, given: Pass
) -> tuple[Array, PyTree]:
    """The term's value, 0 where it does not act, and the gradients with those of the term added.

    Args:
      regularizer: the term.
      cell: the cell of the run.
      params: those of the run, the cell's under "cell".
      gradients: of the loss, likewise.
      step: the number of the update, from 0.
      given: the cell's part of the update.
    """

    def computed():
        return jax.value_and_grad(lambda own: regularizer.penalty(cell, own, given))(params["cell"])

    active = regularizer.active(step)
    if active is None:
        value, own = computed()
    else:
        nothing = lambda: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(computed))  # noqa: E731
        value, own = jax.lax.cond(active, computed, nothing)
    if not regularizer.keeps_loss():
        off = jnp.ones((), bool) if active is None else active
        gradients = jax.tree.map(lambda g: jnp.where(off, jnp.zeros_like(g), g), gradients)
    weighted = jax.tree.map(lambda g, added: g + (regularizer.weight * added).astype(g.dtype), gradients["cell"], own)
    return value, {**gradients, "cell": weighted}


@functools.lru_cache(maxsize=64)
def _returns(cell: Cell, in_features: int) -> bool:
    params = abstract_params(cell, in_features)
    weights = jax.eval_shape(lambda params: cell.prepare(params, batch_shape=(1,) * (1 + cell.spatial_axes)), params)
    return has_recurrent_kernel(cell, weights)


@functools.lru_cache(maxsize=64)
def _state_size(cell: Cell) -> int:
    places = (1,) * cell.spatial_axes
    return jax.eval_shape(lambda: vector(moving(cell.initial_carry(places)), ())).shape[-1]


def _is_number(given: Any) -> bool:
    return isinstance(given, numbers.Real) and not isinstance(given, bool)
