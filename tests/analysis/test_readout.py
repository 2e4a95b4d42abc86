"""The output of a step as a function of the state it leads to."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import CELLS, Entry, each_in_full, every_cell_in_full
from sequences import drawn_like

from rnnjax import GRU, LRU, LSTM, Elman, Precision, Stack, UnitCell
from rnnjax.analysis.readout import step_with_readout
from rnnjax.cell import abstract_params


def stepped(cell, in_features=5, places=()):
    """A step from a random state, and the function that reads the output."""
    params, batch_shape = drawn_like(abstract_params(cell, in_features), 0), (2, *places)
    weights = cell.prepare(params, key=jax.random.key(1), batch_shape=batch_shape)
    carry = drawn_like(jax.eval_shape(lambda: cell.initial_carry(batch_shape)), 2)
    drive = cell.project(weights, jax.random.normal(jax.random.key(3), (*batch_shape, in_features)))
    return cell.advance(weights, carry, drive), step_with_readout(cell, weights, carry, drive)


@every_cell_in_full
def test_reads_the_output_of_the_step(entry: Entry):
    (carry, y), (new_carry, read) = stepped(entry.cell(Precision()), entry.in_features, entry.places)
    for given, expected in zip(jax.tree.leaves(new_carry), jax.tree.leaves(carry), strict=True):
        np.testing.assert_array_equal(given, expected)
    np.testing.assert_allclose(read(new_carry), y, rtol=1e-6)


def reads_state(entry: Entry) -> bool:
    """Whether the output is a part of the state: of a plain cell, whose carry says so, or of a stack of such."""
    cell = entry.cell(Precision())
    cells = cell.cells if type(cell) is Stack else (cell,)
    return isinstance(cells[-1], UnitCell) and cells[-1].initial_carry()._fields[0] in ("h", "y")


@each_in_full([entry for entry in CELLS if reads_state(entry)])
def test_output_is_the_new_state_alone(entry: Entry):
    """d read / d carry is the identity on the leaf that is the output, and zero on the others."""
    _, (new_carry, read) = stepped(entry.cell(Precision()), entry.in_features, entry.places)
    y, pull = jax.vjp(read, new_carry)
    (to_carry,) = pull(jnp.ones_like(y))
    found = [float(jnp.sum(leaf)) for leaf in jax.tree.leaves(to_carry)]
    assert sorted(found)[-1] == y.size and sum(found) == y.size


def test_output_is_read_through_a_matrix():
    """Of an LRU, d read / d carry is its output kernel, for the real and for the imaginary part of the state."""
    cell = LRU(4, state_features=3)
    _, (new_carry, read) = stepped(cell)
    kernel = cell.prepare(drawn_like(abstract_params(cell, 5), 0))["output_kernel"]
    jacobian = jax.jacrev(lambda carry: read(carry)[0])(new_carry)
    found = np.concatenate([part[:, 0] for part in jacobian], axis=-1)
    np.testing.assert_allclose(found, kernel.T, rtol=1e-6)
    assert not any(np.any(part[:, 1]) for part in jacobian)


class State(NamedTuple):
    h: jax.Array
    c: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Projected(UnitCell):
    """y = 2 h' + 3 x + 5 h, where h' = x + c' and c' = 7 c: read from h' and h, and not from c' except through h'."""

    def init(self, key, in_features):
        del key, in_features
        return {"kernel": jnp.eye(self.features), "bias": jnp.zeros(self.features)}

    def initial_carry(self, batch_shape=()):
        return State(self.zeros(batch_shape), self.zeros(batch_shape))

    def recur(self, weights, carry, drive):
        c = 7 * carry.c
        h = drive + c
        return State(h, c), 2 * h + 3 * drive + 5 * carry.h


def test_a_readout_of_its_own():
    _, (new_carry, read) = stepped(Projected(5))
    y, pull = jax.vjp(read, new_carry)
    (to_carry,) = pull(jnp.ones_like(y))
    assert np.all(to_carry.h == 2) and not np.any(to_carry.c)


@pytest.mark.parametrize("precision", [("float32", "float32", "bfloat16"), ("float32", "bfloat16", "float32")])
@pytest.mark.parametrize("cell", [Elman, LSTM, GRU])
def test_sees_through_casts_of_the_carry(cell, precision):
    """An output in another dtype than the carry is read from it all the same."""
    for made in (cell(5, precision=Precision(*precision)), Stack((cell(5, precision=Precision(*precision)),))):
        _, (new_carry, read) = stepped(made)
        y, pull = jax.vjp(read, new_carry)
        (to_carry,) = pull(jnp.ones_like(y))
        assert sum(float(jnp.sum(leaf)) for leaf in jax.tree.leaves(to_carry)) == y.size


def test_an_output_made_apart_from_the_state_is_constant_in_it():
    @dataclasses.dataclass(frozen=True, repr=False)
    class Apart(Elman):
        def recur(self, weights, carry, drive):
            h = jnp.tanh(drive["candidate"])
            return type(carry)(h), jnp.tanh(drive["candidate"])

    _, (new_carry, read) = stepped(Apart(5))
    y, pull = jax.vjp(read, new_carry)
    assert not np.any(pull(jnp.ones_like(y))[0].h)


def test_a_state_made_together_with_what_the_output_needs():
    """One operation gives a leaf of the state and a part of the output: only the leaf is cut."""

    @dataclasses.dataclass(frozen=True, repr=False)
    class Split(Elman):
        def recur(self, weights, carry, drive):
            h, extra = jnp.split(jnp.concatenate([jnp.tanh(drive["candidate"]), carry.h], axis=-1), 2, axis=-1)
            return type(carry)(h), 3 * h + extra

    (carry, y), (new_carry, read) = stepped(Split(5))
    np.testing.assert_allclose(read(new_carry), y, rtol=1e-6)
    _, pull = jax.vjp(read, new_carry)
    np.testing.assert_array_equal(pull(jnp.ones_like(y))[0].h, jnp.full_like(carry.h, 3))
