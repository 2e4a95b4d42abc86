"""Cells on top of each other, each of which sees all that is below."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp

from rnnjax.errors import check, check_choice
from rnnjax.wrappers.stack import Stack


@dataclasses.dataclass(frozen=True, repr=False)
class DenseStack(Stack):
    """A stack whose layers see the inputs and the outputs of all layers below them.

        y_l = cell_l([x, y_1, ..., y_(l-1)])

    Godin, Dambre & De Neve 2017, arXiv:1707.06130, after the convolutional networks of Huang et al. 2017,
    arXiv:1608.06993; skip connections from the inputs to all layers, and from these to the output, are those of Graves
    2013, arXiv:1308.0850. Parameters and carry are those of `Stack`, and `unroll` runs it layer by layer too.

    Args:
      cells: the layers, lowest first.
      outputs: "last" for the outputs of the last layer, "all" for those of all layers side by side, lowest first.

    Raises:
      InputError: as `Stack`, and for other outputs; in `init`, for inputs that are no single array.
    """

    _: dataclasses.KW_ONLY
    outputs: str = "last"

    def __post_init__(self):
        super().__post_init__()
        check_choice("DenseStack.outputs", self.outputs, ("last", "all"))

    @property
    def output_features(self) -> int:
        widths = [cell.output_features for cell in self.cells]
        return sum(widths) if self.outputs == "all" else widths[-1]

    def input_width(self, in_features, widths):
        valid = isinstance(in_features, int) and not isinstance(in_features, bool) and in_features > 0
        check(valid, "in_features", in_features, "a positive int: inputs that can be put beside outputs")
        return in_features + sum(widths)

    def input(self, xs, ys):
        return jnp.concatenate([xs, *ys], axis=-1) if ys else xs

    def output(self, ys):
        # Not the dtype that layers of different policies would be promoted to.
        return jnp.concatenate([y.astype(self.output_dtype) for y in ys], -1) if self.outputs == "all" else ys[-1]

    def project(self, weights, xs):
        return super().project(weights, xs), xs

    def recur(self, weights, carry, drive):
        return self._through(weights, carry, *drive)
