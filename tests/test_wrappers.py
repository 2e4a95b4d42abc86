"""The laws of cells made of cells: stacks, residual connections and dropout."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64, IN_FEATURES, every_plain_computation
from sequences import (
    BATCH,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    drawn_like,
    evaluate,
    run,
)

from rnnjax import GRU, LSTM, Dropout, Elman, InputError, Precision, Residual, Stack, UnitCell, unroll
from rnnjax.cell import abstract_params
from rnnjax.kernel import dot

x64 = pytest.mark.usefixtures("x64")
KEY = jax.random.key(0)


def drawn(cell, in_features=IN_FEATURES, batch_shape=(BATCH,)):
    """Parameters, inputs and carry of a cell, drawn at random in its dtype."""
    params = drawn_like(abstract_params(cell, in_features), 0)
    dtype = jax.tree.leaves(params)[0].dtype
    places = (3,) * cell.spatial_axes
    xs = drawn_like(jax.ShapeDtypeStruct((*batch_shape, TIME, *places, in_features), dtype), 1, scale=1.0)
    return params, xs, drawn_like(cell.initial_carry((*batch_shape, *places)), 2)


# --- stacks ------------------------------------------------------------------------------------------------------


@x64
@pytest.mark.parametrize("reverse", [False, True])
def test_stack_is_its_layers_one_after_the_other(reverse):
    """A stack gives what unrolling the layers by hand gives: outputs of one are inputs of the next."""
    lower, upper = LSTM(6, precision=FLOAT64), GRU(4, precision=FLOAT64)
    stack = Stack((lower, upper))
    params, xs, carry = drawn(stack)
    options = dict(lengths=LENGTHS, resets=RESETS, reverse=reverse)
    final_0, hidden = run(lower, params["layer_0"], xs, carry[0], **options)
    final_1, ys = run(upper, params["layer_1"], hidden, carry[1], **options)
    whole = evaluate(stack, params, xs, carry, **options).outcome
    assert_same(whole[:2], ((final_0, final_1), ys))
    assert jax.tree.map(np.shape, whole[2]) == jax.tree.map(lambda leaf: (BATCH, TIME, leaf.shape[-1]), carry)


@x64
def test_stack_within_a_wrapper_equals_the_stack_alone():
    """Run step by step, inside a wrapper, a stack gives what it gives run layer by layer."""
    stack = Stack((LSTM(6, precision=FLOAT64), GRU(4, precision=FLOAT64)))
    params, xs, carry = drawn(stack)
    options = dict(lengths=LENGTHS, resets=RESETS, through_carries=1.0)
    assert_same(evaluate(Dropout(stack), params, xs, carry, **options), evaluate(stack, params, xs, carry, **options))


@x64
def test_stack_of_one_and_nested_stacks():
    """A stack of one cell is that cell; a stack of stacks is the flat stack, with nested parameters."""
    cells = [Elman(n, precision=FLOAT64) for n in (6, 4, 3)]
    flat, nested = Stack(cells), Stack((cells[0], Stack(cells[1:])))
    params, xs, _ = drawn(flat)
    expected = run(flat, params, xs)
    regrouped = {
        "layer_0": params["layer_0"],
        "layer_1": {"layer_0": params["layer_1"], "layer_1": params["layer_2"]},
    }
    (first, (second, third)), ys = run(nested, regrouped, xs)
    assert_same(((first, second, third), ys), expected)
    alone = run(cells[0], params["layer_0"], xs)
    (final,), ys = run(Stack(cells[:1]), {"layer_0": params["layer_0"]}, xs)
    assert_same((final, ys), alone)


def test_stack_gives_each_layer_the_width_below_it():
    """The inputs of a layer are as wide as the outputs of the one below."""
    shapes = jax.tree.map(jnp.shape, abstract_params(Stack((LSTM(6), GRU(4))), 5))
    assert shapes["layer_0"]["kernel"] == (5, 24) and shapes["layer_1"]["kernel"] == (6, 12)


# --- residual connections ----------------------------------------------------------------------------------------


@x64
@every_plain_computation
def test_residual_adds_the_input_to_the_output(entry):
    """y = x + cell(x), with the parameters and the carry of the cell; padding stays zero."""
    cell = entry.cell(FLOAT64)
    width = cell.output_features
    params, xs, carry = drawn(cell, width)
    final, ys = run(cell, params, xs, carry, lengths=LENGTHS)
    residual_final, residual = run(Residual(cell), params, xs, carry, lengths=LENGTHS)
    valid = np.arange(TIME) < LENGTHS[:, None]
    assert_same(residual, ys + np.where(valid.reshape(BATCH, TIME, *(1,) * (xs.ndim - 2)), xs, 0))
    assert_same(residual_final, final)


# --- dropout -----------------------------------------------------------------------------------------------------


class Held(NamedTuple):
    h: jax.Array


@dataclasses.dataclass(frozen=True, repr=False)
class Mirror(UnitCell):
    """A cell that shows what reaches it: `y = [inputs, state times kernel]`; its state never changes."""

    recurrent_kernels: ClassVar = ("echo",)

    def init(self, key, in_features):
        del key, in_features
        return {"echo": jnp.eye(self.features, dtype=self.precision.dtype("params"))}

    def initial_carry(self, batch_shape=()):
        return Held(self.zeros(batch_shape) + jnp.ones((), self.precision.dtype("carry")))

    def project(self, weights, xs):
        del weights
        return xs

    def recur(self, weights, carry, drive):
        return carry, jnp.concatenate([drive, dot(carry.h, weights["echo"])], axis=-1)

    @property
    def output_features(self):
        return 2 * self.features


def masks(key=KEY, batch_shape=(BATCH,), features=16, time=TIME, **shares):
    """The masks on inputs and recurrent connections, `[*batch, time, features]` each, seen through a `Mirror`."""
    cell = Dropout(Mirror(features), **shares)
    _, ys = unroll(cell, cell.init(key, features), jnp.ones((*batch_shape, time, features)), key=key)
    return np.split(np.asarray(ys), 2, axis=-1)


@pytest.mark.parametrize("role", ["input", "recurrent", "output"])
def test_one_mask_holds_for_the_whole_sequence(role):
    """The same units are dropped at all steps; kept ones are divided by the share kept; rows differ."""
    seen = np.concatenate(masks(**{role: 0.25}), axis=-1)
    touched = {"input": slice(0, 16), "recurrent": slice(16, 32), "output": slice(0, 32)}[role]
    mask = seen[..., touched]
    assert np.all(mask == mask[:, :1]), "one mask for all steps"
    np.testing.assert_allclose(np.unique(mask), [0.0, 1 / 0.75], rtol=1e-6)
    assert len({row.tobytes() for row in mask[:, 0]}) == BATCH, "rows have masks of their own"
    untouched = np.delete(seen, np.arange(32)[touched], axis=-1)
    assert np.all(untouched == 1.0), "nothing else is dropped"


def test_roles_have_masks_of_their_own():
    """Inputs and recurrent connections of one sequence are dropped independently."""
    inputs, recurrent = masks(input=0.5, recurrent=0.5, features=64)
    assert 0.3 < np.mean(inputs[:, 0] == recurrent[:, 0]) < 0.7


@pytest.mark.parametrize("role", ["input", "recurrent", "output"])
@pytest.mark.parametrize("share", [0.1, 0.7])
def test_dropout_keeps_the_expectation(role, share):
    """The mean of a mask is 1, and the share of zeros is the one asked for, to four standard errors."""
    seen = np.concatenate(masks(batch_shape=(2000,), time=1, features=8, **{role: share}), axis=-1)
    mask = {"input": seen[..., :8], "recurrent": seen[..., 8:], "output": seen}[role]
    error = np.sqrt(share / (1 - share) / mask.size)
    assert abs(mask.mean() - 1) < 4 * error
    assert abs((mask == 0).mean() - share) < 4 * np.sqrt(share * (1 - share) / mask.size)


@pytest.mark.parametrize("batch_shape", [(), (3,), (2, 3)])
def test_masks_have_the_batch_axes(batch_shape):
    """Each row of any number of batch axes has a mask of its own."""
    inputs, recurrent = masks(batch_shape=batch_shape, input=0.5, recurrent=0.5)
    for mask in (inputs, recurrent):
        assert mask.shape == (*batch_shape, TIME, 16)
        rows = mask.reshape(-1, TIME, 16)[:, 0]
        assert len({row.tobytes() for row in rows}) == len(rows)


@x64
@every_plain_computation
def test_without_a_key_dropout_is_the_cell_inside(entry):
    """Without a key the program is that of the cell inside, operation for operation."""
    cell = entry.cell(FLOAT64)
    dropping = Dropout(cell, input=0.5, output=0.5, recurrent=0.5)
    assert abstract_params(dropping, entry.in_features) == abstract_params(cell, entry.in_features)
    arguments = drawn(cell, entry.in_features)
    programs = [
        str(jax.make_jaxpr(lambda *args, c=c: unroll(c, *args, lengths=LENGTHS))(*arguments)) for c in (cell, dropping)
    ]
    assert programs[0] == programs[1]


@x64
def test_shares_of_zero_drop_nothing():
    """With a key and shares of zero, outputs are those of the cell inside, bit for bit."""
    cell = GRU(6, precision=FLOAT64)
    params, xs, carry = drawn(cell)
    assert_identical(run(Dropout(cell), params, xs, carry, key=KEY), run(cell, params, xs, carry))


@x64
def test_the_key_decides():
    """Equal keys drop equal units, other keys others; a key of the old kind is the same key."""
    cell = Dropout(GRU(6, precision=FLOAT64), input=0.5, output=0.5, recurrent=0.5)
    params, xs, carry = drawn(cell)
    one = run(cell, params, xs, carry, key=jax.random.key(1))
    assert_identical(run(cell, params, xs, carry, key=jax.random.key(1)), one)
    assert_identical(run(cell, params, xs, carry, key=jax.random.PRNGKey(1)), one)
    assert not np.array_equal(run(cell, params, xs, carry, key=jax.random.key(2))[1], one[1])
    step = cell.step(params, carry, xs[:, 0], key=jax.random.PRNGKey(1))
    assert_same(jax.device_get(step[1]), one[1][:, 0])


@x64
def test_recurrent_dropout_leaves_the_direct_path_alone():
    """With recurrent kernels of zero there is nothing to drop: an LSTM's cell state and a GRU's carry pass whole."""
    for cls in (LSTM, GRU):
        cell = cls(6, precision=FLOAT64)
        params, xs, carry = drawn(cell)
        params["recurrent_kernel"] = np.zeros_like(params["recurrent_kernel"])
        expected = run(cell, params, xs, carry)
        assert_same(run(Dropout(cell, recurrent=0.5), params, xs, carry, key=KEY), expected)


@x64
@pytest.mark.parametrize("reset_after", [True, False])
def test_recurrent_dropout_is_a_masked_state_in_every_product(reset_after):
    """One mask for all gates: dropping units of the state is the cell with rows of its recurrent kernel scaled."""
    cell = GRU(6, reset_after=reset_after, precision=FLOAT64)
    params, xs, carry = drawn(cell, batch_shape=())
    dropping = Dropout(cell, recurrent=0.5)
    (mask,) = dropping.prepare(params, key=KEY)["recurrent"].values()
    assert 0 < np.count_nonzero(mask) < 6
    scaled = params | {"recurrent_kernel": np.asarray(mask)[:, None] * params["recurrent_kernel"]}
    assert_same(run(dropping, params, xs, carry, key=KEY), run(cell, scaled, xs, carry))


@x64
def test_layers_of_a_stack_are_dropped_independently():
    """Around a stack, each layer's recurrent connections have a mask of their own, also where widths agree."""
    stack = Stack((GRU(16, precision=FLOAT64), GRU(16, precision=FLOAT64)))
    params = abstract_params(stack, 16)
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), params)
    drawn_masks = Dropout(stack, recurrent=0.5).prepare(params, key=KEY, batch_shape=(BATCH,))["recurrent"]
    one, other = drawn_masks.values()
    assert one.shape == other.shape == (BATCH, 16)
    assert 0.2 < np.mean(one == other) < 0.8


