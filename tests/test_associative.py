"""The laws of the associative engine: it equals the scan, for every cell that is affine in its state."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import CELLS, FEATURES, FLOAT64, REGISTERED, Entry, differing_in_dynamics
from sequences import (
    BATCH,
    LENGTHS,
    RESETS,
    TIME,
    assert_identical,
    assert_same,
    directional,
    drawn_like,
    evaluate,
    example,
    inner,
    plus,
    row,
    run,
    weighed,
    with_nan_padding,
)

from rnnjax import LRU, LSTM, Dropout, InputError, MinGRU, MinLSTM, Precision, Residual, Stack, unroll
from rnnjax.cell import abstract_params
from rnnjax.engines.associative import Associative

x64 = pytest.mark.usefixtures("x64")

WRAPPED = [
    Entry("residual_lru", lambda p: Residual(LRU(FEATURES, state_features=3, precision=p)), in_features=FEATURES),
    Entry(
        "dropout_min_gru", lambda p: Dropout(Residual(MinGRU(FEATURES, precision=p)), input=0.3, output=0.4), FEATURES
    ),
]
AFFINE = differing_in_dynamics([entry for entry in [*REGISTERED, *WRAPPED] if entry.cell(FLOAT64).affine_in_state])
every_affine = pytest.mark.parametrize("entry", AFFINE, ids=str)
REAL, COMPLEX, LOG = (next(e for e in AFFINE if e.name == name) for name in ("rg_lru", "residual_lru", "min_lstm"))
one_a_kind = pytest.mark.parametrize("entry", [REAL, COMPLEX, LOG], ids=str)
LOOP, BLOCKS = Associative(), Associative(block=3)


def in_full(entry):
    """Arguments and options that use all an engine offers."""
    cell, params, xs, carry, key = example(entry)
    return (cell, params, xs, carry), dict(lengths=LENGTHS, resets=RESETS, key=key, through_carries=1.0)


@functools.cache
def scanned(entry, reverse=False):
    """What the scan engine gives, by plain autodiff."""
    with jax.enable_x64(True):
        arguments, options = in_full(entry)
        return evaluate(*arguments, engine="scan", hoist=False, reverse=reverse, **options)


# --- equal to the scan -------------------------------------------------------------------------------------------


@x64
@every_affine
def test_equals_the_scan(entry):
    """Outputs, carries, final carry, gradients of parameters, inputs and carry: with padding, resets and dropout."""
    arguments, options = in_full(entry)
    assert_same(evaluate(*arguments, engine=BLOCKS, **options), scanned(entry))


@x64
@pytest.mark.parametrize(
    ("entry", "engine"),
    [(REAL, LOOP), (COMPLEX, LOOP), (LOG, LOOP), (COMPLEX, Associative(drive_bytes=1)), (LOG, Associative(block=2))],
    ids=str,
)
def test_equals_the_scan_backwards(entry, engine):
    """The same of an unroll in reverse: in one loop, in parts of a single step, and as a binary tree."""
    arguments, options = in_full(entry)
    assert_same(evaluate(*arguments, engine=engine, reverse=True, **options), scanned(entry, reverse=True))


@x64
@every_affine
def test_gradients_agree_with_finite_differences(entry):
    """Along a direction in each parameter, the inputs and each carry, the gradient is the slope of the loss."""
    (cell, *at), options = in_full(entry)
    gradients = evaluate(cell, *at, engine=BLOCKS, **options).gradients
    step = 1e-5  # error of a central difference: step^2 from curvature, 1e-16 / step from rounding, both about 1e-10
    for direction in directional(tuple(at), seed=7).values():
        losses = [
            evaluate(cell, *plus(tuple(at), sign * step, direction), engine=BLOCKS, **options).loss for sign in (1, -1)
        ]
        slope = (losses[0] - losses[1]) / (2 * step)
        assert abs(slope - inner(gradients, direction)) < 1e-7 * max(1.0, abs(slope))
        assert slope != 0.0, "the direction is one the loss depends on"


@x64
@pytest.mark.parametrize(("remat", "reverse"), [("sqrt", False), (3, True), (True, True), (1, False)])
def test_rematerialised_equals_stored(remat, reverse):
    """Blocks that are recomputed, of sizes that do and do not divide the time, change nothing."""
    entry = REAL
    arguments, options = in_full(entry)
    got = evaluate(*arguments, engine=LOOP, remat=remat, reverse=reverse, **options)
    assert_same(got, scanned(entry, reverse))


@x64
def test_rematerialisation_stores_less():
    """In blocks of k steps about 1/k of the states is kept, and no drive; otherwise maps and states are."""
    cell, time = MinGRU(4, precision=FLOAT64), 1024
    params, xs = drawn_like(abstract_params(cell, 1), 0), jnp.zeros((time, 1))

    def stored(remat):
        run = lambda params: unroll(cell, params, xs, engine=LOOP, remat=remat)  # noqa: E731
        _, kept = jax.eval_shape(lambda params: jax.vjp(run, params), params)
        return sum(leaf.size for leaf in jax.tree.leaves(kept))

    assert stored("sqrt") < 2 * time + 4 * time / 32 + 100 < 12 * time < stored(None)


# --- laws that a comparison of finite numbers does not show ------------------------------------------------------


@x64
@every_affine
def test_nan_has_no_effect_where_it_is_not_looked_at(entry):
    """NaN in the padding, in a carry before a reset, or in another row changes nothing, bit for bit."""
    (cell, params, xs, carry), options = in_full(entry)
    options |= dict(engine=BLOCKS)
    clean = evaluate(cell, params, xs, carry, **options)
    assert_identical(evaluate(cell, params, with_nan_padding(xs), carry, **options), clean)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(clean))

    assert_identical(row(clean.outcome[0], 1), row(carry, 1))  # an empty row keeps its carry
    for t in range(TIME):
        assert_identical(row(clean.outcome[2], (1, t)), row(carry, 1))
    assert not np.any(clean.outcome[1][1])

    others = np.array([False, True, True])
    crowded = evaluate(cell, params, np.where(others[:, None, None], np.nan, xs), carry, **options)
    assert_identical(row(crowded.outcome, 0), row(clean.outcome, 0))
    assert_identical(row((crowded.xs, crowded.carry), 0), row((clean.xs, clean.carry), 0))

    resets = RESETS.copy()
    resets[:, 0] = [True, False, True]
    options |= dict(resets=resets)
    clean = evaluate(cell, params, xs, carry, **options)
    for bad in (np.nan, np.inf):
        broken = jax.tree.map(lambda leaf, bad=bad: np.where([[True], [False], [True]], bad, leaf), carry)
        assert_identical(evaluate(cell, params, xs, broken, **options), clean)
    for leaf in jax.tree.leaves(clean.carry):
        assert not np.any(leaf[0]) and not np.any(leaf[2]), "no gradient flows through a reset"
    late = np.zeros((BATCH, TIME), bool)
    late[:, 3] = True
    nan = jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), carry)
    ys = evaluate(cell, params, xs, nan, **options | dict(lengths=np.full(BATCH, TIME), resets=late)).outcome[1]
    assert np.isnan(ys[:, :3]).all() and np.isfinite(ys[:, 3:]).all()


@x64
@one_a_kind
def test_nan_before_a_reset_has_no_effect_on_plain_gradients(entry):
    """Without the engine's own derivative either."""
    (cell, params, xs, carry), options = in_full(entry)
    options |= dict(resets=np.ones((BATCH, TIME), bool), engine=BLOCKS, hoist=False)
    clean = evaluate(cell, params, xs, carry, **options)
    nan = jax.tree.map(lambda leaf: np.where([[True], [False], [True]], np.nan, leaf), carry)
    assert_identical(evaluate(cell, params, xs, nan, **options), clean)


