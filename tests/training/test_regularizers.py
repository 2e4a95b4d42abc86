"""Regularisers: their terms against NumPy, and what they add to an update."""

from __future__ import annotations

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import GRU, LRU, Dropout, Elman, InputError, Precision, Stack, unroll
from rnnjax.analysis import flossing_loss
from rnnjax.commands.train import Train
from rnnjax.initializers import Normal
from rnnjax.serialization import from_json, to_json
from rnnjax.tasks import Adding, CopyMemory
from rnnjax.training import Config, Flossing, Optimizer, Pascanu, Regularizer, initial_state, make_update, train
from rnnjax.training.batches import hand_on, next_batch
from rnnjax.training.regularizers import Pass

SGD = Optimizer("sgd", 0.5)
IN_FULL = [pytest.mark.exhaustive, pytest.mark.slow]


def by_hand(p, xs, lengths, to_outputs, to_final, variant):
    """Omega and its immediate derivative with respect to U, for h' = tanh(W x + U h + b), in NumPy."""
    rows, time, n = to_outputs.shape
    U, h, states = p["recurrent_kernel"], np.zeros((rows, n)), []
    for t in range(time):
        h = np.where((t < lengths)[:, None], np.tanh(xs[:, t] @ p["kernel"] + h @ U + p["bias"]), h)
        states.append(h)
    later, terms = to_final, []  # of each step: delta, and what the product with U^T is taken of
    for t in reversed(range(time)):
        valid = (t < lengths)[:, None]
        delta = np.where(valid, later + to_outputs[:, t], 0)
        through = delta * (1 - states[t] ** 2)
        later = np.where(valid, through @ U.T, later)
        terms.append((delta, through))
    omega, gradient = 0.0, np.zeros_like(U)
    count = sum(lengths)
    for delta, through in terms:
        for d, e in zip(delta, through, strict=True):
            size, passed_on = d @ d, e @ U.T
            if size < 1e-20:
                continue
            ratio = passed_on @ passed_on / size
            if variant == "code":
                omega += (ratio - 1) ** 2 / count
                slope = 2 * (ratio - 1) / count
            else:
                omega += (np.sqrt(ratio) - 1) ** 2 / rows
                slope = (np.sqrt(ratio) - 1) / np.sqrt(ratio) / rows
            gradient += slope * 2 * np.outer(passed_on, e) / size
    return omega, gradient


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("variant", ["paper", "code"])
def test_pascanu_is_the_formula_of_the_paper(variant):
    """Value and immediate derivative in float64, on rows of different lengths, with losses at every step."""
    rng = np.random.default_rng(0)
    cell = Elman(5, precision=Precision("float64"))
    shapes = {"kernel": (3, 5), "recurrent_kernel": (5, 5), "bias": (5,)}
    params = {name: 0.6 * rng.standard_normal(shape) for name, shape in shapes.items()}
    xs, to_outputs, to_final = (rng.standard_normal(shape) for shape in ((3, 7, 3), (3, 7, 5), (3, 5)))
    lengths = np.array([7, 4, 1])

    def loss(ys, carry):
        return jnp.sum(ys * to_outputs) + jnp.sum(carry.h * to_final)

    given = Pass(jnp.asarray(xs), loss, None, jnp.asarray(lengths), jax.random.key(0), None)
    term = jax.jit(jax.value_and_grad(lambda params: Pascanu(variant=variant).penalty(cell, params, given)))
    value, gradient = term(jax.tree.map(jnp.asarray, params))
    expected, slope = by_hand(params, xs, lengths, to_outputs, to_final, variant)
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_allclose(gradient["recurrent_kernel"], slope, rtol=1e-8, atol=1e-12)
    assert not np.any(gradient["kernel"]) and not np.any(gradient["bias"])


