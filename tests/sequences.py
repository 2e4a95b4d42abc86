"""One small padded batch for every cell, and the compiled functions whose results the laws compare."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import references
from catalog import FLOAT64, Entry, entry_of

import rnnjax
from rnnjax.cell import Cell, abstract_params

BATCH, TIME, HALF = 3, 8, 4
LENGTHS = np.array([TIME, 0, HALF], np.int32)
RESETS = np.zeros((BATCH, TIME), bool)
RESETS[0, [3, 6]] = RESETS[1, 2] = RESETS[2, [0, 2, 5]] = True

OPTIONS = ("reverse", "time_major", "return_carries", "engine", "remat", "unroll", "hoist")
_unroll = jax.jit(rnnjax.unroll, static_argnames=("cell", *OPTIONS))


def run(*arguments: Any, **options: Any) -> Any:
    """`rnnjax.unroll`, compiled once for each cell and choice of options, its results as NumPy arrays."""
    return jax.device_get(_unroll(*arguments, **options))


class Example(NamedTuple):
    """A cell with parameters, inputs and a carry, none of which is zero anywhere."""

    cell: Cell
    params: Any
    xs: np.ndarray
    carry: Any
    key: jax.Array

    @property
    def start(self):
        """The arguments of `unroll` up to the carry."""
        return self.cell, self.params, self.xs, self.carry


def drawn_like(tree: Any, seed: int, scale: float = 0.5) -> Any:
    """Normal draws of the shapes and dtypes of a tree's leaves, as NumPy arrays."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: np.asarray(scale * rng.standard_normal(leaf.shape), leaf.dtype), tree)


def example(entry: Entry, precision: rnnjax.Precision = FLOAT64, batch_shape=(BATCH,), seed: int = 0) -> Example:
    """A cell of the catalog with everything drawn at random, biases and peepholes too."""
    cell = entry.cell(precision)
    params = drawn_like(abstract_params(cell, entry.in_features), seed)
    shape = jax.ShapeDtypeStruct((*batch_shape, TIME, *entry.places, entry.in_features), precision.dtype("params"))
    carry = drawn_like(jax.eval_shape(lambda: cell.initial_carry((*batch_shape, *entry.places))), seed + 2)
    carry = references.CARRIES.get(entry.name, lambda drawn: drawn)(carry)
    return Example(cell, params, drawn_like(shape, seed + 1, scale=1.0), carry, jax.random.key(seed + 3))


def example_of(cls: Any, batch_shape=(BATCH,)) -> Example:
    """An example of a cell class with four features."""
    return example(entry_of(cls), batch_shape=batch_shape)


def elman() -> tuple[Any, ...]:
    """A cell, its parameters, inputs and carry: the cheapest to compile."""
    return example_of(rnnjax.Elman).start


def weighed(tree: Any, rows: Any) -> jax.Array:
    """A number that depends on every entry of a tree, each by a weight that its position alone determines.

    `rows` weighs the entries of the first axis, the batch.
    """
    total = jnp.zeros(())
    for leaf in jax.tree.leaves(tree):
        angles = sum((axis + 1.7) * index for axis, index in enumerate(np.indices(leaf.shape)))
        along_rows = jnp.reshape(rows, (-1, *(1,) * (leaf.ndim - 1)))
        total = total + jnp.sum(leaf * jnp.asarray(np.sin(1.0 + angles), leaf.dtype) * along_rows)
    return total


class Evaluation(NamedTuple):
    """The loss, what `unroll` returned (carries too), and the gradients of parameters, inputs and carry."""

    loss: np.ndarray
    outcome: Any
    params: Any
    xs: Any
    carry: Any

    @property
    def gradients(self):
        return self.params, self.xs, self.carry


def evaluate(cell, params, xs, carry, *, rows=(1.0,) * BATCH, through_carries=0.0, **given) -> Evaluation:
    """Runs a cell and differentiates a weighed sum of final carry and outputs, and of the carries if asked for."""
    return jax.device_get(_evaluate(cell, params, xs, carry, np.asarray(rows), through_carries, **given))


@functools.partial(jax.jit, static_argnames=("cell", *OPTIONS))
def _evaluate(cell, params, xs, carry, rows, through_carries, **given):
    def loss(params, xs, carry):
        final, ys, carries = outcome = rnnjax.unroll(cell, params, xs, carry, return_carries=True, **given)
        return weighed((final, ys), rows) + through_carries * weighed(carries, rows), outcome

    (value, outcome), gradients = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)(params, xs, carry)
    return Evaluation(value, outcome, *gradients)


def directional(tree: Any, seed: int) -> dict[str, Any]:
    """One random direction for each leaf of a tree, by the leaf's path: zero in all other leaves."""
    leaves, structure = jax.tree.flatten(drawn_like(tree, seed))
    zeros = [np.zeros_like(leaf) for leaf in leaves]
    paths = ["/".join(map(_name, path)) for path, _ in jax.tree.leaves_with_path(tree)]
    return {
        path: structure.unflatten([*zeros[:i], leaf, *zeros[i + 1 :]])
        for i, (path, leaf) in enumerate(zip(paths, leaves, strict=True))
    }


def _name(entry: Any) -> str:
    return str(next(getattr(entry, name) for name in ("key", "name", "idx") if hasattr(entry, name)))


def plus(tree: Any, step: float, direction: Any) -> Any:
    """`tree + step * direction`."""
    return jax.tree.map(lambda leaf, along: leaf + step * along, tree, direction)


def inner(a: Any, b: Any) -> float:
    """The inner product of two trees."""
    return float(sum(np.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)))


def assert_same(actual: Any, expected: Any, tolerance: float = 1e-12) -> None:
    """Equal in structure, dtype and shape, and in value to `tolerance`, absolute and relative.

    The default is for float64: a few thousand roundings of size 1, where the order of summation is free.
    """
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for (path, a), b in zip(jax.tree.leaves_with_path(actual), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype, jax.tree_util.keystr(path)
        wide = jnp.promote_types(a.dtype, jnp.float32)  # NumPy does not compute in bfloat16
        a, b = np.asarray(a, wide), np.asarray(b, wide)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=jax.tree_util.keystr(path))


def assert_identical(actual: Any, expected: Any) -> None:
    """Equal bit for bit; NaN equals NaN."""
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for (path, a), b in zip(jax.tree.leaves_with_path(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=jax.tree_util.keystr(path))
        assert a.dtype == b.dtype, jax.tree_util.keystr(path)


def row(tree: Any, index: Any) -> Any:
    """One row of each leaf, or several."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def by_row(condition: np.ndarray, leaf: Any) -> np.ndarray:
    """A condition for each row, to select in a leaf of any number of axes."""
    return condition.reshape(-1, *(1,) * (leaf.ndim - 1))


def padded(lengths: Any = LENGTHS) -> np.ndarray:
    """`[batch, time]`, true where a step is padding."""
    return np.arange(TIME) >= np.asarray(lengths)[:, None]


def with_nan_padding(xs: np.ndarray, lengths: Any = LENGTHS) -> np.ndarray:
    """Inputs whose padding is NaN."""
    return np.where(padded(lengths).reshape(*xs.shape[:2], *(1,) * (xs.ndim - 2)), np.asarray(np.nan, xs.dtype), xs)