@x64
@pytest.mark.parametrize("remat", [None, "sqrt"])
def test_no_time_steps_at_all(remat):
    """A sequence of length 0 has empty outputs and hands its carry through, with gradients."""
    cell, params, xs, carry, _ = example(COMPLEX)
    got = evaluate(cell, params, xs[:, :0], carry, engine=BLOCKS, remat=remat)
    final, ys, carries = got.outcome
    assert_identical(final, carry)
    assert ys.shape == (BATCH, 0, FEATURES) and carries.real.shape == (BATCH, 0, 3)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(got.params))


@x64
def test_chunks_rows_and_axes():
    """Chunks with the carry handed on equal the whole; a row alone, without batch axes, equals its row of the batch."""
    cell, params, xs, carry, _ = example(COMPLEX)
    final, ys = run(cell, params, xs, carry, engine=LOOP)
    middle, first = run(cell, params, xs[:, :3], carry, engine=BLOCKS)
    after, second = run(cell, params, xs[:, 3:], middle, engine=BLOCKS)
    assert_same((after, np.concatenate([first, second], axis=1)), (final, ys))
    assert_same(run(cell, params, xs[1], row(carry, 1), engine=BLOCKS), row((final, ys), 1))
    deep = jax.tree.map(lambda leaf: leaf[None], (xs, carry))
    assert_same(run(cell, params, *deep, engine=BLOCKS), jax.tree.map(lambda leaf: leaf[None], (final, ys)))


