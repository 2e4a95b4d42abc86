"""The laws of the dtype policy: what is kept in which dtype, and how close a narrow one comes."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import references
from catalog import (
    IN_FEATURES,
    every_cell_in_full,
    every_computation,
    every_plain_computation,
    every_registered_computation,
)
from sequences import BATCH, LENGTHS, RESETS, TIME, drawn_like, example, run, weighed

import rnnjax
from rnnjax import GRU, LSTM, Elman, InputError, Precision, unroll
from rnnjax.cell import abstract_params
from rnnjax.kernel import dot

NARROW, WIDE = "bfloat16", "float32"
EPSILON = 2.0**-8  # spacing of bfloat16 at 1

POLICIES = [
    Precision(WIDE, NARROW, carry, output) for carry in (WIDE, NARROW) for output in (WIDE, NARROW)
] + [Precision(NARROW), Precision(NARROW, WIDE), Precision(WIDE, "float16", WIDE)]  # fmt: skip


def abstract_run(entry, precision, **options):
    """Shapes and dtypes of what `unroll` returns and of the gradients of parameters, inputs and carry."""
    cell, params, xs, carry, key = example(entry, precision)
    options |= dict(lengths=LENGTHS, resets=RESETS, key=key)

    def loss(params, xs, carry):
        outcome = unroll(cell, params, xs, carry, return_carries=True, **options)
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), outcome)
        return weighed(wide, np.ones(BATCH, np.float32)), outcome

    gradient = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
    (_, outcome), gradients = jax.eval_shape(gradient, params, xs, carry)
    return (params, xs, carry), outcome, gradients


def dtypes(tree):
    return {leaf.dtype.name for leaf in jax.tree.leaves(tree)}


@every_computation
@pytest.mark.parametrize("precision", POLICIES, ids=lambda p: f"{p.params}-{p.compute}-{p.carry}-{p.output}")
def test_trap_dtypes_are_those_of_the_policy(entry, precision):
    """Outputs, final carry and carries have the policy's dtypes, gradients those of what they belong to."""
    for options in ({}, {"hoist": False}, {"remat": "sqrt"})[: 3 if precision == POLICIES[1] else 1]:
        at, (final, ys, carries), gradients = abstract_run(entry, precision, **options)
        assert dtypes(at[0]) == {precision.params} and dtypes(at[2]) == {precision.carry}
        assert dtypes(final) == dtypes(carries) == {precision.carry}
        assert ys.dtype == precision.output
        assert [leaf.dtype for leaf in jax.tree.leaves(gradients)] == [leaf.dtype for leaf in jax.tree.leaves(at)]


@every_registered_computation
def test_init_makes_parameters_of_the_policy(entry):
    """Parameters are drawn in the dtype of the policy, narrow ones too."""
    for name in (NARROW, "float16"):
        init = jax.jit(entry.cell(Precision(name)).init, static_argnums=1)
        params = init(jax.random.key(0), entry.in_features)
        assert dtypes(params) == {name}
        assert all(np.isfinite(leaf.astype(np.float32)).all() for leaf in jax.device_get(jax.tree.leaves(params)))


@every_computation
def test_step_keeps_the_policy(entry):
    """A single step returns carry and output in the policy's dtypes, so that it can be scanned."""
    precision = Precision(WIDE, NARROW, WIDE, NARROW)
    cell, params, xs, carry, _ = example(entry, precision)
    after, y = jax.eval_shape(cell.step, params, carry, xs[:, 0])
    assert jax.tree.map(lambda leaf: leaf.dtype, after) == jax.tree.map(lambda leaf: leaf.dtype, carry)
    assert y.dtype == precision.output == cell.output_dtype


