"""The cells of Equinox, under `jax.lax.scan`. There is none without gates."""

from __future__ import annotations

import equinox
import jax
import jax.numpy as jnp

from benchmarks.prepared import Absent, Prepared, prepare
from benchmarks.problem import Problem

CELLS = {"lstm": equinox.nn.LSTMCell, "gru": equinox.nn.GRUCell}


def prepare_layer(problem: Problem, mode: str, device: str) -> Prepared:
    """Compiles the layer of a problem.

    Raises:
      Absent: for a cell that Equinox does not have.
    """
    if problem.cell not in CELLS:
        raise Absent(f"Equinox has no {problem.cell} cell")
    hidden = problem.shape.hidden
    cell = converted(problem)
    arrays, static = equinox.partition(cell, equinox.is_array_like)

    def apply(arrays, xs):
        cell = jax.vmap(equinox.combine(arrays, static))
        zeros = jnp.zeros((xs.shape[1], hidden))

        def step(state, x):
            state = cell(x, state)
            return state, state[0] if problem.cell == "lstm" else state

        return jax.lax.scan(step, (zeros, zeros) if problem.cell == "lstm" else zeros, xs)[1]

    return prepare(apply, arrays, problem.xs, mode, device)


def converted(problem: Problem):
    """The cell with the weights of the problem: transposed, gates in our order."""
    params, shape = problem.params, problem.shape
    cell = CELLS[problem.cell](shape.inputs, shape.hidden, key=jax.random.key(0))
    leaves = [params["kernel"].T, params["recurrent_kernel"].T, params["bias"]]
    cell = equinox.tree_at(lambda cell: [cell.weight_ih, cell.weight_hh, cell.bias], cell, leaves)
    if problem.cell == "gru":
        cell = equinox.tree_at(lambda cell: cell.bias_n, cell, params["recurrent_bias"])
    return cell