@x64
def test_a_stack_is_served_layer_by_layer():
    """Each layer over the whole sequence, as by the scan."""
    cell, params, xs, carry, key = example(next(entry for entry in CELLS if entry.name == "stack_of_affine"))
    options = dict(lengths=LENGTHS, resets=RESETS, key=key)
    expected = evaluate(cell, params, xs, carry, **options)
    assert_same(evaluate(cell, params, xs, carry, engine=BLOCKS, **options), expected)


# --- other derivatives -------------------------------------------------------------------------------------------


@functools.partial(jax.jit, static_argnames=("cell", "engine", "hoist", "mode"))
def hessian_product(cell, at, direction, engine, hoist, mode):
    """The Hessian of a loss times a direction."""

    def loss(at):
        return weighed(unroll(cell, *at, lengths=LENGTHS, resets=RESETS, engine=engine, hoist=hoist), np.ones(BATCH))

    if mode == "forward over reverse":
        return jax.jvp(jax.grad(loss), (at,), (direction,))
    slope = lambda at: inner_of(jax.grad(loss)(at), direction)  # noqa: E731
    return jax.grad(loss)(at), jax.grad(slope)(at)


def inner_of(a, b):
    return sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@x64
@pytest.mark.parametrize("entry", [COMPLEX, LOG], ids=str)
def test_second_derivatives(entry):
    """Forward over reverse without hoisting and reverse over reverse with it are those of the scan."""
    cell, *at, _ = example(entry)
    direction = drawn_like(tuple(at), seed=7)
    expected = hessian_product(cell, tuple(at), direction, "scan", False, "forward over reverse")
    for hoist, mode in ((False, "forward over reverse"), (True, "reverse over reverse")):
        found = hessian_product(cell, tuple(at), direction, BLOCKS, hoist, mode)
        assert_same(jax.device_get(found), jax.device_get(expected), 1e-10)
    assert any(np.any(leaf) for leaf in jax.tree.leaves(expected[1]))


@x64
def test_forward_mode_through_hoisting_is_refused():
    """With its own derivative the engine has no forward one: JAX says so, rather than giving a wrong one."""
    cell = MinGRU(4, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, 5), 0)
    run = lambda params: unroll(cell, params, np.ones((BATCH, TIME, 5)), engine=LOOP)  # noqa: E731
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(run, (params,), (params,))


# --- dtypes ------------------------------------------------------------------------------------------------------


@one_a_kind
@pytest.mark.parametrize(
    "precision",
    [Precision("float32", "bfloat16", "float32"), Precision("float32", "bfloat16", output="float32"),
     Precision("bfloat16")],
    ids=lambda p: f"{p.compute}-{p.carry}-{p.output}",
)  # fmt: skip
def test_dtypes_are_those_of_the_policy(entry, precision):
    """Outputs, final carry and carries have the policy's dtypes, gradients those of what they belong to."""
    cell, params, xs, carry, key = example(entry, precision)

    def loss(params, xs, carry):
        outcome = unroll(cell, params, xs, carry, key=key, lengths=LENGTHS, return_carries=True, engine=BLOCKS)
        return weighed(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), outcome), np.ones(BATCH)), outcome

    at = (params, xs, carry)
    (_, (final, ys, carries)), of_at = jax.eval_shape(
        jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True), params, xs, carry
    )
    assert {leaf.dtype.name for leaf in jax.tree.leaves((final, carries))} == {precision.carry}
    assert ys.dtype == precision.output
    assert [leaf.dtype for leaf in jax.tree.leaves(of_at)] == [leaf.dtype for leaf in jax.tree.leaves(at)]


