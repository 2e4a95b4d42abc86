"""The one place that chooses what reads a sequence in a model: recurrent layers, or a Transformer in their place."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.errors import check
from rnnjax.models.layers import Bidirectional, Recurrent
from rnnjax.models.transformer import Past, Transformer

Array = jax.Array
PyTree = Any


class Reading(NamedTuple):
    """The state of blocks that read step by step.

    Attributes:
      past: keys and values of the steps of the present window.
      recent: `[*batch, span // 2, features]`, the last steps as the first block reads them.
    """

    past: Past
    recent: Array


@dataclasses.dataclass(frozen=True)
class Blocks:
    """A Transformer, given to a model in the place of a cell: `sequence_layer` makes `SelfAttending` of it.

    Args:
      features: the width of all blocks, and of the outputs.
      layers: how many blocks.
      heads: of each; a divisor of `features`.
      dropout: of what is read and of what each part adds, where a random stream "dropout" is given.
      span: the longest window that is read at once, for one that sees no later steps; `None` is the whole.

    Raises:
      InputError: a number out of range.
    """

    features: int
    layers: int = 2
    heads: int = 4
    dropout: float = 0.0
    span: int | None = None

    def __post_init__(self):
        for field in ("features", "layers", "heads"):
            given = getattr(self, field)
            check(isinstance(given, int) and given > 0, f"Blocks.{field}", given, "a positive int")
        expected = f"a divisor of {self.features}, the width"
        check(self.features % self.heads == 0, "Blocks.heads", self.heads, expected)
        check(0 <= self.dropout < 1, "Blocks.dropout", self.dropout, "a share in [0, 1)")
        valid = self.span is None or (isinstance(self.span, int) and self.span > 0)
        check(valid, "Blocks.span", self.span, "a positive int, or None")

    @property
    def output_features(self) -> int:
        """The last axis of the outputs."""
        return self.features

    @property
    def overlap(self) -> int:
        """How many steps of a window are those before it read once more: half the span."""
        assert self.span is not None
        return self.span // 2

    def initial_carry(self, batch_shape: tuple[int, ...] = ()) -> Reading:
        """The state before the first step, to read step by step.

        Raises:
          InputError: blocks without a span, which would have to keep every step there ever was.
        """
        check(self.span is not None, "Blocks.span", self.span, "a span, to read step by step")
        assert self.span is not None
        past = _transformer(self, causal=True, parent=None).start(batch_shape, self.span)
        return Reading(past, jnp.zeros((*batch_shape, self.overlap, self.features)))


class SelfAttending(nn.Module):
    """Blocks of self-attention over a sequence, called like a recurrent layer.

    What is longer than the span of causal blocks is read in windows of that length, each of which begins anew, reads
    the last half of the one before once more, and gives the outputs of its new steps: of a span of S steps each output
    sees itself and at least the `S // 2` steps before it, as far as there are so many, and positions stay those that
    were trained. All at once or step by step with keys and values kept, the outputs are the same.

    Attributes:
      blocks: of what shape.
      causal: whether a step sees itself and earlier ones only.
    """

    blocks: Blocks
    causal: bool = True

    def setup(self):
        self.inner = nn.Dense(self.blocks.features)
        self.inside = _transformer(self.blocks, self.causal)

    def __call__(
        self, inputs: Array, lengths: Array | None = None, carry: Reading | None = None
    ) -> tuple[Reading | None, Array]:
        """`[*batch, time, in_features]` to the state and `[*batch, time, features]`, zero past each length.

        Args:
          inputs: what is read.
          lengths: `[*batch]`, or `None` where every row is full.
          carry: the state in which an earlier call ended, of `Blocks.initial_carry` at first: the steps are then made
            one after the other, without dropout. `None` reads all at once, and gives no state.

        Raises:
          InputError: a state beside lengths, or for blocks that see later steps.
        """
        if carry is not None:
            check(lengths is None, "lengths", "an array", "None where a state is handed on")
            check(self.causal, "carry", "a state", "None for a Transformer that sees later steps")
            return self._steps(carry, self.inner(inputs))
        valid = None if lengths is None else jnp.arange(inputs.shape[-2]) < jnp.asarray(lengths)[..., None]
        read = inputs if valid is None else jnp.where(valid[..., None], inputs, 0)  # no NaN of the padding goes on
        xs, span = self.inner(read), self.blocks.span
        if not self.causal or span is None or xs.shape[-2] <= span:
            return None, self.inside(xs, lengths)[1]
        return None, self._windows(xs, lengths, span)

    def _windows(self, xs: Array, lengths: Array | None, span: int) -> Array:
        overlap, time = self.blocks.overlap, xs.shape[-2]
        fresh = span - overlap
        count = 1 + -(-(time - span) // fresh)
        starts = fresh * jnp.arange(count)
        padded = jnp.pad(xs, [(0, 0)] * (xs.ndim - 2) + [(0, span + fresh * (count - 1) - time), (0, 0)])
        cut = jnp.take(padded, starts[:, None] + jnp.arange(span), axis=-2)  # [*batch, count, span, features]
        own = None if lengths is None else jnp.clip(jnp.asarray(lengths)[..., None] - starts, 0, span)
        _, ys = self.inside(cut, own)
        later = ys[..., 1:, overlap:, :]
        later = later.reshape(*later.shape[:-3], -1, later.shape[-1])
        return jnp.concatenate([ys[..., 0, :, :], later], axis=-2)[..., :time, :]

    def _steps(self, carry: Reading, xs: Array) -> tuple[Reading, Array]:
        layer = _transformer(self.blocks, causal=True, parent=None)  # Flax keeps its modules out of loops
        advance: Any = functools.partial(layer.apply, {"params": self.inside.variables["params"]}, method="step")
        empty = self.blocks.initial_carry(xs.shape[:-2]).past

        def reread(recent: Array) -> Past:
            return jax.lax.scan(advance, empty, jnp.moveaxis(recent, -2, 0))[0]

        def step(state: Reading, x: Array) -> tuple[Reading, Array]:
            full = state.past.place.ravel()[0] == self.blocks.span  # all rows are at the same place
            past = jax.lax.cond(full, lambda: reread(state.recent), lambda: state.past)
            past, y = advance(past, x)
            recent = jnp.concatenate([state.recent, x[..., None, :]], axis=-2)[..., 1:, :]
            return Reading(past, recent), y

        carry, ys = jax.lax.scan(step, carry, jnp.moveaxis(xs, -2, 0))
        return carry, jnp.moveaxis(ys, 0, -2)


def sequence_layer(cell: Cell | Blocks, *, bidirectional: bool = False, name: str) -> nn.Module:
    """A layer `(inputs [*batch, time, features], lengths, carry) -> (carry, outputs)`.

    Args:
      cell: any cell or wrapper, or `Blocks`.
      bidirectional: whether another cell of its kind reads from the end, its outputs beside those of the first; of
        blocks, whether a step sees later ones.
      name: under which its parameters lie.
    """
    if isinstance(cell, Blocks):
        return SelfAttending(cell, causal=not bidirectional, name=name)
    return (Bidirectional if bidirectional else Recurrent)(cell, name=name)


def side_by_side(cell: Cell | Blocks, bidirectional: bool) -> bool:
    """Whether the outputs of `sequence_layer` are those of two directions, as `pool` asks in `both`."""
    return bidirectional and not isinstance(cell, Blocks)


def _transformer(blocks: Blocks, causal: bool, **options: Any) -> Transformer:
    shape: dict[str, Any] = dict(layers=blocks.layers, heads=blocks.heads, dropout=blocks.dropout, project=False)
    return Transformer(blocks.features, causal=causal, **shape, **options)
