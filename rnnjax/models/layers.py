"""The layers that models are made of: embedding, recurrent layers of any cell, dropout, pooling over time."""

from __future__ import annotations

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.errors import check_choice
from rnnjax.models.readout import read_steps
from rnnjax.unroll import unroll

Array = jax.Array
PyTree = Any
Pooling = Literal["last", "mean", "max"]
POOLINGS = ("last", "mean", "max")


class Embedding(nn.Module):
    """A vector a word: `[*batch, time] -> [*batch, time, features]`.

    Attributes:
      words: the number of words; number 0 is the padding.
      features: the width of the vectors.
      scale: the standard deviation of the vectors before training.
    """

    words: int
    features: int
    scale: float = 0.1

    @nn.compact
    def __call__(self, ids: Array) -> Array:
        """The vectors of the words."""
        start = nn.initializers.normal(self.scale)
        return nn.Embed(self.words, self.features, embedding_init=start, name="table")(ids)


class Recurrent(nn.Module):
    """A cell over a sequence, its parameters under "cell".

    A random stream "dropout" draws the cell's masks; without it the layer is deterministic.

    Attributes:
      cell: any cell or wrapper.
      reverse: runs each row backwards within its own length; outputs keep the order of the inputs.
    """

    cell: Cell
    reverse: bool = False

    @nn.compact
    def __call__(
        self, inputs: Array, lengths: Array | None = None, carry: PyTree | None = None
    ) -> tuple[PyTree, Array]:
        """`[*batch, time, in_features]` to the final carry and `[*batch, time, features]`, zero past each length."""
        params = self.param("cell", self.cell.init, inputs.shape[-1])
        key = self.make_rng("dropout") if self.has_rng("dropout") else None
        return unroll(self.cell, params, inputs, carry, lengths=lengths, reverse=self.reverse, key=key)


class Bidirectional(nn.Module):
    """A cell forwards and another of its kind backwards over a sequence, each within a row's own length.

    The outputs of the two stand side by side, the forward ones first. Schuster & Paliwal 1997, doi:10.1109/78.650093.

    Attributes:
      cell: the cell of either direction; parameters lie under "forward" and "backward", in each under "cell".
    """

    cell: Cell

    @nn.compact
    def __call__(
        self, inputs: Array, lengths: Array | None = None, carry: tuple[PyTree, PyTree] | None = None
    ) -> tuple[tuple[PyTree, PyTree], Array]:
        """`[*batch, time, in_features]` to both final carries and `[*batch, time, 2 features]`, zero past each length.

        The final carry of the backward direction is the one after the first step.
        """
        carries = (None, None) if carry is None else carry
        one, ys = Recurrent(self.cell, name="forward")(inputs, lengths, carries[0])
        other, zs = Recurrent(self.cell, reverse=True, name="backward")(inputs, lengths, carries[1])
        return (one, other), jnp.concatenate([ys, zs], axis=-1)


class Dropout(nn.Module):
    """Sets random elements to zero and scales the others up, where a random stream "dropout" is given.

    Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a.html.

    Attributes:
      rate: the probability of zero.
      shared: axes along which the mask is the same: -2 is one mask for all steps of a sequence (Gal & Ghahramani 2016,
        arXiv:1512.05287), -1 drops whole words.
    """

    rate: float
    shared: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        """The inputs, masked."""
        return nn.Dropout(self.rate, broadcast_dims=self.shared, deterministic=not self.has_rng("dropout"))(inputs)


def pool(ys: Array, lengths: Array | None, how: str, *, both: bool = False) -> Array:
    """One vector a sequence from the outputs of its steps, `[*batch, time, features] -> [*batch, features]`.

    "last" is the output of the last valid step, "mean" and "max" are taken over the valid steps. All are zero for a
    row of length 0.

    Args:
      ys: the outputs.
      lengths: `[*batch]`, or `None` where every row is full.
      how: "last", "mean" or "max".
      both: whether `ys` are those of `Bidirectional`: "last" is then the output after reading all in each direction,
        the first step's for the backward half.

    Raises:
      InputError: an unknown way.
    """
    check_choice("how", how, POOLINGS)
    if how == "last":
        last = read_steps(ys, lengths)
        if not both:
            return last
        half = ys.shape[-1] // 2
        return jnp.concatenate([last[..., :half], ys[..., 0, half:]], axis=-1)
    valid = valid_steps(ys, lengths)
    if how == "mean":
        return jnp.sum(jnp.where(valid, ys, 0), axis=-2) / jnp.maximum(valid.sum(-2), 1)
    lowest = jnp.finfo(ys.dtype).min
    return jnp.where(valid.any(-2), jnp.max(jnp.where(valid, ys, lowest), axis=-2), 0)


def valid_steps(xs: Array, lengths: Array | None) -> Array:
    """Which steps of `[*batch, time, features]` are no padding: bools `[*batch, time, 1]`."""
    time = jnp.arange(xs.shape[-2])[:, None]
    if lengths is None:
        return jnp.ones((*xs.shape[:-1], 1), bool)
    return time < lengths[..., None, None]
