"""What every contestant computes: a layer of one shape, with the same weights on the same inputs."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np

from rnnjax.cells import REGISTRY
from rnnjax.errors import InputError

CELLS = ("elman", "lstm", "gru")
"""The cells that most libraries have."""

GATES = {"elman": 1, "lstm": 4, "gru": 3}

MODES = ("forward", "training")
"""The outputs; or the loss and its gradients for weights and inputs."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sequences of `time` steps of `inputs` features, `batch` at a time, for `hidden` units."""

    batch: int
    time: int
    inputs: int
    hidden: int

    def __str__(self) -> str:
        return "x".join(map(str, dataclasses.astuple(self)))

    @staticmethod
    def parse(text: str) -> Shape:
        """The shape that `str` writes.

        Raises:
          InputError: not four positive ints joined by x.
        """
        parts = text.lower().split("x")
        if len(parts) != 4 or not all(part.isdecimal() and int(part) for part in parts):
            raise InputError("shape", text, "BATCHxTIMExINPUTSxHIDDEN, such as 32x100x64x64")
        return Shape(*map(int, parts))


SHAPES = (
    Shape(32, 100, 64, 64),
    Shape(32, 100, 128, 128),
    Shape(64, 200, 128, 256),
    Shape(16, 784, 1, 128),
    Shape(128, 50, 512, 512),
    Shape(1, 1000, 64, 64),
    Shape(8, 10000, 16, 64),
)


@dataclasses.dataclass(frozen=True)
class Problem:
    """A layer and its inputs, as arrays of numpy in float32.

    Attributes:
      cell: one of `CELLS`.
      shape: the sizes.
      params: weights in the layout of our cells.
      xs: `[time, batch, inputs]`.
    """

    cell: str
    shape: Shape
    params: dict[str, np.ndarray]
    xs: np.ndarray


def make_problem(cell: str, shape: Shape) -> Problem:
    """Normal inputs; weights from U(-1/sqrt(hidden), 1/sqrt(hidden)), under which rounding errors fade over time."""
    rng = np.random.default_rng(0)
    width, bound = GATES[cell] * shape.hidden, 1 / math.sqrt(shape.hidden)
    sizes = {"kernel": (shape.inputs, width), "recurrent_kernel": (shape.hidden, width), "bias": (width,)}
    if cell == "gru":
        sizes["recurrent_bias"] = (shape.hidden,)
    params = {name: rng.uniform(-bound, bound, size).astype(np.float32) for name, size in sizes.items()}
    xs = rng.standard_normal((shape.time, shape.batch, shape.inputs)).astype(np.float32)
    return Problem(cell, shape, params, xs)


def initial_problem(name: str, shape: Shape) -> Problem:
    """Normal inputs, and the weights that a registered cell starts from: for cells that no other library need have."""
    xs = make_problem(CELLS[0], shape).xs
    return Problem(name, shape, REGISTRY[name](shape.hidden).init(jax.random.key(0), shape.inputs), xs)
