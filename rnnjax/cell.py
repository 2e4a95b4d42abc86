"""The one interface: a cell is configuration; its methods are pure functions of parameters, carry and input."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from rnnjax.affine import Affine
from rnnjax.errors import InputError
from rnnjax.kernel import dot_inputs
from rnnjax.precision import Precision

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True, repr=False)
class Cell(abc.ABC):
    """One step of a recurrent network.

    A cell is a frozen dataclass and holds no arrays: it is a static argument of `jax.jit`, an attribute of a Flax
    module, a key of a dictionary. A step is made of three pieces, by how often each has to be computed:

    - once a sequence: `prepare(params) -> weights`
    - all steps at once: `project(weights, xs) -> drive`, what depends on the inputs alone
    - each step: `recur(weights, carry, drive) -> (carry, y)`, what depends on the past

    A subclass defines `init`, `initial_carry`, `recur`, mostly `project`, and `prepare` where something can be
    computed once. Products of state and weights go through `rnnjax.kernel.dot`, so that engines can compute weight
    gradients outside the loop.

    Class attributes:
      gates: names of the gate blocks, in the order in which they lie along the last axis of the parameters.
      jacobian: structure of the step Jacobian d carry' / d carry: "diagonal" if unit i of the next state, in all its
        parts, depends on unit i of the state alone; "block" if on a group of units, such as a head; else "dense".
      recurrent_kernels: names of the parameters that the state is multiplied with on its way back into the cell:
        what recurrent dropout acts on.
      candidates: those of `gates` that are proposals for the new state or scales, not shares: their values may leave
        (0, 1).
      affine_in_state: whether the carry after a step is an affine function of the one before: `affine` and `readout`
        then say which, and the associative engine computes all steps at once.
      spatial_axes: how many axes of a sequence, between time and features, are places of one row and not rows of
        their own: 2 for images `[*batch, time, height, width, features]`. They are part of `batch_shape` wherever the
        cell is given one, and not part of the batch for lengths and resets.
      fixed: names of parameters that training leaves as they were drawn.
      equation: the recurrence in one line of plain text.
      source: the paper, with year and identifier.
      verified: the packages, with their versions, whose numbers the tests hold the cell against.
    """

    gates: ClassVar[tuple[str, ...]] = ()
    recurrent_kernels: ClassVar[tuple[str, ...]] = ("recurrent_kernel",)
    jacobian: ClassVar[Literal["dense", "diagonal", "block"]] = "dense"
    candidates: ClassVar[tuple[str, ...]] = ("candidate",)
    affine_in_state: ClassVar[bool] = False
    spatial_axes: ClassVar[int] = 0
    fixed: ClassVar[tuple[str, ...]] = ()
    equation: ClassVar[str] = ""
    source: ClassVar[str] = ""
    verified: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """The call that makes the cell, without what is left at its default."""
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.kw_only and value != field.default:
                shown.append(f"{field.name}={value!r}")
            elif not field.kw_only:
                shown.append(repr(value))
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    @abc.abstractmethod
    def output_features(self) -> int:
        """The last axis of the outputs."""

    @property
    @abc.abstractmethod
    def output_dtype(self) -> jnp.dtype:
        """The dtype of the outputs."""

    @property
    def dynamics(self) -> Cell:
        """The cell without its initialisers: equal for cells that compute the same from given parameters."""
        return self

    @abc.abstractmethod
    def init(self, key: Array, in_features: int) -> PyTree:
        """The initial parameters for inputs `[..., in_features]`: a dict of arrays.

        For inputs that are a pytree `in_features` is the same pytree of ints.
        """

    @abc.abstractmethod
    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> PyTree:
        """The state before the first step: a NamedTuple of arrays `[*batch_shape, ...]`."""

    def prepare(self, params: PyTree, *, key: Array | None = None, batch_shape: tuple[int, ...] = ()) -> PyTree:
        """What depends on neither inputs nor past, computed once a sequence: `params -> weights`.

        With a key the cell may draw its randomness here (dropout masks `[*batch_shape, ...]`); without one it is
        deterministic. The default returns the parameters as they are.
        """
        del key, batch_shape
        return params

    def project(self, weights: PyTree, xs: PyTree) -> PyTree:
        """What depends on the inputs alone, for inputs with any leading axes. The default returns the inputs.

        A leading time axis comes before the batch axes, so that masks `[*batch, features]` broadcast over it.
        """
        del weights
        return xs

    def stream(self, weights: PyTree, xs: PyTree) -> tuple[PyTree, Callable[[PyTree, Array], PyTree]]:
        """The drive of one step at a time: `(held, at)` with `at(held, t)` equal to `project(weights, xs)[t]`.

        `held` are arrays `[time, ...]`, made ahead of the loop, and `at` finishes a step's drive. For inputs `[time,
        *batch, in_features]` and a loop that is not differentiated. The default holds the drive; a cell overrides it
        where a drive is finished more cheaply in the step.
        """
        at = lambda held, t: jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, t, keepdims=False), held)  # noqa: E731
        return self.project(weights, xs), at

    @abc.abstractmethod
    def recur(self, weights: PyTree, carry: PyTree, drive: PyTree) -> tuple[PyTree, Array]:
        """One step from the state, for the drive of that step: `(weights, carry, drive) -> (carry, y)`."""

    def affine(self, weights: PyTree, drive: PyTree) -> Affine:
        """What the steps do to the state, as maps `h' = A h + b`, for drives with any leading axes.

        Raises:
          InputError: the cell is not affine in its state.
        """
        del weights, drive
        raise InputError("cell", self, "a cell that is affine in its state")

    def readout(self, weights: PyTree, carry: PyTree, drive: PyTree) -> Array:
        """The outputs of steps that ended in these states, for any leading axes. Goes with `affine`.

        Raises:
          InputError: the cell is not affine in its state.
        """
        del weights, carry, drive
        raise InputError("cell", self, "a cell that is affine in its state")

    def gate_values(self, weights: PyTree, carry: PyTree, drive: PyTree) -> dict[str, Array]:
        """The activations of the gates in one step, by the names in `gates` and in their order.

        Gate plots and statistics read them here: a cell that names gates defines it, and `recur` builds on it. Empty
        for a cell without gates.
        """
        del weights, carry, drive
        return {}

    def advance(self, weights: PyTree, carry: PyTree, drive: PyTree) -> tuple[PyTree, Array]:
        """`recur`, with carry and output brought to the dtypes of the policy. Engines call this."""
        new_carry, y = self.recur(weights, carry, drive)
        new_carry = jax.tree.map(lambda new, old: new.astype(old.dtype), new_carry, carry)
        return new_carry, y.astype(self.output_dtype)

    def step(self, params: PyTree, carry: PyTree, x: PyTree, *, key: Array | None = None) -> tuple[PyTree, Array]:
        """One time step, in the order of `jax.lax.scan`: `(params, carry, x) -> (carry, y)`.

        Args:
          params: from `init`.
          carry: from `initial_carry` or an earlier step.
          x: `[*batch, in_features]`.
          key: draws dropout masks; without one the step is deterministic.

        Returns:
          The next carry and the output `[*batch, output_features]`.

        Raises:
          InputError: parameters, carry or input do not fit each other.
        """
        batch_shape = check_call(self, params, x, carry)
        weights = self.prepare(params, key=checked_key(key), batch_shape=batch_shape)
        return self.advance(weights, carry, self.project(weights, x))

    def trainable(self, params: PyTree) -> PyTree:
        """The structure of the parameters with `True` where training changes them: all but those named in `fixed`."""
        return {name: jax.tree.map(lambda _, name=name: name not in self.fixed, leaf) for name, leaf in params.items()}

    def parameter_count(self, in_features: int) -> int:
        """The number of parameters for inputs `[..., in_features]`."""
        return sum(leaf.size for leaf in jax.tree.leaves(abstract_params(self, in_features)))


@dataclasses.dataclass(frozen=True, repr=False)
class UnitCell(Cell):
    """A cell with one width and one dtype policy: every cell that is not made of other cells.

    Args:
      features: width of the state.
      precision: the dtype policy.
    """

    features: int
    _: dataclasses.KW_ONLY
    precision: Precision = Precision()

    def __post_init__(self):
        if not isinstance(self.features, int) or isinstance(self.features, bool) or self.features < 1:
            raise InputError(f"{type(self).__name__}.features", self.features, "a positive int")
        if not isinstance(self.precision, Precision):
            raise InputError(f"{type(self).__name__}.precision", self.precision, "a Precision")

    @property
    def output_features(self) -> int:
        return self.features

    @property
    def output_dtype(self) -> jnp.dtype:
        return self.precision.dtype("output")

    def prepare(self, params: PyTree, *, key: Array | None = None, batch_shape: tuple[int, ...] = ()) -> PyTree:
        del key, batch_shape
        return jax.tree.map(lambda leaf: leaf.astype(self.precision.dtype("compute")), params)

    def project(self, weights: PyTree, xs: PyTree) -> PyTree:
        return dot_inputs(xs, weights["kernel"]) + weights["bias"]

    def zeros(self, batch_shape: tuple[int, ...], *shape: int) -> Array:
        """A zero state `[*batch_shape, *shape]` of the carry's dtype; `shape` is `features` unless given."""
        return jnp.zeros((*batch_shape, *(shape or (self.features,))), self.precision.dtype("carry"))


