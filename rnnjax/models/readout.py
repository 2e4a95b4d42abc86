"""A recurrent layer with a linear readout: one output a sequence, or one a step."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.initializers import Initializer
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any


class RecurrentReadout(nn.Module):
    """A cell over the inputs, and an affine map of its outputs.

        y_t = cell(x_1 .. x_t),   output_t = V y_t + c

    Many to one reads the output of each row's last valid step; many to many that of each step.

    Attributes:
      cell: any cell or wrapper; its parameters lie under "cell".
      outputs: width of the readout; its parameters lie under "readout".
      many_to_one: whether a row has one output or one a step.
      readout_init: initialiser of the readout's kernel; `None` is LeCun normal.
    """

    cell: Cell
    outputs: int
    many_to_one: bool = True
    readout_init: Initializer | None = None

    @nn.compact
    def __call__(
        self, inputs: Array, lengths: Array | None = None, carry: PyTree | None = None
    ) -> tuple[PyTree, Array]:
        """Runs the model.

        Args:
          inputs: `[*batch, time, in_features]`.
          lengths: `[*batch]`, or `None` where every row is full.
          carry: the state before the first step, or `None`.

        Returns:
          The final carry, and `[*batch, outputs]` or `[*batch, time, outputs]`. A random stream "dropout" draws the
          cell's masks; without it the model is deterministic.
        """
        params = self.param("cell", self.cell.init, inputs.shape[-1])
        key = self.make_rng("dropout") if self.has_rng("dropout") else None
        carry, ys = unroll(self.cell, params, inputs, carry, lengths=lengths, key=key)
        ys = read_steps(ys, lengths) if self.many_to_one else ys
        start = self.readout_init or nn.initializers.lecun_normal()
        held = [leaf.dtype for leaf in jax.tree.leaves(params) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        kind = jnp.result_type(*held) if held else ys.dtype  # a cell may compute in a narrower dtype than it holds
        return carry, nn.Dense(self.outputs, name="readout", kernel_init=start, param_dtype=kind)(ys)


def read_steps(ys: Array, lengths: Array | None) -> Array:
    """What a many-to-one readout reads: each row's last valid step, the last one where `lengths` is `None`."""
    return ys[..., -1, :] if lengths is None else last_valid(ys, lengths)


def last_valid(ys: Array, lengths: Array) -> Array:
    """The output of each row's last valid step, `[*batch, time, n], [*batch] -> [*batch, n]`; zero for length 0."""
    index = jnp.maximum(lengths - 1, 0)[..., None, None]
    last = jnp.take_along_axis(ys, index, axis=-2)[..., 0, :]
    return jnp.where((lengths > 0)[..., None], last, 0)
