"""The cuDNN engine: NVIDIA's own LSTM, through `jax.experimental.rnn`."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.cells.lstm import LSTM, LSTMState
from rnnjax.engines.engine import Call, Engine
from rnnjax.errors import check_choice

Array = jax.Array
PyTree = Any

_PRECISIONS = {"high": jax.lax.Precision.HIGH, "highest": jax.lax.Precision.HIGHEST}


@dataclasses.dataclass(frozen=True)
class Cudnn(Engine):
    """The LSTM in float32 on a GPU, by cuDNN.

    Chetlur et al. 2014, arXiv:1410.0759; its recurrent networks: Appleyard et al. 2016, arXiv:1604.01946.

    It serves the plain `LSTM`, any batch axes, lengths and either direction; no resets, and no states of each step,
    which cuDNN does not give out. It has derivatives of first order in reverse mode and, in JAX, no batching: `vmap`
    over it fails. What surrounds the call (the layout of the weights, lengths, direction) is tested on a CPU against
    JAX's reference of that call; the call itself has not been run on a GPU.

    Args:
      precision: "highest" multiplies in float32, "high" lets cuDNN take TF32, which keeps 10 bits of each factor's
        mantissa; `None` is "highest" where `jax_default_matmul_precision` is "highest" or "float32", else "high", as
        in JAX's own products on a GPU.

    Raises:
      InputError: an unknown precision.
    """

    name: ClassVar[str] = "cudnn"

    precision: str | None = None

    def __post_init__(self):
        check_choice("Cudnn.precision", self.precision, (None, *_PRECISIONS))

    def covers(self, cell: Cell) -> bool:
        return type(cell) is LSTM

    def refusal(self, cell: Cell, weights: PyTree, carry: PyTree, xs: PyTree, call: Call) -> str | None:
        del weights, carry, xs
        if type(cell) is not LSTM:
            return f"cuDNN covers LSTM here, not {cell}"
        if cell.heads != 1:
            return f"cuDNN's LSTM has one dense recurrent matrix, not heads={cell.heads}"
        policy = cell.precision
        if {policy.compute, policy.carry, policy.output} != {"float32"}:
            return f"cuDNN's LSTM is called in float32, not as {policy} says"
        if call.resets is not None:
            return "cuDNN's LSTM knows no resets"
        if call.return_carries:
            return "cuDNN gives out the final state alone, so return_carries is not to be had"
        if call.remat:
            return "cuDNN keeps what the backward pass needs, and knows no remat"
        if call.unroll is not None:
            return "cuDNN runs the loop itself, and takes no unroll"
        if not call.hoist:
            return "the derivative is cuDNN's own, so hoist cannot be turned off"
        if jax.default_backend() != "gpu":
            return f"cuDNN runs on a GPU, and JAX runs on {jax.default_backend()}"
        return None

    def run(self, cell: Any, weights: PyTree, carry: LSTMState, xs: Array, call: Call):
        from jax.experimental import rnn

        time, *batch_shape, in_features = xs.shape
        batch = math.prod(batch_shape)
        if not time * batch:
            return carry, jnp.zeros((time, *batch_shape, cell.features), cell.output_dtype), None
        xs = xs.astype(jnp.float32).reshape(time, batch, in_features)
        start = LSTMState(*(state.reshape(batch, cell.features) for state in carry))
        valid = jnp.ones((time, batch), bool) if call.valid is None else call.valid.reshape(time, batch)
        lengths = valid.sum(0, dtype=jnp.int32)
        alive = (lengths > 0)[:, None]
        # cuDNN takes lengths from 1: an empty row makes one step on zeros, and then gets back the state it had.
        h, c = (jnp.where(alive, state, 0)[None] for state in start)
        order = _within(lengths, time)[:, :, None] if call.reverse else None
        if order is not None:
            xs = jnp.take_along_axis(xs, order, axis=0)
        sizes = (in_features, cell.features, 1, 0.0, False)  # one layer, no dropout, one direction
        arguments = (xs.swapaxes(0, 1), h, c, packed(weights), jnp.maximum(lengths, 1), *sizes, self._precision)
        outcome: Any = rnn.lstm(*arguments)
        ys, h, c = outcome
        ys = ys.swapaxes(0, 1)
        if order is not None:
            ys = jnp.take_along_axis(ys, order, axis=0)
        ys = jnp.where(valid[:, :, None], ys, 0).reshape(time, *batch_shape, cell.features)
        after = (jnp.where(alive, new[0], old) for new, old in zip((h, c), start, strict=True))
        return LSTMState(*(state.reshape(*batch_shape, cell.features) for state in after)), ys, None

    @property
    def _precision(self) -> jax.lax.Precision:
        given = jax.config.jax_default_matmul_precision  # pyright: ignore[reportAttributeAccessIssue]
        by_default = "highest" if given in ("highest", "float32") else "high"
        return _PRECISIONS[self.precision or by_default]


def packed(weights: PyTree) -> Array:
    """The weights of an `LSTM` as cuDNN's one vector.

    First the input matrix, then the recurrent one, each gate by gate with a row for each unit; then two biases, of
    which ours is the first and the second is zero. Gates are in the order of `LSTM.gates`: i, f, g, o.
    """
    matrices = (weights["kernel"].T.ravel(), weights["recurrent_kernel"].T.ravel())
    return jnp.concatenate([*matrices, weights["bias"], jnp.zeros_like(weights["bias"])])


def _within(lengths: Array, time: int) -> Array:
    """`[time, batch]`: the step that comes in place of each when every row is reversed within its own length."""
    t = jnp.arange(time, dtype=lengths.dtype)[:, None]
    return jnp.where(t < lengths, lengths - 1 - t, t)
