"""The laws of the scan engine: gradients, where they are computed, and rematerialisation."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from catalog import (
    CELLS,
    FLOAT64,
    IN_FEATURES,
    differing_in_dynamics,
    each_in_full,
    every_computation,
    every_plain_computation,
)
from sequences import (
    BATCH,
    LENGTHS,
    RESETS,
    TIME,
    assert_same,
    directional,
    drawn_like,
    evaluate,
    example,
    inner,
    plus,
    weighed,
)

from rnnjax import LSTM, Elman, Jordan, PeepholeLSTM, UnitCell, unroll
from rnnjax.cell import abstract_params
from rnnjax.engines import Scan
from rnnjax.kernel import contract, dot, dot_inputs

pytestmark = pytest.mark.usefixtures("x64")


def in_full(entry):
    """Arguments and options that use all an engine offers: padding, resets, dropout, gradients through carries."""
    cell, params, xs, carry, key = example(entry)
    return (cell, params, xs, carry), dict(lengths=LENGTHS, resets=RESETS, key=key, through_carries=1.0)


# --- first derivatives -------------------------------------------------------------------------------------------


@every_computation
def test_hoisted_gradients_equal_plain_ones(entry):
    """Weight gradients computed after the loop equal those of plain autodiff: parameters, inputs and carry."""
    arguments, options = in_full(entry)
    assert_same(evaluate(*arguments, **options), evaluate(*arguments, hoist=False, **options))


@every_plain_computation
def test_hoisted_gradients_equal_plain_ones_backwards(entry):
    """The same of an unroll in reverse."""
    arguments, options = in_full(entry)
    hoisted = evaluate(*arguments, reverse=True, **options)
    assert_same(hoisted, evaluate(*arguments, reverse=True, hoist=False, **options))


@every_computation
def test_gradients_agree_with_finite_differences(entry):
    """Along a direction in each parameter, the inputs and each carry, the gradient is the slope of the loss."""
    (cell, params, xs, carry), options = in_full(entry)
    at = (params, xs, carry)
    gradients = evaluate(cell, *at, **options).gradients
    step = 1e-5  # error of a central difference: step^2 from curvature, 1e-16 / step from rounding, both about 1e-10
    for leaf, direction in directional(at, seed=7).items():
        above = evaluate(cell, *plus(at, step, direction), **options).loss
        below = evaluate(cell, *plus(at, -step, direction), **options).loss
        slope = (above - below) / (2 * step)
        assert abs(slope - inner(gradients, direction)) < 1e-7 * max(1.0, abs(slope))
        flat = leaf in references.FLAT.get(entry.name, ())
        assert (slope == 0.0) == flat, f"whether the loss depends on {leaf}"


# --- what the backward loop carries ------------------------------------------------------------------------------


def loops(jaxpr):
    """The shapes that each `scan` of a program carries, inner loops included."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "scan":
            first, count = equation.params["num_consts"], equation.params["num_carry"]
            yield [variable.aval.shape for variable in equation.invars[first : first + count]]
        for value in equation.params.values():
            for inside in value if isinstance(value, tuple | list) else [value]:
                inside = getattr(inside, "jaxpr", inside)
                if hasattr(inside, "eqns"):
                    yield from loops(inside)


def carried_shapes(cell, params, xs, carry, **options):
    """All shapes carried by any loop of the gradient of an unroll."""

    def loss(params, xs, carry):
        return weighed(unroll(cell, params, xs, carry, **options), np.ones(BATCH))

    program = jax.make_jaxpr(jax.grad(loss, argnums=(0, 1, 2)))(params, xs, carry)
    found = list(loops(program.jaxpr))
    assert found, "the gradient is computed by loops"
    return {shape for shapes in found for shape in shapes}


RECURRENT = [entry for entry in CELLS if entry.cell(FLOAT64).recurrent_kernels]


@each_in_full(differing_in_dynamics(RECURRENT))
def test_backward_loop_carries_no_weight_gradient(entry):
    """No loop of the gradient carries an array of a recurrent kernel's shape; with plain autodiff one does."""
    cell, params, xs, carry, key = example(entry)
    weights = cell.prepare(params)
    kernels = {
        leaf.shape
        for path, leaf in jax.tree.leaves_with_path(weights)
        if leaf.ndim in (2, 3) and any(getattr(part, "key", None) in cell.recurrent_kernels for part in path)
    }
    states = {leaf.shape for leaf in jax.tree.leaves(carry)}
    assert kernels and not kernels & states, "shapes tell kernels from states here"
    options = dict(lengths=LENGTHS, resets=RESETS, key=key)
    assert not kernels & carried_shapes(cell, params, xs, carry, **options)
    assert kernels <= carried_shapes(cell, params, xs, carry, hoist=False, **options)


