"""Layer normalisation of what goes into a cell, or of what comes out."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnnjax.errors import check
from rnnjax.inputs import checked_width
from rnnjax.wrappers.wrapper import Wrapper

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True, repr=False)
class LayerNorm(Wrapper):
    """Brings the features of a cell's outputs, or of its inputs, to mean 0 and variance 1 in each step.

        norm(x) = scale * (x - mean(x)) / sqrt(var(x) + epsilon) + bias
        y = norm(cell(x)),  or  cell(norm(x))

    Ba, Kiros & Hinton 2016, arXiv:1607.06450. The state inside the cell stays as it is: cells whose gates are
    normalised are cells of their own. Of `Timed` and `Observed` inputs the features are normalised, and nothing
    else.

    Parameters: `cell`, those of the cell, and for each end that is normalised `input_scale`, `input_bias
    [in_features]`, `output_scale`, `output_bias [features]`; scales start at 1 and biases at 0. Mean and variance are
    computed in float32 at least.

    Args:
      cell: the cell inside.
      input: whether to normalise what goes in.
      output: whether to normalise what comes out.
      epsilon: added to the variance.

    Raises:
      InputError: neither end, or an epsilon that is not positive.
    """

    has_parameters: ClassVar = True

    _: dataclasses.KW_ONLY
    input: bool = False
    output: bool = True
    epsilon: float = 1e-5

    def __post_init__(self):
        super().__post_init__()
        check(bool(self.input or self.output), "LayerNorm.output", self.output, "True, or input=True")
        valid = isinstance(self.epsilon, int | float) and self.epsilon > 0
        check(valid, "LayerNorm.epsilon", self.epsilon, "a number > 0")

    def init(self, key: Array, in_features: PyTree) -> PyTree:
        dtype = self.precision.dtype("params")
        params = {"cell": self.cell.init(key, in_features)}
        ends = {"input": checked_width(getattr(in_features, "x", in_features))} if self.input else {}
        ends |= {"output": self.output_features} if self.output else {}
        for end, width in ends.items():
            params |= {f"{end}_scale": jnp.ones((width,), dtype), f"{end}_bias": jnp.zeros((width,), dtype)}
        return params

    def prepare(self, params, *, key=None, batch_shape=()):
        weights = {name: leaf for name, leaf in params.items() if name != "cell"}
        return weights | {"cell": self.cell.prepare(params["cell"], key=key, batch_shape=batch_shape)}

    def project(self, weights, xs):
        if self.input and hasattr(xs, "x"):
            xs = xs._replace(x=self._normalised(weights, "input", xs.x))
        elif self.input:
            xs = self._normalised(weights, "input", xs)
        return self.cell.project(weights["cell"], xs)

    def recur(self, weights, carry, drive):
        carry, y = self.cell.advance(weights["cell"], carry, drive)
        return carry, self._normalised(weights, "output", y) if self.output else y

    def affine(self, weights, drive):
        return self.cell.affine(weights["cell"], drive)

    def readout(self, weights, carry, drive):
        y = self.cell.readout(weights["cell"], carry, drive).astype(self.output_dtype)
        return self._normalised(weights, "output", y) if self.output else y

    def _normalised(self, weights, end, x):
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        apart = wide - wide.mean(-1, keepdims=True)
        norm = apart * jax.lax.rsqrt(jnp.mean(apart**2, -1, keepdims=True) + self.epsilon)
        return (weights[f"{end}_scale"] * norm + weights[f"{end}_bias"]).astype(x.dtype)