@x64
def test_dropout_within_a_stack():
    """A stack hands each layer a key of its own, whether it is unrolled or stepped."""
    stack = Stack([Dropout(GRU(16, precision=FLOAT64), output=0.5) for _ in range(2)])
    params, xs, carry = drawn(stack, 16)
    one, other = (w["output"] for w in stack.prepare(params, key=KEY, batch_shape=(BATCH,)))
    assert 0.2 < np.mean(one == other) < 0.8
    _, ys = run(stack, params, xs, carry, key=KEY)
    np.testing.assert_array_equal(ys == 0, np.broadcast_to(other[:, None] == 0, ys.shape))
    assert_same(np.asarray(stack.step(params, carry, xs[:, 0], key=KEY)[1]), ys[:, 0])


@pytest.mark.parametrize("wrap", [lambda cell: cell, lambda cell: Stack((cell,)), lambda cell: Stack((GRU(3), cell))])
def test_a_cell_says_which_kernels_are_recurrent(wrap):
    """Recurrent dropout acts on the kernels that the class names, through wrappers too."""
    cell = wrap(Mirror(16))
    assert "echo" in cell.recurrent_kernels and Residual(cell).recurrent_kernels == cell.recurrent_kernels
    dropping = Dropout(cell, recurrent=0.5)
    params = dropping.init(KEY, 16)
    _, ys = unroll(dropping, params, jnp.ones((BATCH, TIME, 16)), key=KEY)
    assert np.any(ys[..., -16:] == 0)