@dataclasses.dataclass(frozen=True)
class Echo(Regularizer):
    """The loss once more, through `unroll`: what a regulariser is given is what the update computes with."""

    def check_cell(self, cell, in_features):
        pass

    def penalty(self, cell, params, given):
        carry, ys = unroll(cell, params, given.xs, given.carry, lengths=given.lengths, key=given.key)
        return given.loss(ys, carry)


ECHOES = {
    "dropout": (Adding(8), Dropout(Elman(4), input=0.3, recurrent=0.4), {}),
    "lengths": (Adding(10, variant="pascanu"), GRU(4), {}),
    "windows": (CopyMemory(4, items=2), Elman(4), {"truncation": 3}),
}


@pytest.mark.parametrize("name", ["dropout", *(pytest.param(name, marks=IN_FULL) for name in ("lengths", "windows"))])
def test_a_regulariser_sees_what_the_update_sees(name, assert_close):
    """The same inputs, lengths, carry, masks and readout: the term equals the loss, and the cell's step is doubled."""
    task, cell, more = ECHOES[name]
    config = Config(task, cell, SGD, steps=10, batch_size=4, evaluate_every=5, **more)
    twice = dataclasses.replace(config, regularizer=Echo(1.0))
    state = initial_state(jax.random.key(0), config)
    plain, doubled = jax.jit(make_update(config)), jax.jit(make_update(twice))
    for _ in range(2):
        state, batch = hand_on(state, config), next_batch(state, config)
        after, _ = plain(state, batch)
        other, metrics = doubled(state, batch)
        np.testing.assert_allclose(metrics["regularizer"], metrics["loss"], rtol=1e-5, atol=1e-6)
        moved = jax.tree.map(lambda a, b: b + 2 * (a - b), after.params["cell"], state.params["cell"])
        assert_close(other.params["cell"], moved, 1e-4, 1e-6)
        assert_close(other.params["readout"], after.params["readout"], 1e-6, 1e-7)
        state = after


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("variant", ["paper", "code"])
def test_a_batch_split_over_devices(variant, small, assert_close):
    """Split over an axis, the update is that of the whole batch, up to the order of summation."""
    config = small(optimizer=SGD, regularizer=Pascanu(2.0, variant=variant))
    state = initial_state(jax.random.key(0), config)
    batch = next_batch(state, config)
    whole, metrics = jax.jit(make_update(config))(state, batch)
    halves = jax.tree.map(lambda leaf: leaf.reshape(2, -1, *leaf.shape[1:]), batch)
    split = jax.jit(jax.vmap(make_update(config, "batch"), (None, 0), axis_name="batch"))
    other, parts = split(state, halves)
    np.testing.assert_allclose(parts["regularizer"], [metrics["regularizer"]] * 2, rtol=1e-4)
    assert_close(jax.tree.map(lambda leaf: leaf[1], other.params), whole.params, 1e-4, 1e-5)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_nothing_is_added_without_weight(small, fitted, assert_close):
    """A run with weight 0 is the run without a regulariser, but for its report."""
    state, history = fitted(small())
    other, reported = fitted(small(regularizer=Pascanu(0.0)))
    assert_close(other.params, state.params, 1e-5, 1e-6)
    assert set(reported.updates) == {*history.updates, "regularizer"}
    values = np.asarray(reported.updates["regularizer"][: int(other.step)])
    assert np.isfinite(values).all() and (values > 0).all()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_pascanu_brings_its_term_down(small):
    """On a stack of two cells, with truncation: the term falls, and the record reports its mean."""
    cell = Stack((GRU(4), Elman(4, recurrent_init=Normal(0.1))))
    fields = dict(cell=cell, task=CopyMemory(4, items=2), optimizer=Optimizer("sgd", 0.05), truncation=6)
    run = train(small(**fields, regularizer=Pascanu(10.0, variant="code")), quiet=True)
    terms = [record["regularizer"] for record in run.records]
    assert terms[-1] < 0.8 * terms[0]


