"""Units of the state that stay as they were."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import FLOAT64
from sequences import BATCH, HALF, LENGTHS, RESETS, TIME, assert_identical, assert_same, drawn_like, evaluate, run

from rnnjax import GRU, LRU, LSTM, Dropout, Elman, InputError, Precision, Stack, unroll
from rnnjax.cell import abstract_params
from rnnjax.wrappers import Zoneout, ZoneoutState
from rnnjax.wrappers.zoneout import _counted

x64 = pytest.mark.usefixtures("x64")
KEY = jax.random.key(0)


def drawn(cell, batch=BATCH, time=TIME):
    params = drawn_like(abstract_params(cell, 5), 0)
    return params, drawn_like(jax.ShapeDtypeStruct((batch, time, 5), np.float64), 1)


def states(cell, params, xs, **options):
    """The states after each step, and those before."""
    _, ys, carries = run(cell, params, xs, return_carries=True, **options)
    first = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (len(xs), 1, *leaf.shape)), cell.initial_carry().cell)
    before = jax.tree.map(lambda a, b: np.concatenate([a, b[:, :-1]], axis=1), first, carries.cell)
    return ys, carries.cell, before


def plain(cell, params, before, xs):
    """What the cell would have made of each state, step by step."""
    flat = lambda leaf: leaf.reshape(-1, *leaf.shape[2:])  # noqa: E731
    after, _ = jax.device_get(cell.step(params, jax.tree.map(flat, before), flat(xs)))
    return jax.tree.map(lambda leaf, like: leaf.reshape(like.shape), after, before)


@x64
def test_units_stay_or_do_not():
    """With a key each unit of each state is either the one before or the new one, by masks that differ everywhere."""
    cell = LSTM(6, precision=FLOAT64)
    zoned = Zoneout(cell, rates={"h": 0.3, "c": 0.6})
    params, xs = drawn(cell)
    ys, after, before = states(zoned, params, xs, key=KEY)
    new = plain(cell, params, before, xs)
    masks = []
    for part, old, fresh in zip(after, before, new, strict=True):
        stays = part == old
        assert_same(part, np.where(stays, old, fresh))
        masks.append(stays)
    assert_identical(ys, after.h)
    h, c = masks
    assert 0.15 < h[:, 1:].mean() < 0.45 and 0.4 < c.mean() < 0.8
    for axis in (0, 1):
        rows = np.moveaxis(c, axis, 0)
        assert len({row.tobytes() for row in rows}) == len(rows), "each row and each step has a mask of its own"
    assert np.any(h[:, 1:] != c[:, 1:])


@x64
def test_without_a_key_the_state_is_the_expectation():
    """Without a key the new state is mixed with the old one at the rate of its part."""
    cell = LSTM(6, precision=FLOAT64)
    params, xs = drawn(cell)
    ys, after, before = states(Zoneout(cell, rates={"c": 0.25}), params, xs)
    new = plain(cell, params, before, xs)
    assert_same(after.c, 0.25 * before.c + 0.75 * new.c)
    assert_same(after.h, new.h)
    assert_identical(ys, after.h)


@x64
def test_rates_are_shares():
    """The share of units that stay is the rate, to four standard errors."""
    cell = Elman(8, precision=FLOAT64)
    params, xs = drawn(cell, batch=50, time=40)
    _, after, before = states(Zoneout(cell, rates=0.2), params, xs, key=KEY)
    stays = (after.h == before.h).mean()
    assert abs(stays - 0.2) < 4 * np.sqrt(0.2 * 0.8 / before.h.size)


@x64
def test_chunks_have_the_masks_of_the_whole():
    """With one key and the carry handed on, a sequence in two chunks is the sequence."""
    cell = Zoneout(GRU(6, precision=FLOAT64), rates=0.5)
    params, xs = drawn(cell)
    _, whole = run(cell, params, xs, key=KEY)
    carry, first = run(cell, params, xs[:, :HALF], key=KEY)
    _, second = run(cell, params, xs[:, HALF:], carry, key=KEY)
    assert_same(np.concatenate([first, second], axis=1), whole)
    assert np.all(carry.steps == [HALF, 0])


@x64
def test_gradients_and_engines():
    """Hoisted gradients are those of plain differentiation, and the Newton engine draws the masks of the scan."""
    cell = Zoneout(LSTM(4, precision=FLOAT64), rates={"h": 0.3, "c": 0.5})
    params, xs = drawn(cell)
    options = dict(lengths=LENGTHS, resets=RESETS, key=KEY, through_carries=1.0)
    carry = cell.initial_carry((BATCH,))
    expected = evaluate(cell, params, xs, carry, hoist=False, **options)
    assert_same(evaluate(cell, params, xs, carry, **options), expected)
    assert_same(evaluate(cell, params, xs, carry, engine="newton", **options), expected, 1e-9)


@x64
def test_an_affine_state_is_read_out_after_zoneout():
    """The outputs of an LRU follow from the state that was zoned out."""
    cell = LRU(4, state_features=3, precision=FLOAT64)
    params, xs = drawn(cell)
    ys, after, _ = states(Zoneout(cell, rates=0.5), params, xs, key=KEY)
    weights = cell.prepare(params)
    assert_same(ys, jax.device_get(cell.readout(weights, after, cell.project(weights, xs))))


def test_the_count_is_exact_in_bfloat16():
    """A count of steps in a narrow carry goes on where whole numbers end."""
    steps = jnp.zeros((2,), jnp.bfloat16)
    seen = set()
    for _ in range(600):
        seen.add(tuple(map(float, steps)))
        steps = _counted(steps)
    assert len(seen) == 600 and tuple(map(float, steps)) == (88.0, 2.0)
    cell = Zoneout(GRU(3, precision=Precision("bfloat16")), rates=0.1)
    assert cell.initial_carry((2,)).steps.dtype == jnp.bfloat16


def test_wrappers_go_around():
    """Dropout and stacks around zoneout work with one key."""
    cell = Stack((Dropout(Zoneout(GRU(4), rates=0.2), recurrent=0.3), Zoneout(LSTM(3), rates=0.2)))
    final, ys = unroll(cell, cell.init(KEY, 5), jnp.ones((BATCH, TIME, 5)), key=KEY)
    assert ys.shape == (BATCH, TIME, 3) and isinstance(final[0], ZoneoutState)


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: Zoneout(Stack((LSTM(3),)), rates=0.1), "Zoneout.cell", "Stack", "not made of others"),
        (lambda: Zoneout(LSTM(3), rates=1.0), "Zoneout.rates", "1.0", "a share in [0, 1)"),
        (lambda: Zoneout(LSTM(3), rates={"h": -0.1}), "Zoneout.rates['h']", "-0.1", "a share in [0, 1)"),
        (lambda: Zoneout(LSTM(3), rates=(0.1, 0.2)), "Zoneout.rates", "0.1", "a name"),
        (lambda: Zoneout(LSTM(3), rates={"m": 0.1}).initial_carry(), "Zoneout.rates", "'m'", "one of h, c"),
    ],
)
def test_bad_zoneout_is_named(make, argument, given, expected):
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    assert given in str(error.value) and expected in str(error.value)