def products(jaxpr):
    """The dtypes of the operands of each matrix product and each convolution of a program."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("dot_general", "conv_general_dilated"):
            yield {variable.aval.dtype.name for variable in equation.invars}
        for value in equation.params.values():
            for inside in value if isinstance(value, tuple | list) else [value]:
                inside = getattr(inside, "jaxpr", inside)
                if hasattr(inside, "eqns"):
                    yield from products(inside)


@every_computation
def test_products_are_computed_in_the_compute_dtype(entry):
    """Every matrix product, forwards and backwards, has operands of the compute dtype, with a wide carry too."""
    cell, params, xs, carry, _ = example(entry, Precision(WIDE, NARROW, WIDE, WIDE))
    for hoist in (True, False):

        def loss(params, xs, hoist=hoist):
            return weighed(unroll(cell, params, xs, carry, hoist=hoist), np.ones(BATCH, np.float32))

        found = list(products(jax.make_jaxpr(jax.grad(loss, argnums=(0, 1)))(params, xs).jaxpr))
        # What is made of the parameters once a sequence, a matrix exponential, is made in single precision at least.
        once = list(products(jax.make_jaxpr(cell.prepare)(params).jaxpr))
        found = [operands for operands in found if not once or operands != {WIDE}]
        assert len(found) >= (2 if "1" in references.FLAT.get(entry.name, ()) else 3)
        assert all(operands == {NARROW} for operands in found), found


@functools.partial(jax.jit, static_argnums=0)
def outputs_and_gradients(cell, params, xs, carry):
    def loss(params):
        final, ys = unroll(cell, params, xs, carry, lengths=LENGTHS)
        return weighed(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (final, ys)), np.ones(BATCH, np.float32)), ys

    gradients, ys = jax.grad(loss, has_aux=True)(params)
    return ys.astype(jnp.float32), gradients


@every_plain_computation
def test_narrow_computation_is_close_to_single_precision(entry):
    """Computed in bfloat16, outputs and gradients are those of float32 to the rounding of bfloat16, and not nearer."""
    if "1" in references.FLAT.get(entry.name, ()):
        pytest.skip("outputs that change in jumps are not close, or equal")
    cell, params, xs, carry, _ = example(entry, Precision())
    carry = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16).astype(np.float32), carry)  # exact in both
    ys, gradients = outputs_and_gradients(cell, params, xs, carry)
    narrow_ys, narrow_gradients = outputs_and_gradients(
        entry.cell(Precision(WIDE, NARROW, WIDE, WIDE)), params, xs, carry
    )
    # Eight steps of up to six roundings of half a spacing each, of numbers about as large as the largest. An NRU writes
    # and erases by heads that are made in several steps of their own: products, powers, norms and outer products.
    roundings = 12 if entry.name == "nru" else 6
    tolerance = TIME * roundings / 2 * EPSILON
    flat = {path.removeprefix("0/") for path in references.FLAT.get(entry.name, ())}
    gradients, narrow_gradients = (
        {name: leaf for name, leaf in each.items() if name not in flat} for each in (gradients, narrow_gradients)
    )
    for narrow, wide in zip(
        jax.tree.leaves((narrow_ys, narrow_gradients)), jax.tree.leaves((ys, gradients)), strict=True
    ):
        error = np.abs(narrow - wide).max() / np.abs(wide).max()
        assert 1e-5 < error < tolerance


def test_a_wide_carry_keeps_what_a_narrow_one_loses():
    """An LSTM that adds 1/1024 a step counts 1024 steps in a float32 carry; in bfloat16 the sum stands still."""
    steps = 1024
    counts = {}
    for carry in (WIDE, NARROW):
        cell = LSTM(1, precision=Precision(WIDE, NARROW, carry))
        params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract_params(cell, 1))
        # Input gate and candidate 1/32 each, forget gate 1.
        params["bias"] = np.array([np.log(1 / 31), 100.0, np.arctanh(1 / 32), 0.0], np.float32)
        final, _ = run(cell, params, np.zeros((1, steps, 1), np.float32))
        counts[carry] = float(final.c[0, 0])
    assert abs(counts[WIDE] - 1) < 4 * EPSILON  # gate and candidate are each rounded once to bfloat16
    assert counts[NARROW] < 0.5


def test_a_product_has_the_dtype_of_the_kernel():
    """`dot` brings the state to the dtype of the kernel."""
    h, kernel = jnp.ones((3, 4), jnp.float32), jnp.ones((4, 5), jnp.bfloat16)
    assert dot(h, kernel).dtype == jnp.bfloat16
    assert dot(h.astype(jnp.bfloat16), kernel.astype(jnp.float32)).dtype == jnp.float32


# --- double precision --------------------------------------------------------------------------------------------


@every_cell_in_full
def test_double_precision_has_to_be_switched_on(entry):
    """A cell of float64 is configuration and can be made anywhere; using it without x64 says what is missing."""
    cell = entry.cell(Precision("float64"))
    single = entry.cell(Precision())
    params = single.init(jax.random.key(0), entry.in_features)
    xs = np.zeros((BATCH, TIME, *entry.places, entry.in_features), np.float32)
    for use in (
        lambda: cell.init(jax.random.key(0), entry.in_features),
        cell.initial_carry,
        lambda: unroll(cell, params, xs),
        lambda: cell.step(params, single.initial_carry((BATCH, *entry.places)), xs[:, 0]),
    ):
        with pytest.raises(InputError, match=r"Precision\.\w+: got 'float64', expected jax_enable_x64 to be on"):
            use()


def test_one_role_of_double_precision():
    """Each role is checked by itself: a float64 output needs x64 where everything else is float32."""
    cell = LSTM(4, precision=Precision(output="float64"))
    with pytest.raises(InputError, match=r"Precision\.output"):
        unroll(cell, cell.init(jax.random.key(0), 5), np.zeros((3, 7, 5), np.float32))


@pytest.mark.usefixtures("x64")
def test_parameters_of_single_precision_computed_in_double():
    """float32 parameters and a float64 computation: outputs are float64, gradients float32, and they are right."""
    cell, double = GRU(4, precision=Precision("float32", "float64")), GRU(4, precision=Precision("float64"))
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    xs = np.ones((BATCH, TIME, IN_FEATURES))
    ys = run(cell, params, xs)[1]
    assert ys.dtype == np.float64
    wide = jax.tree.map(lambda leaf: leaf.astype(np.float64), params)
    np.testing.assert_array_equal(ys, run(double, wide, xs)[1])


# --- the policy itself -------------------------------------------------------------------------------------------


def test_what_is_not_given_follows_the_role_before():
    """compute follows params; carry and output follow compute; names and dtypes mean the same."""
    assert Precision() == Precision("float32", "float32", "float32", "float32")
    assert Precision("bfloat16") == Precision("bfloat16", "bfloat16", "bfloat16", "bfloat16")
    assert Precision("float32", "bfloat16") == Precision("float32", "bfloat16", "bfloat16", "bfloat16")
    assert Precision(jnp.float32, jnp.bfloat16, np.dtype("float32")) == Precision("float32", "bfloat16", "float32")
    assert Precision("float32", "bfloat16", "float32").output == "bfloat16"
    assert hash(Precision(np.float16)) == hash(Precision("float16"))


@pytest.mark.parametrize("role", ["params", "compute", "carry", "output"])
@pytest.mark.parametrize("given", ["int32", "bool", "complex64", "float31", 3])
def test_bad_dtype_is_named(role, given):
    """A dtype that is unknown or not floating is refused, by the name of its role."""
    with pytest.raises(InputError) as error:
        Precision(**{role: given})
    assert error.value.argument == f"Precision.{role}"
    assert repr(given) in str(error.value) and "floating dtype" in str(error.value)


def test_parameters_need_a_dtype():
    """`None` means another role's dtype, and parameters have none before them."""
    with pytest.raises(InputError, match=r"Precision\.params: got None"):
        Precision(None)


def test_default_is_single_precision():
    """Without a policy everything is float32."""
    for make in (Elman, LSTM, GRU):
        cell = make(3)
        params = cell.init(jax.random.key(0), 2)
        final, ys = rnnjax.unroll(cell, params, jnp.ones((4, 2)))
        assert dtypes((params, final, ys)) == {"float32"}