def test_flossing_acts_when_it_is_due(small, assert_close):
    """On the first of every two updates up to the fourth; alone, it is all that moves the cell, and only the cell."""
    regularizer = Flossing(0.5, count=2, updates=4, period=2, alone=True, window=6)
    config = small(optimizer=SGD, regularizer=regularizer)
    update, plain = jax.jit(make_update(config)), jax.jit(make_update(small(optimizer=SGD)))
    term = jax.jit(jax.grad(lambda params, xs: flossing_loss(config.cell, params, xs[:, :6], 2)))
    state = initial_state(jax.random.key(0), config)
    values = []
    for number in range(6):
        batch = next_batch(state, config)
        after, metrics = update(state, batch)
        values.append(float(metrics["regularizer"]))
        if number in (0, 2):
            gradient = term(state.params["cell"], batch.inputs)
            moved = jax.tree.map(lambda p, g: p - 0.5 * 0.5 * g, state.params["cell"], gradient)
            assert_close(after.params["cell"], moved, 1e-4, 1e-6)
            assert_close(after.params["readout"], state.params["readout"], 0, 0)
        else:
            assert_close(after.params, plain(state, batch)[0].params, 1e-5, 1e-6)
        state = after
    assert [value > 0 for value in values] == [True, False, True, False, False, False]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pascanu(-1.0), "Pascanu.weight: got -1.0, expected a number >= 0"),
        (lambda: Pascanu(variant="exact"), "Pascanu.variant: got 'exact', expected one of paper, code"),
        (lambda: Pascanu(bound=0.0), "Pascanu.bound: got 0.0, expected a number > 0"),
        (lambda: Flossing(count=0), "Flossing.count: got 0, expected an int >= 1"),
        (lambda: Flossing(updates=0), "Flossing.updates: got 0, expected an int >= 1, or None"),
        (lambda: Flossing(window=3, burn_in=3), "Flossing.burn_in: got 3, expected an int below window=3"),
        (lambda: Config(Adding(10), Elman(4), regularizer=4.0), "expected a regulariser, or None"),
        (lambda: Config(Adding(10), Elman(4), readout_init=0.1), "expected an initialiser, or None"),
        (lambda: Config(Adding(10), LRU(4), regularizer=Pascanu()), "expected a cell with a recurrent kernel"),
        (lambda: Config(Adding(10), Elman(4), regularizer=Flossing(count=5)), "expected a count in 1..4"),
    ],
)
def test_bad_values_are_named(make, message):
    with pytest.raises(InputError) as raised:
        make()
    assert message in str(raised.value)


def test_regularisers_are_on_file_and_on_the_command_line():
    """A configuration survives the way through config.json, and the options of the command make it."""
    for regularizer in (Pascanu(2.0, variant="code"), Flossing(count=3, updates=5, alone=True)):
        config = Config(Adding(10), Elman(4), regularizer=regularizer, readout_init=Normal(0.1))
        assert from_json(json.loads(json.dumps(to_json(config)))) == config
        assert config.dynamics.regularizer == regularizer and config.dynamics.readout_init is None
    assert Train(task="adding").config().regularizer is None
    assert Train(task="adding", regularizer="pascanu").config().regularizer == Pascanu(4.0)
    made = Train(
        task="adding", cell="gru", regularizer="flossing", regularizer_weight=2.0, flossing_count=3, flossing_updates=9
    )
    assert made.config().regularizer == Flossing(2.0, count=3, updates=9)
    with pytest.raises(InputError, match="--regularizer"):
        Train(task="adding", regularizer="none").config()


def test_the_readout_starts_where_it_is_told(small, start):
    """`readout_init` draws the kernel of the readout, and nothing else changes."""
    plain, told = start(small()), start(small(readout_init=Normal(1e-3)))
    kernel = told.params["readout"]["kernel"]
    assert 0 < np.abs(kernel).max() < 1e-2 < np.abs(plain.params["readout"]["kernel"]).max()
    for name, leaf in plain.params["cell"].items():
        np.testing.assert_array_equal(leaf, told.params["cell"][name])
