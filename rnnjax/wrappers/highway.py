"""A gated residual connection around a cell."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.errors import check
from rnnjax.initializers import Lecun
from rnnjax.kernel import dot_inputs
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array
PyTree = Any

_BIAS = -1.0


@dataclasses.dataclass(frozen=True, repr=False)
class Highway(Wrapper):
    """A gate between a cell's output and its input.

        t = sigmoid(W x + b)
        y = t * cell(x) + (1 - t) * x

    Srivastava, Greff & Schmidhuber 2015, arXiv:1505.00387; around the layers of a recurrent stack as in He et al. 2017,
    ACL, doi:10.18653/v1/P17-1044, whose gate sees the state as well. The gate starts nearly shut, with a negative bias,
    so that a deep stack hands its inputs through at first.

    Parameters: `cell`, those of the cell; `kernel [features, features]`, drawn LeCun-normal, and `bias [features]`.

    Args:
      cell: a cell whose outputs are as wide as its inputs.
      bias: the initial bias of the gate; -1 to -3 in the paper.

    Raises:
      InputError: a bias that is no number; in `init`, if the widths differ.
    """

    has_parameters: ClassVar = True

    _: dataclasses.KW_ONLY
    bias: float = _BIAS

    def __post_init__(self):
        super().__post_init__()
        valid = isinstance(self.bias, int | float) and not isinstance(self.bias, bool)
        check(valid, "Highway.bias", self.bias, "a number")

    @property
    def dynamics(self):
        return dataclasses.replace(self, cell=self.cell.dynamics, bias=_BIAS)

    def init(self, key: Array, in_features: int) -> PyTree:
        width = self.output_features
        check(in_features == width, "in_features", in_features, f"{width}, the width of the output, to mix the two")
        cell_key, kernel_key = jax.random.split(key)
        dtype = self.precision.dtype("params")
        return {
            "cell": self.cell.init(cell_key, in_features),
            "kernel": Lecun()(kernel_key, (width, width), dtype),
            "bias": jnp.full((width,), self.bias, dtype),
        }

    def prepare(self, params, *, key=None, batch_shape=()):
        dtype = self.precision.dtype("compute")
        return {
            "cell": self.cell.prepare(params["cell"], key=key, batch_shape=batch_shape),
            "kernel": params["kernel"].astype(dtype),
            "bias": params["bias"].astype(dtype),
        }

    def project(self, weights, xs):
        gate = jax.nn.sigmoid(dot_inputs(xs, weights["kernel"]) + weights["bias"])
        return {"cell": self.cell.project(weights["cell"], xs), "gate": gate, "x": xs}

    def recur(self, weights, carry, drive):
        carry, y = self.cell.advance(weights["cell"], carry, drive["cell"])
        return carry, _mixed(drive, y)

    def affine(self, weights, drive):
        return self.cell.affine(weights["cell"], drive["cell"])

    def readout(self, weights, carry, drive):
        y = self.cell.readout(weights["cell"], carry, drive["cell"])
        return _mixed(drive, y.astype(self.output_dtype))


def _mixed(drive, y):
    return drive["gate"] * y + (1 - drive["gate"]) * drive["x"].astype(y.dtype)
