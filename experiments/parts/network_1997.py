"""The networks of Hochreiter & Schmidhuber 1997 with their learning rules: exact to the number of weights.

`rnnjax.LSTM1997` is the cell that others made of this network: a gate for each cell, gates that are not fed back, and
the whole gradient. Here are memory cells in blocks that share gates, gates that all gates and cells see in the next
step, and the truncated gradient, which is computed forwards in time with a fixed amount of memory. Everything is for
one sequence at a time: online learning. doi:10.1162/neco.1997.9.8.1735, sections 4 and 5 and appendix A.1; numbers of
equations are those of the appendix.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import check, check_choice

Array = jax.Array
Params = dict[str, Array]

BIASED = ("none", "gates", "hidden", "all")


class BlockState(NamedTuple):
    """What a step hands on.

    Attributes:
      h: outputs of the cells, `[cells]`.
      c: internal states of the cells, `[cells]`.
      gates: input gates, then output gates, `[gates]`.
      z: what the hidden units saw, `[sources]`.
      by_input: derivatives of c with respect to the weights of the block's input gate, `[cells, sources]`.
      by_cell: derivatives of c with respect to the weights of the cell itself, `[cells, sources]`.
    """

    h: Array
    c: Array
    gates: Array
    z: Array
    by_input: Array
    by_cell: Array


@dataclasses.dataclass(frozen=True)
class MemoryBlocks:
    """Memory cells in blocks: the cells of a block share an input gate and an output gate.

        z = [x, h, i, o, 1]      i', o' = sigmoid(W z)      c' = c + i' g(W z)      h' = o' k(c')
        y = sigmoid(V [h', x, 1])

    with g(u) = 4 sigmoid(u) - 2 and k(c) = 2 sigmoid(c) - 1. In the truncated gradient z counts as given: error flows
    back through c alone, where it stays as it is. So d c / d W is a sum over the steps so far (25, 27), and

        e_k = y (1 - y) (t - y)    for the outputs, of E = 1/2 sum (t - y)^2    (19)
        -dE/dV = e_k [h', x, 1]    -dE/dW_o = o' (1 - o') sum_v k(c'_v) (V^T e_k)_v  z    (21, 22)
        -dE/dW_i, -dE/dW_c = sum_v o' k'(c'_v) (V^T e_k)_v  dc'_v/dW    (23, 24)

    Args:
      blocks: number of blocks.
      size: cells a block.
      output_gates: whether there are any; without them h' = k(c').
      feedback: whether hidden units see those of the step before ("F" in Table 10), or the input alone.
      direct: whether the outputs see the input too.
      biased: the units with a bias weight: "none", "gates", "hidden" (gates and cells), or "all" (outputs too).
      plain: g(u) = sigmoid(u) and k(c) = c, as in tasks 2a and 2b.
      bound: weights start from U(-bound, bound).
      input_bias: of the input gates at the start, one a block; empty leaves them to chance.
      output_bias: of the output gates, likewise.

    Raises:
      InputError: numbers out of range, or biases that are not one a block.
    """

    blocks: int
    size: int = 1
    output_gates: bool = True
    feedback: bool = True
    direct: bool = False
    biased: str = "all"
    plain: bool = False
    bound: float = 0.1
    input_bias: tuple[float, ...] = ()
    output_bias: tuple[float, ...] = ()

    def __post_init__(self):
        check_choice("MemoryBlocks.biased", self.biased, BIASED)
        for field in ("blocks", "size"):
            check(getattr(self, field) >= 1, f"MemoryBlocks.{field}", getattr(self, field), "a positive int")
        for field in ("input_bias", "output_bias"):
            given = getattr(self, field)
            fits = not given or (len(given) == self.blocks and self.biased != "none")
            check(fits, f"MemoryBlocks.{field}", given, f"nothing, or {self.blocks} biases of units that have one")

    @property
    def cells(self) -> int:
        """The number of memory cells."""
        return self.blocks * self.size

    @property
    def gates(self) -> int:
        """The number of gates, of both kinds."""
        return self.blocks * (2 if self.output_gates else 1)

    def sources(self, in_features: int) -> int:
        """The length of z."""
        return in_features + self.feedback * (self.cells + self.gates) + (self.biased != "none")

    def trained(self, in_features: int) -> np.ndarray:
        """Which of the hidden units' weights there are, `[gates + cells, sources]`: cells may be without a bias."""
        mask = np.ones((self.gates + self.cells, self.sources(in_features)), np.float32)
        if self.biased == "gates":
            mask[self.gates :, -1] = 0
        return mask

    def init(self, key: Array, in_features: int, outputs: int) -> Params:
        """Weights: "hidden" `[gates + cells, sources]`, gates in the order of the state; "readout" `[outputs, ...]`."""
        hidden_key, readout_key = jax.random.split(key)
        mask = jnp.asarray(self.trained(in_features))
        hidden = mask * jax.random.uniform(hidden_key, mask.shape, minval=-self.bound, maxval=self.bound)
        for first, bias in ((0, self.input_bias), (self.blocks, self.output_bias)):
            if bias:
                hidden = hidden.at[first : first + self.blocks, -1].set(jnp.asarray(bias))
        width = self.cells + self.direct * in_features + (self.biased == "all")
        readout = jax.random.uniform(readout_key, (outputs, width), minval=-self.bound, maxval=self.bound)
        return {"hidden": hidden, "readout": readout}

    def count(self, in_features: int, outputs: int) -> int:
        """The number of weights, as the paper counts them."""
        width = self.cells + self.direct * in_features + (self.biased == "all")
        return int(self.trained(in_features).sum()) + outputs * width

    def start(self, in_features: int) -> BlockState:
        """The state before a sequence: all activations zero."""
        cells, sources = jnp.zeros(self.cells), jnp.zeros((self.cells, self.sources(in_features)))
        return BlockState(cells, cells, jnp.zeros(self.gates), jnp.zeros(sources.shape[1]), sources, sources)

    def advance(self, params: Params, state: BlockState, x: Array, *, learning: bool = True) -> BlockState:
        """One step, with the derivatives of the internal states where they are asked for."""
        parts = [x, *([state.h, state.gates] if self.feedback else []), *([jnp.ones(1)] * (self.biased != "none"))]
        z = jnp.concatenate(parts)
        net = params["hidden"] @ z
        gates, net = jax.nn.sigmoid(net[: self.gates]), net[self.gates :]
        i = jnp.repeat(gates[: self.blocks], self.size)
        g = jax.nn.sigmoid(net) if self.plain else 2 * jnp.tanh(net / 2)
        c = state.c + i * g
        h = self._outward(gates) * (c if self.plain else jnp.tanh(c / 2))
        by_input, by_cell = state.by_input, state.by_cell
        if learning:
            slope = g * (1 - g) if self.plain else 1 - g**2 / 4
            by_input = by_input + (g * i * (1 - i))[:, None] * z
            by_cell = by_cell + (i * slope)[:, None] * z
        return BlockState(h, c, gates, z, by_input, by_cell)

    def credit(self, params: Params, state: BlockState, error: Array) -> Array:
        """-dE/d hidden of one step, from the error -dE/dh `[cells]` that arrives at the cells' outputs."""
        k = state.c if self.plain else jnp.tanh(state.c / 2)
        inner = error * self._outward(state.gates) * (1.0 if self.plain else (1 - k**2) / 2)
        rows = [jnp.sum((inner[:, None] * state.by_input).reshape(self.blocks, self.size, -1), 1)]
        if self.output_gates:
            o = state.gates[self.blocks :]
            rows.append((o * (1 - o) * jnp.sum((k * error).reshape(self.blocks, self.size), 1))[:, None] * state.z)
        rows.append(inner[:, None] * state.by_cell)
        return jnp.concatenate(rows) * self.trained(state.z.shape[0] - self.sources(0))

    def _outward(self, gates: Array) -> Any:
        return jnp.repeat(gates[self.blocks :], self.size) if self.output_gates else 1.0


class UnitState(NamedTuple):
    """`h`: the unit's output, `[1]`; `by_unit`: its derivatives with respect to the unit's weights, `[1, sources]`."""

    h: Array
    by_unit: Array


@dataclasses.dataclass(frozen=True)
class RecurrentUnit:
    """One logistic unit that sees itself, trained by real-time recurrent learning: the baseline of task 2a.

        h' = sigmoid(w [x, h])      y = sigmoid(V [h', x])      dh'/dw = h' (1 - h') ([x, h] + w_h dh/dw)

    The gradient is exact and equals that of back-propagation through time. No unit has a bias.

    Args:
      bound: weights start from U(-bound, bound).
    """

    bound: float = 0.2
    cells = 1
    direct = True
    biased = "none"

    def init(self, key: Array, in_features: int, outputs: int) -> Params:
        """Weights: "hidden" `[1, in_features + 1]` and "readout" `[outputs, 1 + in_features]`."""
        shapes = {"hidden": (1, in_features + 1), "readout": (outputs, 1 + in_features)}
        keys = jax.random.split(key)
        draw = {name: (k, shape) for k, (name, shape) in zip(keys, shapes.items(), strict=True)}
        return {name: jax.random.uniform(k, s, minval=-self.bound, maxval=self.bound) for name, (k, s) in draw.items()}

    def count(self, in_features: int, outputs: int) -> int:
        """The number of weights."""
        return (in_features + 1) * (outputs + 1)

    def start(self, in_features: int) -> UnitState:
        """The state before a sequence."""
        return UnitState(jnp.zeros(1), jnp.zeros((1, in_features + 1)))

    def advance(self, params: Params, state: UnitState, x: Array, *, learning: bool = True) -> UnitState:
        """One step, with the derivatives of the unit where they are asked for."""
        z = jnp.concatenate([x, state.h])
        h = jax.nn.sigmoid(params["hidden"] @ z)
        by_unit = state.by_unit
        if learning:
            by_unit = (h * (1 - h))[:, None] * (z + params["hidden"][:, -1:] * by_unit)
        return UnitState(h, by_unit)

    def credit(self, params: Params, state: UnitState, error: Array) -> Array:
        """-dE/d hidden of one step, from the error that arrives at the unit's output."""
        del params
        return error[:, None] * state.by_unit


Network = MemoryBlocks | RecurrentUnit


class Lesson(NamedTuple):
    """One sequence: inputs `[time, in_features]`, targets `[time, outputs]`, where they count `[time]`, its length."""

    inputs: Array
    targets: Array
    mask: Array
    length: Array


def present(
    network: Network,
    params: Params,
    lesson: Lesson,
    rate: float,
    *,
    allowed: float = 0.0,
    each_step: bool = False,
    joined: Any = True,
) -> tuple[Params, Array, Array]:
    """Learns from one sequence by gradient descent on E = 1/2 sum (target - output)^2.

    Args:
      network: the network.
      params: its weights.
      lesson: the sequence.
      rate: learning rate.
      allowed: a step is right if all outputs are within this absolute error.
      each_step: whether weights change in each step, or once, by the sum over all steps.
      joined: whether the hidden units have joined the network; until then the outputs see the input alone.

    Returns:
      The new weights, the mean absolute error of the outputs that counted, and the number of steps that were wrong.
    """
    dtype = params["readout"].dtype
    share = jnp.asarray(joined, dtype)

    def learn(weights, t, state):
        seen = _seen(network, state.h * share, lesson.inputs[t])
        y = jax.nn.sigmoid(weights["readout"] @ seen)
        difference = lesson.targets[t] - y
        e = difference * y * (1 - y)
        arriving = share * (weights["readout"][:, : network.cells].T @ e)
        change = {"hidden": network.credit(weights, state, arriving), "readout": e[:, None] * seen}
        error = jnp.abs(difference)
        return change, jnp.mean(error), jnp.any(~(error < allowed)).astype(dtype)  # NaN is wrong

    def step(t, carry):
        weights, total, state, mean, wrong = carry
        state = network.advance(weights, state, lesson.inputs[t])

        def count(weights, total):
            change, own_mean, own_wrong = learn(weights, t, state)
            change = jax.tree.map(lambda leaf: rate * leaf, change)
            if each_step:
                weights = jax.tree.map(jnp.add, weights, change)
            else:
                total = jax.tree.map(jnp.add, total, change)
            return weights, total, mean + own_mean, wrong + own_wrong

        skip = lambda weights, total: (weights, total, mean, wrong)  # noqa: E731
        weights, total, mean, wrong = jax.lax.cond(lesson.mask[t] > 0, count, skip, weights, total)
        return weights, total, state, mean, wrong

    zero = jnp.zeros((), dtype)
    nothing = jax.tree.map(jnp.zeros_like, params)
    start = (params, nothing, network.start(lesson.inputs.shape[-1]), zero, zero)
    weights, total, _, mean, wrong = jax.lax.fori_loop(0, lesson.length, step, start)
    return jax.tree.map(jnp.add, weights, total), mean / jnp.maximum(lesson.mask.sum(), 1), wrong


def outputs(network: Network, params: Params, inputs: Array) -> Array:
    """The network's outputs over one sequence, `[time, in_features] -> [time, outputs]`."""

    def step(state, x):
        state = network.advance(params, state, x, learning=False)
        return state, jax.nn.sigmoid(params["readout"] @ _seen(network, state.h, x))

    return jax.lax.scan(step, network.start(inputs.shape[-1]), inputs)[1]


def _seen(network: Network, h: Array, x: Array) -> Array:
    """What the outputs see."""
    return jnp.concatenate([h, *([x] * network.direct), *([jnp.ones(1)] * (network.biased == "all"))])