@functools.lru_cache(maxsize=512)
def _abstract_params(cell: Cell, widths: tuple[int, ...], structure: Any, x64: bool) -> PyTree:
    del x64  # only part of the cache's key
    return jax.eval_shape(lambda key: cell.init(key, structure.unflatten(widths)), jax.random.key(0))


def abstract_params(cell: Cell, in_features: int) -> PyTree:
    """Shapes and dtypes of the parameters of a cell, without computing them."""
    widths, structure = jax.tree.flatten(in_features)
    return _abstract_params(cell, tuple(widths), structure, jax.config.read("jax_enable_x64"))


def check_call(cell: Cell, params: PyTree, xs: PyTree, carry: PyTree | None, time_axes: int = 0) -> tuple[int, ...]:
    """Checks that parameters, inputs and carry fit a cell, and returns the batch shape.

    Args:
      cell: the cell.
      params: its parameters.
      xs: `[*time, *batch, in_features]`, or a pytree of such arrays; a cell's spatial axes come last among those of
        the batch.
      carry: the state, or `None` to leave it unchecked.
      time_axes: how many leading axes of `xs` are not batch axes.

    Raises:
      InputError: naming `params`, `xs` or `carry`, what was given and what was expected.
    """
    leaves = jax.tree.leaves(xs)
    if not leaves:
        raise InputError("xs", xs, "at least one array")
    for leaf in leaves:
        if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
            raise InputError("xs", type(leaf).__name__, "an array, or a pytree of arrays")
        least = time_axes + cell.spatial_axes + 1
        if leaf.ndim < least:
            raise InputError(
                "xs", f"shape {leaf.shape}", f"at least {least} axes for {cell}, the last one the features"
            )
        if not (jnp.issubdtype(leaf.dtype, jnp.floating) or jnp.issubdtype(leaf.dtype, jnp.complexfloating)):
            raise InputError("xs", f"dtype {leaf.dtype}", "a floating dtype (embed or one-hot encode integers first)")
    leading = leaves[0].shape[:-1]
    if any(leaf.shape[:-1] != leading for leaf in leaves):
        raise InputError("xs", [leaf.shape for leaf in leaves], "arrays that agree in all axes but the last")
    batch_shape = leading[time_axes:]
    _check_params(cell, params, jax.tree.map(lambda leaf: leaf.shape[-1], xs))
    if carry is not None:
        _check_tree("carry", carry, jax.eval_shape(lambda: cell.initial_carry(batch_shape)), f"{cell}")
    return batch_shape


