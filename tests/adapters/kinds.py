"""Cells of different kinds, one small padded batch, and what `unroll` makes of them."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax
import numpy as np
import pytest

from rnnjax import GRU, LRU, LSTM, Dropout, Elman, Jordan, MinGRU, Precision, Residual, Stack, unroll
from rnnjax.cell import abstract_params
from rnnjax.inputs import Timed, checked_width, timed

BATCH, TIME, FEATURES = 3, 6, 4
LENGTHS = np.array([TIME, 0, 4])
RESETS = np.zeros((BATCH, TIME), bool)
RESETS[0, 3] = True
XS = np.float32(np.random.default_rng(0).standard_normal((BATCH, TIME, FEATURES)))

CELLS = {
    "lstm": LSTM(5),
    "jordan": Jordan(5, output_size=3),
    "lru": LRU(FEATURES, state_features=3),
    "stack": Stack((MinGRU(5), Stack((LSTM(FEATURES), Residual(GRU(FEATURES)))))),
}
OPTIONS = {
    "plain": {},
    "lengths": dict(lengths=LENGTHS),
    "resets": dict(resets=RESETS),
    "reverse": dict(reverse=True, lengths=LENGTHS),
    "time_major": dict(time_major=True),
}

every_kind = pytest.mark.parametrize("name", CELLS)
every_option = pytest.mark.parametrize("option", OPTIONS)
every_case = pytest.mark.parametrize(
    ("name", "option"),
    [*(("lstm", option) for option in OPTIONS), *((name, "reverse") for name in CELLS if name != "lstm")],
)

DROPPING = Dropout(Elman(40), output=0.5)
"""An output of it is zero only where a unit is dropped."""


@dataclasses.dataclass(frozen=True, repr=False)
class FixedKernel(Elman):
    """A cell whose recurrent kernel training leaves as it was drawn."""

    fixed: ClassVar = ("recurrent_kernel",)


@dataclasses.dataclass(frozen=True, repr=False)
class Clocked(Elman):
    """A cell that is driven by its inputs times the time since the step before."""

    def init(self, key, in_features):
        return super().init(key, checked_width(in_features))

    def project(self, weights, xs):
        xs = timed(xs)
        return super().project(weights, xs.x * xs.elapsed)


TIMED = Timed(XS, np.abs(XS[..., :1]))
FIXED = Stack((Elman(FEATURES), FixedKernel(FEATURES)))


def given(option):
    """The inputs of an option."""
    return XS.swapaxes(0, 1) if option == "time_major" else XS


def expected(cell, params, option="plain", carry=None):
    """`(carry, ys)` of `unroll`."""
    return unroll(cell, params, given(option), carry, **OPTIONS[option])


def assert_same(one, other):
    """Equal in structure, and in value to a few roundings: one side may be compiled as a whole."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


def assert_is_all_of(cell, params, in_features=FEATURES):
    """The parameters are those of the cell, by name, shape and dtype."""
    stated = abstract_params(cell, in_features)
    assert jax.tree.structure(params) == jax.tree.structure(stated)
    for (path, one), other in zip(jax.tree.leaves_with_path(params), jax.tree.leaves(stated), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype), path


def assert_one_mask_a_sequence(ys):
    """Some units are dropped, the same at all steps of a row, others in other rows."""
    dropped = np.asarray(ys) == 0
    assert 0.2 < dropped.mean() < 0.8
    assert (dropped == dropped[:, :1]).all() and (dropped[0] != dropped[1]).any()


def stacked_steps(step, carry, xs=XS):
    """The carry and the outputs of a step that is called once a time."""
    ys = []
    for t in range(xs.shape[1]):
        carry, y = step(carry, xs[:, t])
        ys.append(y)
    return carry, np.stack(ys, axis=1)


def loss(outcome):
    """A number of final carry and outputs."""
    return sum((leaf**2).sum() for leaf in jax.tree.leaves(outcome))


def gradient(cell, params):
    """That of the loss in the parameters."""
    return jax.grad(lambda params: loss(expected(cell, params)))(params)


def registered(entry):
    """A registered cell, its width of inputs, and the shape of a sequence for it."""
    return entry.cell(Precision()), entry.in_features, (2, 3, *entry.places, entry.in_features)


def shapes(tree):
    """Shapes and dtypes of a tree of arrays."""
    return jax.tree.map(lambda leaf: (leaf.shape, np.dtype(leaf.dtype).name), tree)


def expected_shapes(cell, shape):
    """Shapes and dtypes of what `unroll` returns for inputs of a shape."""
    params = abstract_params(cell, shape[-1])
    xs = jax.ShapeDtypeStruct(shape, np.float32)
    return shapes(jax.eval_shape(lambda params, xs: unroll(cell, params, xs), params, xs))
