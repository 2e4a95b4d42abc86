"""The fixed problem that a cell and its counterpart in another library are both given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from parity import make_golden

from rnnjax import unroll
from rnnjax.cell import Cell

BATCH, TIME, INPUTS, FEATURES = make_golden.BATCH, make_golden.TIME, make_golden.INPUTS, make_golden.FEATURES
LENGTHS = np.array([5, 2, 3], np.int32)
# The largest difference between two float64 computations of the same sums in another order: some thousand roundings.
TOLERANCE = 1e-12


def draws(seed: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Named arrays of float64 normal draws, scaled so that gates are neither open nor shut."""
    rng = np.random.default_rng(seed)
    return {name: 0.5 * rng.standard_normal(shape) for name, shape in shapes.items()}


def inputs() -> np.ndarray:
    """`[batch, time, inputs]`."""
    return 2 * draws(1, xs=(BATCH, TIME, INPUTS))["xs"]


def pulls(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Weights of the loss for arrays of the given shapes: the loss is the sum of the products."""
    rng = np.random.default_rng(2)
    return [rng.standard_normal(shape) for shape in shapes]


def loss_of(leaves: list[Any]) -> Any:
    """The fixed loss of final states and outputs."""
    return sum((leaf * pull).sum() for leaf, pull in zip(leaves, pulls(*(leaf.shape for leaf in leaves)), strict=True))


Run = Callable[..., tuple[Any, Any]]


def with_gradients(run: Run) -> Callable[..., tuple[Any, Any]]:
    """`run(*arguments) -> (final, ys)` together with the gradients of the fixed loss in every argument."""

    def evaluate(*arguments):
        def loss(arguments):
            final, ys = run(*arguments)
            return loss_of([*jax.tree.leaves(tuple(final)), ys]), (tuple(final), ys)

        gradients, outcome = jax.grad(loss, has_aux=True)(arguments)
        return outcome, gradients

    return jax.jit(evaluate)


def assert_agree(ours: Run, theirs: Run, *arguments: Any) -> None:
    """Two computations of the same arguments agree: final states, outputs, and gradients in every argument."""
    one, other = (jax.device_get(with_gradients(run)(*arguments)) for run in (ours, theirs))
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for (path, a), b in zip(jax.tree.leaves_with_path(one), jax.tree.leaves(other), strict=True):
        where = jax.tree_util.keystr(path)
        assert np.any(a), f"{where} is zero and would agree with anything"
        np.testing.assert_allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, err_msg=where)


def masked(ys: Any, lengths: Any = LENGTHS) -> Any:
    """Outputs `[batch, time, features]` with zeros past each row's length."""
    return jnp.where((np.arange(TIME) < np.asarray(lengths)[:, None])[..., None], ys, 0)


def at_last_step(states: Any, lengths: Any = LENGTHS) -> Any:
    """The state after each row's last valid step, of states `[batch, time, ...]`."""
    return jax.tree.map(lambda leaf: leaf[np.arange(BATCH), np.asarray(lengths) - 1], states)


# --- libraries that may not be here: what they computed is kept in a file ----------------------------------------


def golden_or_live(library: str, source: str) -> dict[str, np.ndarray]:
    """What a library computes for the problem of `make_golden`: read from its file, or computed now."""
    if source == "golden":
        with np.load(make_golden.FOLDER / f"{library}.npz") as file:
            return {name: file[name] for name in file.files}
    pytest.importorskip(library, reason=f"{library} is not installed: the golden file alone is compared")
    try:
        return make_golden.CASES[library]()
    except RuntimeError as error:
        pytest.skip(str(error))


def part(made: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """What is kept under a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in made.items() if name.startswith(prefix)}


def assert_agrees_with(made: dict[str, np.ndarray], cell: Cell, converted: Run, lengths: np.ndarray) -> None:
    """Outputs, final states and gradients of weights, inputs and states are those that a library computed.

    `converted` takes the library's weights to the cell's parameters, so that gradients are those of its weights.
    """
    state = type(cell.initial_carry())
    carry = [made[f"carry/{index}"] for index in range(len(state._fields))]
    _, _, of_ys, of_states = make_golden.problem(len(carry))

    def loss(weights, xs, carry):
        final, ys = unroll(cell, converted(weights), xs, state(*carry), lengths=lengths)
        total = sum((leaf * pull).sum() for leaf, pull in zip([ys, *final], [of_ys, *of_states], strict=True))
        return total, (final, ys)

    evaluate = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))
    (of_weights, of_xs, of_carry), (final, ys) = evaluate(part(made, "weights/"), made["xs"], carry)
    ours = {"ys": ys, "gradients/xs": of_xs} | {f"gradients/{name}": leaf for name, leaf in of_weights.items()}
    for index, (leaf, gradient) in enumerate(zip(final, of_carry, strict=True)):
        ours |= {f"final/{index}": leaf, f"gradients/carry/{index}": gradient}
    assert set(ours) == {name for name in made if name.startswith(("ys", "final/", "gradients/"))}
    for name, array in ours.items():
        assert array.dtype == np.float64 and np.any(made[name]), name
        np.testing.assert_allclose(array, made[name], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


def assert_distributed_alike(blocks: list[np.ndarray], quantiles: np.ndarray) -> None:
    """Each gate's draws have the quantiles of the library's draws, or are the same constant."""
    assert len(blocks) == len(quantiles)
    for block, expected in zip(blocks, quantiles, strict=True):
        if np.all(expected == expected[0]):
            assert np.all(block == expected[0])
            continue
        below = np.mean(np.ravel(block)[:, None] <= expected, axis=0)
        # Both sides are samples of about this size; five standard errors of a share.
        error = np.sqrt(make_golden.SHARES * (1 - make_golden.SHARES) * 2 / block.size)
        np.testing.assert_array_less(np.abs(below - make_golden.SHARES), 5 * error)


def initial(cell: Cell) -> dict[str, np.ndarray]:
    """As many draws of a cell's parameters as the library's are of."""
    keys = jax.random.split(jax.random.key(0), make_golden.DRAWS)
    return jax.device_get(jax.vmap(lambda key: cell.init(key, make_golden.INITIAL_INPUTS))(keys))