@x64
def test_masks_are_exact_in_double_precision():
    """A kept unit is divided by the share kept in the dtype of the cell, not in a narrower one."""
    cell = Mirror(16, precision=FLOAT64)
    for role, shown in (("input", slice(0, 16)), ("recurrent", slice(16, 32)), ("output", slice(0, 32))):
        dropping = Dropout(cell, **{role: 0.3})
        _, ys = unroll(dropping, dropping.init(KEY, 16), jnp.ones((BATCH, TIME, 16)), key=KEY)
        kept = ys[..., shown][ys[..., shown] != 0]
        assert ys.dtype == jnp.float64
        np.testing.assert_allclose(kept, 1 / 0.7, rtol=1e-15)


@x64
@pytest.mark.parametrize("cls", [Elman, LSTM])
def test_dropout_within_dropout(cls):
    """Two rounds of recurrent dropout multiply their masks, with right hoisted gradients."""
    cell = cls(6, precision=FLOAT64)
    twice = Dropout(Dropout(cell, recurrent=0.3), recurrent=0.4)
    params, xs, carry = drawn(cell)
    hoisted = evaluate(twice, params, xs, carry, key=KEY)
    assert_same(hoisted, evaluate(twice, params, xs, carry, key=KEY, hoist=False))
    weights = twice.prepare(params, key=KEY, batch_shape=(BATCH,))
    (outer,), (inside,) = weights["recurrent"].values(), weights["cell"]["recurrent"].values()
    after, _ = twice.step(params, carry, xs[:, 0], key=KEY)
    masked = carry._replace(h=carry.h * outer * inside)
    if cls is Elman:  # a single state, all of which passes through the kernel
        assert_same(jax.device_get(after), jax.device_get(cell.step(params, masked, xs[:, 0])[0]))