def test_every_recurrent_product_of_a_step_is_hoisted():
    """The output kernel of a Jordan network, which the loop uses too, is not accumulated in it either."""
    cell = Jordan(4, output_size=6, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    xs, carry = np.ones((BATCH, TIME, IN_FEATURES)), cell.initial_carry((BATCH,))
    accumulators = {(6, 4), (4, 6)}
    assert not accumulators & carried_shapes(cell, params, xs, carry)
    assert accumulators <= carried_shapes(cell, params, xs, carry, hoist=False)


class Hidden(NamedTuple):
    h: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Unusual(UnitCell):
    """A cell outside the library, whose kernels are used in ways the engine has to tell apart."""

    def init(self, key, in_features):
        dtype = self.precision.dtype("params")
        square = (self.features, self.features)
        names = ("twice", "mixed", "transposed", "unused")
        kernels = {name: jax.random.normal(jax.random.fold_in(key, i), square, dtype) for i, name in enumerate(names)}
        kernel = jax.random.normal(key, (in_features, self.features), dtype)
        return {"kernel": kernel, "bias": jnp.ones(self.features, dtype), **kernels}

    def initial_carry(self, batch_shape=()):
        return Hidden(self.zeros(batch_shape))

    def recur(self, weights, carry, drive):
        h = jnp.tanh(drive + dot(carry.h, weights["twice"]))  # one kernel in two products of a step
        h = jnp.sin(h + dot(h, weights["twice"]))
        h = h + dot(h, weights["mixed"]) * jnp.mean(weights["mixed"] ** 2)  # a product, and something else
        h = h + 0.1 * (carry.h @ weights["transposed"].T) - 0.1 * h @ weights["mixed"]  # not through `dot`
        return Hidden(jnp.tanh(h)), h


@pytest.mark.parametrize("reverse", [False, True])
def test_kernels_used_in_any_way_have_right_gradients(reverse):
    """A kernel used twice in a step, otherwise than in `dot`, or not at all: hoisted gradients equal plain ones."""
    cell = Unusual(4, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, IN_FEATURES), jnp.float64), 1)
    carry = drawn_like(cell.initial_carry((BATCH,)), 2)
    options = dict(lengths=LENGTHS, resets=RESETS, reverse=reverse, through_carries=1.0)
    hoisted = evaluate(cell, params, xs, carry, **options)
    assert_same(hoisted, evaluate(cell, params, xs, carry, hoist=False, **options))
    assert not np.any(hoisted.params["unused"])
    assert all(np.any(leaf) for name, leaf in hoisted.params.items() if name != "unused")


# --- forward mode and second derivatives -------------------------------------------------------------------------


def hessian_product(hoist, mode):
    """A function of cell, arguments and direction: the Hessian of the loss times the direction, by the given mode."""

    def product(cell, at, direction):
        def loss(at):
            return weighed(unroll(cell, *at, lengths=LENGTHS, hoist=hoist), np.ones(BATCH))

        if mode == "reverse over reverse":
            along = lambda at: sum(  # noqa: E731
                jnp.vdot(a, b)
                for a, b in zip(jax.tree.leaves(jax.grad(loss)(at)), jax.tree.leaves(direction), strict=True)
            )
            return jax.grad(along)(at)
        return jax.jvp(jax.grad(loss), (at,), (direction,))[1]

    return jax.jit(product, static_argnums=0)


@every_plain_computation
def test_second_derivatives_through_hoisted_gradients(entry):
    """Differentiating hoisted gradients once more gives the slope of the gradients, in every argument."""
    cell, params, xs, carry, _ = example(entry)
    at = (params, xs, carry)
    direction = drawn_like(at, seed=7)
    product = jax.device_get(hessian_product(True, "reverse over reverse")(cell, at, direction))
    step = 1e-6  # the third derivatives of some cells are large
    above = evaluate(cell, *plus(at, step, direction), lengths=LENGTHS).gradients
    below = evaluate(cell, *plus(at, -step, direction), lengths=LENGTHS).gradients
    slope = jax.tree.map(lambda a, b: (a - b) / (2 * step), above, below)
    scale = max(1.0, *(np.abs(leaf).max() for leaf in jax.tree.leaves(slope)))
    assert_same(*(jax.tree.map(lambda leaf: leaf / scale, tree) for tree in (product, slope)), tolerance=1e-7)
    flat = entry.name in references.FLAT  # in the first derivative, or in the second
    assert flat or all(np.any(leaf) for leaf in jax.tree.leaves(product))


@pytest.mark.parametrize("cls", [Elman, PeepholeLSTM])
def test_all_ways_to_second_derivatives_agree(cls):
    """Reverse over reverse, hoisted or not, and forward over reverse, not hoisted, give one Hessian."""
    cell = cls(4, precision=FLOAT64)
    at = (
        drawn_like(abstract_params(cell, IN_FEATURES), 0),
        drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, IN_FEATURES), jnp.float64), 1),
        drawn_like(cell.initial_carry((BATCH,)), 2),
    )
    direction = drawn_like(at, seed=7)
    expected = jax.device_get(hessian_product(True, "reverse over reverse")(cell, at, direction))
    for mode in ("reverse over reverse", "forward over reverse"):
        assert_same(jax.device_get(hessian_product(False, mode)(cell, at, direction)), expected, 1e-11)