def checked_key(key: Any) -> Array | None:
    """A key as `jax.random.key` makes it; those of `jax.random.PRNGKey` are brought to that form.

    Raises:
      InputError: something that is no key, or several keys.
    """
    if key is None:
        return None
    dtype = getattr(key, "dtype", None)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    if not typed and dtype == jnp.uint32 and key.ndim == 1:
        return jax.random.wrap_key_data(key)
    if not typed or key.ndim:
        raise InputError("key", key, "one key, from jax.random.key")
    return key


def _check_params(cell: Cell, params: PyTree, in_features: PyTree) -> None:
    whose = f"{cell} on inputs [..., {in_features}]"
    _check_tree("params", params, abstract_params(cell, in_features), whose, dtype=False)


def _check_tree(argument: str, given: PyTree, expected: PyTree, whose: str, dtype: bool = True) -> None:
    if jax.tree.structure(given) != jax.tree.structure(expected):
        raise InputError(argument, jax.tree.structure(given), f"{jax.tree.structure(expected)} for {whose}")
    for (path, leaf), wanted in zip(jax.tree.leaves_with_path(given), jax.tree.leaves(expected), strict=True):
        name = argument + jax.tree_util.keystr(path)
        if jnp.shape(leaf) != wanted.shape:
            raise InputError(name, f"shape {jnp.shape(leaf)}", f"shape {wanted.shape} for {whose}")
        if dtype and jnp.result_type(leaf) != wanted.dtype:
            raise InputError(name, f"dtype {jnp.result_type(leaf)}", f"dtype {wanted.dtype} for {whose}")
