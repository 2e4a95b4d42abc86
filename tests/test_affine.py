"""The laws of maps that are affine in the state, whichever way they are written down."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sequences import assert_identical, assert_same, drawn_like

from rnnjax.affine import Complex, Log, Real

pytestmark = pytest.mark.usefixtures("x64")
KINDS = {"real": (Real, 2, 1), "complex": (Complex, 4, 2), "log": (Log, 2, 1)}
every_kind = pytest.mark.parametrize("kind", KINDS)


def drawn(kind, seed):
    """Maps `[3, 5]` and a state, drawn at random."""
    cls, fields, parts = KINDS[kind]
    arrays = [jax.ShapeDtypeStruct((3, 5), jnp.float64)] * (fields + parts)
    leaves = drawn_like(arrays, seed)
    return cls(*leaves[:fields]), tuple(leaves[fields:])


@every_kind
def test_a_map_is_affine_in_the_state(kind):
    """Of three states in a line, the images are in a line."""
    maps, one = drawn(kind, 0)
    _, other = drawn(kind, 1)
    between = jax.tree.map(lambda a, b: 0.3 * a + 0.7 * b, one, other)
    expected = jax.tree.map(lambda a, b: 0.3 * a + 0.7 * b, maps(one), maps(other))
    assert_same(jax.device_get(maps(between)), jax.device_get(expected))


@every_kind
def test_then_is_one_map_after_the_other(kind):
    """`a.then(b)(s) = b(a(s))`, and it does not matter which two of three are joined first."""
    (a, state), (b, _), (c, _) = (drawn(kind, seed) for seed in range(3))
    assert_same(jax.device_get(a.then(b)(state)), jax.device_get(b(a(state))))
    assert_same(jax.device_get(a.then(b).then(c)), jax.device_get(a.then(b.then(c))))


@every_kind
def test_identity_changes_nothing_bit_for_bit(kind):
    """Neither a state nor a map that is joined to it, before or after."""
    maps, state = drawn(kind, 0)
    identity = maps.identity()
    assert_identical(identity(state), state)
    assert_identical(identity.then(maps), maps)
    assert_identical(maps.then(identity), maps)
    assert_identical(identity.then(identity), identity)


@every_kind
def test_adjoint_is_the_transposed_map(kind):
    """`d -> A^T d + g` is what reverse-mode differentiation makes of the map, plus g."""
    (maps, state), (_, cotangent), (_, flowing) = (drawn(kind, seed) for seed in range(3))
    _, vjp = jax.vjp(maps, state)
    expected = jax.tree.map(np.add, vjp(flowing)[0], cotangent)
    assert_same(jax.device_get(maps.adjoint(cotangent)(flowing)), jax.device_get(expected))


def test_complex_is_complex_arithmetic():
    """The pairs of real arrays are the numbers that NumPy calculates with."""
    maps, (real, imag) = drawn("complex", 0)
    factor, term = maps.factor_real + 1j * maps.factor_imag, maps.term_real + 1j * maps.term_imag
    after = factor * (real + 1j * imag) + term
    assert_same(jax.device_get(maps((real, imag))), (after.real, after.imag))


def test_logarithms_keep_what_numbers_lose():
    """Two terms that are both zero in float64 still have a ratio."""
    shape = np.zeros((1, 1))
    faint, half = Log(shape, shape - 2000.0), Log(shape + np.log(0.5), shape - 2000.0)
    assert_same(np.asarray(faint.then(half).log_term), shape - 2000.0 + np.log(1.5))
