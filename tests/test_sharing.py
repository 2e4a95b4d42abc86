"""The laws of loops that store each array once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64, IN_FEATURES
from sequences import BATCH, TIME, assert_identical, drawn_like

from rnnjax import GRU, LSTM, Elman, unroll
from rnnjax.cell import abstract_params
from rnnjax.engines.sharing import with_shared_outputs


def stacked(function, *arguments):
    """The shapes of what the loops of a function give out, the last axis first, without the time axis."""
    program = jax.make_jaxpr(function)(*arguments)
    found = []
    for equation in program.jaxpr.eqns:
        if equation.primitive.name == "scan":
            found += [variable.aval.shape[1:] for variable in equation.outvars[equation.params["num_carry"] :]]
    return found


def doubled(reverse=False):
    """A function with a loop that gives out a sum, the same sum once more, both side by side, and a product."""

    def function(start, xs):
        def step(carry, x):
            total = carry + x
            product = total * x
            return jnp.sin(total), (total, {"again": total}, jnp.concatenate([total, product], axis=-1), product)

        return jax.lax.scan(step, start, xs, reverse=reverse)

    return function


@pytest.mark.parametrize("reverse", [False, True])
def test_shared_loops_give_out_the_same(reverse):
    """Values, structure and order are those of the function as it was, in either direction, under `jit` too."""
    start, xs = np.ones((2, 3), np.float32), np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    expected = jax.device_get(doubled(reverse)(start, xs))
    assert_identical(jax.device_get(with_shared_outputs(doubled(reverse))(start, xs)), expected)
    assert_identical(jax.device_get(jax.jit(with_shared_outputs(doubled(reverse)))(start, xs)), expected)


def test_each_array_is_stored_once():
    """Of a sum, its copy, a product and both side by side, the last is stored."""
    start, xs = jnp.ones((2, 3)), jnp.ones((5, 2, 3))
    assert stacked(doubled(), start, xs) == [(2, 3), (2, 3), (2, 6), (2, 3)]
    assert stacked(with_shared_outputs(doubled()), start, xs) == [(2, 6)]


def test_rows_that_overlap():
    """Of arrays side by side in two ways the longer row is stored, and what it lacks of the other; a part given out
    twice within a row is stored with it.
    """

    def function(xs):
        def step(carry, x):
            a, b, c, d = (x * factor for factor in (2.0, 3.0, 5.0, 7.0))
            side_by_side = lambda *parts: jnp.concatenate(parts, axis=-1)  # noqa: E731
            return carry, (b, side_by_side(c, d), side_by_side(a, side_by_side(b, c)), side_by_side(d, d))

        return jax.lax.scan(step, None, xs)

    xs = jnp.arange(30.0).reshape(5, 2, 3)
    assert stacked(with_shared_outputs(function), xs) == [(2, 9), (2, 3)]
    assert_identical(jax.device_get(with_shared_outputs(function)(xs)), jax.device_get(function(xs)))


def test_outputs_that_do_not_vary():
    """A constant, a literal and an input handed through are given out as they are."""

    def function(xs):
        constant = jnp.arange(3.0)
        return jax.lax.scan(lambda c, x: (c + 1, (x, x, constant, 2.0, c, c)), 0.0, xs)

    xs = jnp.arange(15.0).reshape(5, 3)
    assert_identical(jax.device_get(with_shared_outputs(function)(xs)), jax.device_get(function(xs)))


def test_differentiates_like_the_original():
    """First derivatives in both modes, and second ones, are those of the function as it was."""

    def loss(function):
        return lambda xs: sum(jnp.sum(leaf**3) for leaf in jax.tree.leaves(function(jnp.ones((2, 3)), xs)))

    xs = jnp.linspace(-1.0, 1.0, 30).reshape(5, 2, 3)
    one, other = loss(doubled()), loss(with_shared_outputs(doubled()))
    for derivative in (jax.grad, jax.jacfwd, lambda f: jax.grad(lambda xs: jnp.vdot(jax.grad(f)(xs), xs))):
        np.testing.assert_allclose(derivative(one)(xs), derivative(other)(xs), rtol=1e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("cls", "widths"), [(Elman, [4]), (LSTM, [16]), (GRU, [12, 4])])
def test_backward_loop_of_a_cell_stores_each_cotangent_once(cls, widths):
    """All gates side by side; for the GRU one more, as its candidate's drive and recurrent product are not summed."""
    cell = cls(4, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, IN_FEATURES), jnp.float64), 1)

    def gradient(params, xs):
        return jax.grad(lambda params, xs: jnp.sum(unroll(cell, params, xs)[1] ** 2), argnums=(0, 1))(params, xs)

    shapes = stacked(gradient, params, xs)
    forward = stacked(lambda params, xs: jax.vjp(lambda p, x: unroll(cell, p, x)[1], params, xs)[0], params, xs)
    assert shapes[: len(forward)] == forward
    assert shapes[len(forward) :] == [(BATCH, width) for width in widths]
