"""The layers of Haiku.

`haiku.VanillaRNN` is rectified; its two linear layers with a tanh around them stand in for it. `haiku.GRU` applies the
reset gate before the recurrent product, so that it is checked against our GRU of that kind.
"""

from __future__ import annotations

import dataclasses

import haiku
import jax.numpy as jnp
import numpy as np

import rnnjax
from benchmarks.peers.ours import prepare_cell
from benchmarks.prepared import Prepared, prepare
from benchmarks.problem import Problem


class TanhRNN(haiku.RNNCore):
    """`haiku.VanillaRNN` with tanh in the place of the rectifier."""

    def __init__(self, hidden_size: int):
        super().__init__(name="tanh_rnn")
        self.hidden_size = hidden_size

    def __call__(self, inputs, prev_state):
        of_input = haiku.Linear(self.hidden_size, name="of_input")(inputs)
        h = jnp.tanh(of_input + haiku.Linear(self.hidden_size, with_bias=False, name="of_state")(prev_state))
        return h, h

    def initial_state(self, batch_size):
        return jnp.zeros((batch_size, self.hidden_size))


CORES = {"elman": TanhRNN, "lstm": haiku.LSTM, "gru": haiku.GRU}


def prepare_layer(problem: Problem, mode: str, device: str) -> Prepared:
    """Compiles the layer of a problem."""

    def layer(xs):
        core = CORES[problem.cell](problem.shape.hidden)
        return haiku.dynamic_unroll(core, xs, core.initial_state(xs.shape[1]))[0]

    apply = haiku.without_apply_rng(haiku.transform(layer)).apply
    prepared = prepare(apply, converted(problem), problem.xs, mode, device)
    return dataclasses.replace(prepared, expected=expected(problem, mode, device))


def converted(problem: Problem) -> dict:
    """The weights as Haiku keeps them."""
    kernel, recurrent, bias = (problem.params[name] for name in ("kernel", "recurrent_kernel", "bias"))
    if problem.cell == "elman":
        return {"tanh_rnn/of_input": {"w": kernel, "b": bias}, "tanh_rnn/of_state": {"w": recurrent}}
    if problem.cell == "lstm":  # one matrix for [x, h], gates i, g, f, o, and 1 is added to the forget gate
        hidden = problem.shape.hidden
        bias = bias - np.repeat(np.array([0, 1, 0, 0], np.float32), hidden)
        order = (0, 2, 1, 3)
        return {"lstm/linear": {"w": _ordered(np.concatenate([kernel, recurrent]), order), "b": _ordered(bias, order)}}
    # Blocks z, r, a; their z opens to the candidate where ours keeps the state: sigmoid(-a) = 1 - sigmoid(a).
    signs = np.repeat(np.array([-1, 1, 1], np.float32), problem.shape.hidden)
    named = {"w_i": kernel, "w_h": recurrent, "b": bias}
    return {"gru": {name: _ordered(leaf, (1, 0, 2)) * signs for name, leaf in named.items()}}


def expected(problem: Problem, mode: str, device: str) -> np.ndarray | None:
    """What the GRU has to compute; the other layers compute what all do."""
    if problem.cell != "gru":
        return None
    cell = rnnjax.GRU(problem.shape.hidden, reset_after=False)
    params = {name: leaf for name, leaf in problem.params.items() if name != "recurrent_bias"}
    of_kind = Problem(problem.cell, problem.shape, params, problem.xs)
    return prepare_cell(cell, of_kind, mode, device).result()


def _ordered(blocks: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    split = np.split(blocks, len(order), axis=-1)
    return np.concatenate([split[index] for index in order], axis=-1)