@x64
def test_dropout_under_vmap_has_gradients():
    """Mapped over keys, the masks differ and gradients pass through them."""
    cell = Dropout(GRU(6, precision=FLOAT64), input=0.3, output=0.3, recurrent=0.3)
    params, xs, _ = drawn(cell)

    def loss(params, key):
        return jnp.sum(unroll(cell, params, xs, key=key)[1] ** 2)

    keys = jax.random.split(KEY, 3)
    mapped = jax.jit(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(params, keys)
    alone = jax.jit(jax.grad(loss))(params, keys[1])
    assert_same(jax.device_get(jax.tree.map(lambda leaf: leaf[1], mapped)), jax.device_get(alone))
    assert not np.allclose(mapped["kernel"][0], mapped["kernel"][1])


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: Stack(()), "Stack.cells", "()", "at least one cell"),
        (lambda: Stack((LSTM,)), "Stack.cells", "LSTM", "cells only"),
        (lambda: Stack(LSTM(3)), "Stack.cells", "LSTM(3)", "a sequence"),
        (lambda: Residual("lstm"), "Residual.cell", "'lstm'", "a cell"),
        (lambda: Residual(LSTM(3)).init(KEY, 2), "in_features", "2", "3, the width of the output"),
        (lambda: Dropout(LSTM), "Dropout.cell", "LSTM", "a cell"),
        (lambda: Dropout(LSTM(3), input=1.0), "Dropout.input", "1.0", "a share in [0, 1)"),
        (lambda: Dropout(LSTM(3), output=-0.1), "Dropout.output", "-0.1", "a share in [0, 1)"),
        (lambda: Dropout(LSTM(3), recurrent="half"), "Dropout.recurrent", "'half'", "a share in [0, 1)"),
        (lambda: Dropout(LSTM(3), recurrent=float("nan")), "Dropout.recurrent", "nan", "a share in [0, 1)"),
    ],
)
def test_bad_wrapper_is_named(make, argument, given, expected):
    """A wrapper that cannot be says which argument is wrong, what was given and what was expected."""
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    assert given in str(error.value) and expected in str(error.value), error.value


def test_recurrent_dropout_of_nothing_is_refused():
    """A cell without a recurrent kernel matrix cannot have its recurrent connections dropped in silence."""

    class Without(Mirror):
        recurrent_kernels: ClassVar = ()

    cell = Dropout(Without(4), recurrent=0.5)
    with pytest.raises(InputError, match=r"Dropout\.recurrent: got 0\.5, expected 0"):
        unroll(cell, cell.init(KEY, 4), jnp.ones((TIME, 4)), key=KEY)


def test_residual_refuses_inputs_of_another_width():
    """Inputs that cannot be added to the outputs are refused before anything runs."""
    cell = Residual(LSTM(3))
    with pytest.raises(InputError, match="in_features: got 2, expected 3"):
        unroll(cell, LSTM(3).init(KEY, 2), np.ones((BATCH, TIME, 2), np.float32))


def test_stack_of_different_precisions():
    """Each layer follows its own policy; the stack's output dtype is that of the last layer."""
    stack = Stack((LSTM(6, precision=Precision("float32", "bfloat16")), GRU(4)))
    params, xs, _ = drawn(stack)
    final, ys = run(stack, params, xs)
    assert final[0].h.dtype == jnp.bfloat16 and final[1].h.dtype == ys.dtype == stack.output_dtype == jnp.float32