# --- long sequences ----------------------------------------------------------------------------------------------

LONG = 100_000


@functools.partial(jax.jit, static_argnames=("cell", "engine"))
def long_run(cell, params, xs, engine):
    def loss(params):
        _, ys = unroll(cell, params, xs, engine=engine)
        return jnp.mean(ys**2), ys

    (_, ys), gradients = jax.value_and_grad(loss, has_aux=True)(params)
    return ys, gradients


@functools.cache
def long_problem(cell, saturated):
    """Parameters, inputs, and what the scan engine makes of them."""
    params = jax.device_get(cell.init(jax.random.key(0), 3))
    if saturated:  # pre-activations of up to some hundreds: gates are zero or one in float32, both of minLSTM's at once
        params |= {"kernel": 100 * params["kernel"]}
    xs = np.random.default_rng(0).standard_normal((LONG, 3)).astype(np.float32)
    return params, xs, long_run(cell, params, xs, "scan")[0]


@pytest.mark.parametrize(
    "engine", [LOOP, pytest.param(Associative(block=64), marks=[pytest.mark.exhaustive, pytest.mark.slow])], ids=repr
)
@pytest.mark.parametrize(
    ("cell", "saturated"),
    [(MinGRU(4), True), (LRU(4, r_min=0.999, r_max=0.99999), False),
     *(pytest.param(*case, marks=[pytest.mark.exhaustive, pytest.mark.slow])
       for case in ((MinGRU(4), False), (MinLSTM(4), False), (MinLSTM(4), True), (LRU(4), False)))],
    ids=repr,
)  # fmt: skip
def test_long_sequences_in_single_precision(cell, saturated, engine):
    """1e5 steps in float32: finite, with a finite gradient, and the scan's outputs to 1e-4 of their size."""
    params, xs, expected = long_problem(cell, saturated)
    ys, gradients = long_run(cell, params, xs, engine)
    assert np.isfinite(ys).all() and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    assert np.abs(ys - expected).max() < 1e-4 * np.abs(expected).max()
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradients))
    if saturated:
        drive = cell.project(cell.prepare(params), xs)
        gates = cell.gate_values(params, None, drive)
        shut = [np.mean(np.asarray(gate) < 1e-30) for name, gate in gates.items() if name != "candidate"]
        assert min(shut) > 0.1, "gates are shut for much of the time"


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "options", "reason"),
    [
        (LSTM(4), {}, "LSTM(4) is not affine in its state"),
        (Residual(LSTM(5)), {}, "Residual(LSTM(5)) is not affine in its state"),
        (Dropout(Stack((MinGRU(4),))), {}, "is not affine in its state"),
        (Stack((MinGRU(4), LSTM(4))), {}, "LSTM(4) is not affine"),
        (MinGRU(4), {"unroll": 2}, "unroll=2"),
    ],
)
def test_refusals_say_why(cell, options, reason):
    """A call that cannot be served is one error, which gives the reason."""
    with pytest.raises(InputError) as error:
        unroll(cell, cell.init(jax.random.key(0), 5), np.ones((7, 5), np.float32), engine=LOOP, **options)
    assert error.value.argument == "engine"
    assert "'associative'" in str(error.value) and reason in str(error.value)


@pytest.mark.parametrize("field", ["block", "drive_bytes"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True, "auto"])
def test_bad_option_is_named(field, value):
    """A block is an int of at least two, a size a positive one."""
    with pytest.raises(InputError, match=rf"Associative\.{field}: got .*, expected .*int"):
        Associative(**{field: value})
