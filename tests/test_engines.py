"""The engines as a whole: how they are asked for, what they refuse, and which one is taken unasked."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import every_registered_computation
from sequences import LENGTHS, RESETS, assert_same, example

from rnnjax import GRU, LSTM, InputError, Precision, Stack, bidirectional, unroll
from rnnjax.cells import LRU
from rnnjax.engines import ENGINES, TABLE, Call, Engine, Scan, choose


@dataclasses.dataclass(frozen=True)
class Recording(Engine):
    """A scan that notes which cells it ran and what it was asked for, and serves LSTMs only if told so."""

    name = "recording"

    only_lstm: bool = False
    seen: list = dataclasses.field(default_factory=list, compare=False)

    def refusal(self, cell, weights, carry, xs, call):
        return None if isinstance(cell, LSTM) or not self.only_lstm else f"{cell} is no LSTM"

    def run(self, cell, weights, carry, xs, call):
        self.seen.append((cell, call))
        return Scan().run(cell, weights, carry, xs, call)


XS = np.random.default_rng(0).standard_normal((3, 8, 5)).astype(np.float32)


def made(cell):
    """A cell with parameters for the inputs here."""
    return cell, cell.init(jax.random.key(0), 5)


def test_engines_are_named_after_themselves():
    """Each engine is listed by its own name, can be a static argument, and prints as the call that makes it."""
    for name, engine in ENGINES.items():
        assert engine.name == name
        assert hash(engine) == hash(type(engine)()) and engine == type(engine)()
        assert repr(engine).startswith(f"{type(engine).__name__}(")


def test_an_engine_may_be_given_in_place_of_its_name():
    """An engine object runs the call, and is told all of it."""
    engine = Recording()
    cell, params = made(LSTM(4))
    options = dict(reverse=True, return_carries=True, remat=2, unroll=3, hoist=False)
    got = unroll(cell, params, XS, lengths=LENGTHS, resets=RESETS, engine=engine, **options)
    assert_same(
        jax.device_get(got), jax.device_get(unroll(cell, params, XS, lengths=LENGTHS, resets=RESETS, **options))
    )
    ((seen, call),) = engine.seen
    assert seen == cell
    asked = {name: value for name, value in options.items() if name not in ("lengths", "resets")}
    assert {name: getattr(call, name) for name in asked} == asked
    np.testing.assert_array_equal(call.valid, np.arange(8)[:, None] < LENGTHS)
    np.testing.assert_array_equal(call.resets, RESETS.T)


def test_each_layer_of_a_stack_and_each_direction_is_run_by_the_engine():
    """A stack asks its engine layer by layer, a bidirectional network once in each direction."""
    engine = Recording()
    cell, params = made(Stack((LSTM(4), GRU(6))))
    unroll(cell, params, XS, engine=engine)
    assert [seen for seen, _ in engine.seen] == [LSTM(4), GRU(6)]
    engine.seen.clear()
    (one, first), (other, second) = made(LSTM(4)), made(GRU(4))
    bidirectional(one, other, (first, second), XS, engine=engine)
    assert [(seen, call.reverse) for seen, call in engine.seen] == [(LSTM(4), False), (GRU(4), True)]


def test_a_refusal_is_one_error_with_the_reason():
    """An engine that cannot serve the call is named, with what it says; a layer of a stack is enough."""
    cell, params = made(Stack((LSTM(4), GRU(6))))
    with pytest.raises(InputError) as caught:
        unroll(cell, params, XS, engine=Recording(only_lstm=True))
    expected = "engine: got 'recording', expected an engine that can serve this call: GRU(6) is no LSTM"
    assert str(caught.value) == expected


def test_a_refusal_comes_before_anything_is_computed():
    """Inside `jit`, and on shapes alone, the error is the same."""
    cell, params = made(GRU(4))
    run = lambda xs: unroll(cell, params, xs, engine="associative")  # noqa: E731
    for attempt in (lambda: jax.jit(run)(XS), lambda: jax.eval_shape(run, XS)):
        with pytest.raises(InputError, match="not affine in its state"):
            attempt()


@pytest.mark.parametrize("engine", ["fast", None, 3, Scan])
def test_something_that_is_no_engine(engine):
    """What is neither an engine nor the name of one is refused, and the names are listed."""
    cell, params = made(GRU(4))
    with pytest.raises(InputError, match=r"engine: got .*auto, scan, associative, newton, cudnn, fused"):
        unroll(cell, params, XS, engine=engine)


@every_registered_computation
def test_every_engine_serves_a_cell_or_says_why_not(entry):
    """Each engine agrees with the scan in single precision, or has a reason that says more than that it cannot."""
    cell, params, xs, carry, _ = example(entry, Precision())
    expected = jax.device_get(unroll(cell, params, xs, carry, lengths=LENGTHS, engine="scan"))
    served = []
    for name in ENGINES:
        try:
            got = jax.device_get(unroll(cell, params, xs, carry, lengths=LENGTHS, engine=name))
        except InputError as error:
            start = f"engine: got {name!r}, expected an engine that can serve this call: "
            assert str(error).startswith(start) and len(str(error)) > len(start) + 20
        else:
            served.append(name)
            assert_same(got, expected, 1e-5)
    assert {"scan", "newton"} <= set(served)
    assert ("associative" in served) == cell.affine_in_state


@every_registered_computation
def test_auto_takes_the_first_line_of_the_table_that_applies(entry):
    """What is taken is the first engine whose line applies and that serves the call; the last line serves any."""
    cell, params, xs, carry, _ = example(entry, Precision())
    weights, xs = cell.prepare(params), np.moveaxis(xs, 1, 0)
    for call in (Call(), Call(hoist=False), Call(unroll=2), Call(remat="sqrt", reverse=True)):
        arguments = (cell, weights, carry, xs, call)
        able = [line.engine for line in TABLE if line.applies(cell) and line.engine.refusal(*arguments) is None]
        assert choose(*arguments) == able[0]
        assert able[-1] == Scan()
    assert choose(cell, weights, carry, xs, Call()).name == ("associative" if cell.affine_in_state else "scan")


def test_auto_picks_for_each_layer():
    """Layers of a stack get the engines that they would get alone."""
    cell, params = made(Stack((LSTM(4), LRU(6))))
    by_hand = unroll(LSTM(4), params["layer_0"], XS, engine="scan")[1]
    by_hand = unroll(LRU(6), params["layer_1"], by_hand, engine="associative")[1]
    assert_same(jax.device_get(unroll(cell, params, XS)[1]), jax.device_get(by_hand), 0)


@pytest.mark.parametrize("drive_bytes", [0, -1, 2.0, True, None])
def test_options_of_the_scan_are_checked(drive_bytes):
    """A size that is no positive int is refused by name."""
    with pytest.raises(InputError, match=r"Scan\.drive_bytes"):
        Scan(drive_bytes=drive_bytes)


def test_gradients_pass_through_any_engine():
    """The gradient of an unroll by each engine that serves the cell is that of the scan."""
    for cell, names in ((LSTM(4), ("scan", "newton")), (LRU(4), ("scan", "associative", "newton"))):
        cell, params = made(cell)
        loss = lambda params, engine, cell=cell: jnp.sum(unroll(cell, params, XS, engine=engine)[1] ** 2)  # noqa: E731
        gradient = jax.jit(jax.grad(loss), static_argnums=1)
        expected, *others = (jax.device_get(gradient(params, name)) for name in names)
        for other in others:
            assert_same(other, expected, 1e-4)
