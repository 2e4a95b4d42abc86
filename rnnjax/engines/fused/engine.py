"""The fused engine: refuses what its kernels do not cover, and lays out arrays for them."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.cell import Cell, UnitCell
from rnnjax.cells import GRU, LSTM, Elman
from rnnjax.cells.gated import HeadedCell
from rnnjax.engines.engine import Call, Engine
from rnnjax.engines.fused import elman, gru, lstm
from rnnjax.engines.fused.plan import NARROWEST, Plan, default_warps, refused_width
from rnnjax.engines.fused.recurrence import Recurrence
from rnnjax.engines.fused.steps import FRESH, PADDING, STEP
from rnnjax.errors import check

Array = jax.Array
PyTree = Any

_DTYPES = ("float32", "bfloat16")
_ELSEWHERE = "9.0"  # the GPU whose memory is taken for granted where there is none


@dataclasses.dataclass(frozen=True)
class Fused(Engine):
    """Elman, LSTM and GRU on a GPU, the whole loop over time in one kernel, forward and backward.

    The inputs' part of all gates is one matrix product before the loop. A kernel then loads the recurrent weights of a
    head once and keeps them, and the state, on chip for all time steps; products are summed and gates computed in
    float32. The derivative is a second such kernel, which carries the cotangent of the state alone, and one contraction
    over time and batch for each weight. The idea is that of FlashRNN, Poeppel et al. 2024, arXiv:2412.07752, after
    persistent kernels, Diamos et al. 2016, PMLR 48:2024. Heads (`LSTM(features, heads=k)`) keep the weights of one
    program small, and there are as many programs as heads times blocks of rows.

    The kernels are tested in Pallas' interpret mode on a CPU and lowered for CUDA; they have not been run on a GPU.
    They take Pallas' Triton route, whose removal JAX 0.11 announces.

    First derivatives in reverse mode only. float32 products are as exact as `jax_default_matmul_precision` says: TF32
    by default on a GPU that has it, as everywhere in JAX.

    Args:
      interpret: run the kernels as plain JAX, slowly and on any device: to test them.
      rows: rows of the batch a program runs: a power of two, 16 at least.
      warps: groups of 32 threads a program has: a power of two; `None` is 4, or 8 if rows times units of a head are
        more than 1024.

    Raises:
      InputError: rows or warps that are no such number.
    """

    name: ClassVar[str] = "fused"

    interpret: bool = False
    rows: int = NARROWEST
    warps: int | None = None

    def __post_init__(self):
        expected = f"a power of two, {NARROWEST} at least"
        check(_power_of_two(self.rows) and self.rows >= NARROWEST, "Fused.rows", self.rows, expected)
        check(self.warps is None or _power_of_two(self.warps), "Fused.warps", self.warps, "a power of two, or None")

    def covers(self, cell: Cell) -> bool:
        return _recurrence(cell) is not None

    def refusal(self, cell: Cell, weights: PyTree, carry: PyTree, xs: PyTree, call: Call) -> str | None:
        del weights, carry, xs
        if call.remat:
            return "the fused kernels keep what the backward pass needs, and know no remat"
        if call.unroll is not None:
            return "the fused kernels run the loop themselves, and take no unroll"
        if not call.hoist:
            return "the derivative of the fused kernels is their own, so hoist cannot be turned off"
        recurrence = _recurrence(cell)
        if recurrence is None:
            return f"the fused kernels cover Elman (tanh, relu), LSTM and GRU (reset_after), not {cell}"
        assert isinstance(cell, HeadedCell)
        precision = cell.precision
        if precision.compute not in _DTYPES or precision.carry not in _DTYPES:
            return f"the fused kernels compute and carry in {' or '.join(_DTYPES)}, not as {precision} says"
        if (precision.compute, precision.carry) == ("float32", "bfloat16"):
            return f"the fused kernels give out the states they carry, too coarse for the outputs of {precision}"
        capability = str(getattr(jax.devices()[0], "compute_capability", _ELSEWHERE))
        refused = refused_width(cell.head_features, recurrence.gates, precision.compute, self.rows, capability)
        if refused is not None:
            return refused
        if not self.interpret and jax.default_backend() != "gpu":
            return f"the fused kernels run on a GPU, and JAX runs on {jax.default_backend()} (interpret=True is slow)"
        if importlib.util.find_spec("jax.experimental.pallas.triton") is None:
            return "this version of JAX no longer has the Triton route of Pallas, which the fused kernels take"
        return None

    def run(self, cell: Any, weights: PyTree, carry: PyTree, xs: Array, call: Call):
        from rnnjax.engines.fused.sequence import states  # Pallas takes long to import

        recurrence: Any = _recurrence(cell)
        time, *batch_shape, _ = xs.shape
        batch, heads, width = math.prod(batch_shape), cell.heads, cell.head_features
        if not time * batch:
            nothing = jax.tree.map(lambda state: jnp.zeros((time, *state.shape), state.dtype), carry)
            ys = jnp.zeros((time, *batch_shape, cell.features), cell.output_dtype)
            return carry, ys, nothing if call.return_carries else None
        padding = -batch % self.rows
        plan = Plan(
            rows=self.rows,
            warps=self.warps or default_warps(self.rows, width),
            interpret=self.interpret,
            reverse=call.reverse,
            compute=cell.precision.compute,
            carry=cell.precision.carry,
        )

        def laid_out(array, *leading):
            """`[*leading, *batch, k * features] -> [*leading, batch, k, heads, width]`, filled up to whole blocks."""
            array = array.reshape(*leading, batch, -1, heads, width)
            return jnp.pad(array, [(0, padding if axis == len(leading) else 0) for axis in range(array.ndim)])

        drive = laid_out(UnitCell.project(cell, weights, xs), time)
        kernel = weights["recurrent_kernel"].reshape(heads, width, recurrence.gates, width)
        bias = (weights["recurrent_bias"].reshape(1, heads, width),) if recurrence.biased else ()
        start = tuple(laid_out(state)[:, 0] for state in carry)
        filled: Any = states(recurrence, plan, drive, kernel, bias, start, _mode(call, time, batch, padding))

        after = [state[:, :batch].reshape(time, *batch_shape, cell.features) for state in filled]
        final = type(carry)(*(state[0 if call.reverse else -1] for state in after))
        ys = after[0].astype(cell.output_dtype)
        if call.valid is not None:
            ys = jnp.where(call.valid[..., None], ys, 0)
        return final, ys, type(carry)(*after) if call.return_carries else None


def _recurrence(cell: Cell) -> Recurrence | None:
    """What the kernels have to know of a cell, or `None` if they do not cover it."""
    if type(cell) is Elman:
        return elman.ELMAN.get(cell.activation) if isinstance(cell.activation, str) else None
    if type(cell) is LSTM:
        return lstm.LSTM
    if type(cell) is GRU and cell.reset_after:
        return gru.GRU
    return None


def _mode(call: Call, time: int, batch: int, padding: int) -> Array | None:
    """What each row does at each step, `[time, batch + padding]`, or `None` where it is the same for all."""
    if call.valid is None and call.resets is None:
        return None
    mode = jnp.full((time, batch), STEP, jnp.int32)
    if call.resets is not None:
        mode = jnp.where(call.resets.reshape(time, batch), FRESH, mode)
    if call.valid is not None:
        mode = jnp.where(call.valid.reshape(time, batch), mode, PADDING)
    return jnp.pad(mode, ((0, 0), (0, padding)), constant_values=PADDING)


def _power_of_two(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0 and not value & (value - 1)