@every_computation
def test_forward_mode_without_hoisting(entry):
    """With `hoist=False` the unroll has a forward derivative, and it agrees with the gradient."""
    (cell, params, xs, carry), options = in_full(entry)
    at = (params, xs, carry)
    gradients = evaluate(cell, *at, **options).gradients
    direction = drawn_like(at, seed=7)
    del options["through_carries"]

    def tangent(at, direction):
        def loss(at):
            final, ys, carries = unroll(cell, *at, hoist=False, return_carries=True, **options)
            return weighed((final, ys, carries), np.ones(BATCH))

        return jax.jvp(loss, (at,), (direction,))[1]

    assert_same(np.asarray(jax.jit(tangent)(at, direction)), np.asarray(inner(gradients, direction)), 1e-11)


def test_forward_mode_through_hoisting_is_refused():
    """A hoisted unroll has no forward derivative: JAX says so, rather than giving a wrong one."""
    cell = LSTM(4, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    run = lambda params: unroll(cell, params, np.ones((BATCH, TIME, IN_FEATURES)))  # noqa: E731
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(run, (params,), (params,))


# --- rematerialisation -------------------------------------------------------------------------------------------


@every_computation
def test_rematerialised_equals_stored(entry):
    """Blocks of sqrt(time) steps, which do not divide the time, change neither outputs nor gradients."""
    arguments, options = in_full(entry)
    assert_same(evaluate(*arguments, remat="sqrt", **options), evaluate(*arguments, **options))


@every_plain_computation
def test_rematerialised_equals_stored_backwards(entry):
    """A block of another size, run in reverse, changes neither outputs nor gradients."""
    arguments, options = in_full(entry)
    expected = evaluate(*arguments, reverse=True, **options)
    assert_same(evaluate(*arguments, reverse=True, remat=3, **options), expected)


@pytest.mark.parametrize(("remat", "reverse"), [(True, False), (True, True), (2, True), (7, False), (100, True)])
def test_blocks_of_any_size(remat, reverse):
    """Blocks of one step, of sizes that do and do not divide the time, and longer than it, change nothing."""
    cell = Elman(4, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, IN_FEATURES), jnp.float64), 1)
    carry = drawn_like(cell.initial_carry((BATCH,)), 2)
    expected = evaluate(cell, params, xs, carry, lengths=LENGTHS, reverse=reverse)
    assert_same(evaluate(cell, params, xs, carry, lengths=LENGTHS, reverse=reverse, remat=remat), expected)


def stored(cell, time, **options):
    """Numbers kept for the backward pass by a cell over so many steps, without the inputs."""
    drives = jnp.zeros((time, 1))
    run = lambda params: unroll(cell, params, drives, **options)  # noqa: E731
    _, kept = jax.eval_shape(lambda params: jax.vjp(run, params), abstract_params(cell, 1))
    return sum(leaf.size for leaf in jax.tree.leaves(kept))


def test_rematerialisation_stores_less():
    """What is kept for the backward pass: with a block of k steps about 1/k of the states, and the drives."""
    plain, each, root = (stored(LSTM(4, precision=FLOAT64), 1024, remat=remat) for remat in (False, True, "sqrt"))
    inputs, drives, states, weights = 1024, 1024 * 16, 1024 * 8, 200
    assert each < inputs + drives + states + weights < plain
    assert root < inputs + drives + states / 32 + weights


@pytest.mark.parametrize(("features", "kilobytes", "fewer"), [(4, 1, True), (256, 1, False), (4, 1024, False)])
def test_long_sequences_of_narrow_cells_are_recomputed_unasked(features, kilobytes, fewer):
    """Where a sequence is cut into blocks and the weights are small, less is stored; `remat=False` stores it all."""
    cell, engine = Elman(features, precision=FLOAT64), Scan(drive_bytes=kilobytes << 10)
    everything = stored(cell, 4096, engine=engine, remat=False)
    unasked = stored(cell, 4096, engine=engine)
    assert unasked < everything if fewer else unasked == everything


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("leading", [(), (3,), (5, 3), (5, 2, 3)])
def test_products_over_all_steps_do_not_depend_on_devices(monkeypatch, devices, leading):
    """With merged axes, on one device, and without, on several: `xs @ kernel`, its derivatives, and `contract`."""
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    rng = np.random.default_rng(0)
    xs, kernel, d = (rng.standard_normal(shape) for shape in ((*leading, 4), (4, 6), (*leading, 6)))
    product, pull = jax.vjp(dot_inputs, jnp.asarray(xs), jnp.asarray(kernel))
    gradient = xs.reshape(-1, 4).T @ d.reshape(-1, 6)
    assert_same((product, pull(d)), (xs @ kernel, (d @ kernel.T, gradient)))
    assert_same(contract(xs, d, kernel.shape), gradient)
    opened = str(jax.make_jaxpr(lambda *given: dot_inputs(*given))(xs, kernel))  # traced anew for each
    assert ("reshape" in opened) is (devices == 1 and len(leading) > 1)
