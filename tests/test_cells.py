"""The laws of a cell by itself: configuration, parameters, carry, gates, and its equations against NumPy."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import pickle
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from catalog import (
    CELLS,
    FEATURES,
    FLOAT64,
    IN_FEATURES,
    REGISTERED,
    every_cell,
    every_plain_cell,
    every_plain_cell_in_full,
    every_registered_cell,
)
from references import EQUATIONS, SIZES, SQUARE, STARTS
from references.functions import sigmoid
from sequences import BATCH, LENGTHS, RESETS, TIME, assert_identical, assert_same, drawn_like, example, run

import rnnjax
from rnnjax import (
    GRU,
    LRU,
    LSTM,
    RGLRU,
    S5,
    Chrono,
    Dropout,
    Elman,
    InputError,
    Jordan,
    MinGRU,
    MinLSTM,
    PeepholeLSTM,
    Precision,
    Residual,
    Stack,
)
from rnnjax.activations import ACTIVATIONS, activation
from rnnjax.cell import Cell, abstract_params
from rnnjax.cells import REGISTRY, get
from rnnjax.initializers import Constant, Fused, Normal, Orthogonal, PerGate

x64 = pytest.mark.usefixtures("x64")
SINGLE = Precision()


class Step(NamedTuple):
    """A carry, and what one step from it computes; `drives` is what the function of that name returns."""

    carry: Any
    after: Any
    y: np.ndarray
    gates: dict[str, np.ndarray]
    drives: Any


@functools.cache
def one_step(entry):
    """The first step of an example in double precision, by one program for all tests of the cell."""
    cell, params, xs, carry, _ = example(entry)
    names = []

    @jax.jit
    def program(params, carry, xs):
        weights = cell.prepare(params)
        gates = cell.gate_values(weights, carry, cell.project(weights, xs[:, 0]))
        names.extend(gates)
        return *cell.step(params, carry, xs[:, 0]), tuple(gates.values()), drives(cell, params, xs)

    after, y, gates, found = jax.device_get(program(params, carry, xs))
    return Step(carry, after, y, dict(zip(names, gates, strict=True)), found)


# --- the registry ------------------------------------------------------------------------------------------------


def test_every_public_cell_is_registered():
    """Each concrete cell class of `rnnjax.cells` is in the registry, once, and is a name of the package."""
    public = {value for value in vars(rnnjax.cells).values() if inspect.isclass(value) and issubclass(value, Cell)}
    concrete = {cls for cls in public if not inspect.isabstract(cls)}
    assert sorted(map(str, REGISTRY.values())) == sorted(map(str, concrete))
    assert all(getattr(rnnjax, cls.__name__) is cls for cls in REGISTRY.values())


@every_registered_cell
def test_class_states_its_facts(entry):
    """A class names its gates, structure, equation and source, and its docstring cites the source."""
    cls = REGISTRY[entry.name]
    assert len(set(cls.gates)) == len(cls.gates)
    assert cls.jacobian in ("dense", "diagonal", "block")
    assert "=" in cls.equation
    year = next(word for word in cls.source.replace(",", " ").split() if word.isdigit() and len(word) == 4)
    assert year in cls.__doc__, "the docstring cites the source"
    assert "default" in getattr(cls, "presets", {"default": None})
    assert set(cls.candidates) <= set(cls.gates) or cls.candidates == ("candidate",)
    assert all(re.fullmatch(r"\S+( \S+)* \d+\.\d+(\.\d+)*", library) for library in cls.verified)


def other_start(cls):
    """Fields that say where a cell starts from, and nothing else."""
    name = next(name for name, registered in REGISTRY.items() if registered is cls)
    return STARTS.get(name, dict(kernel_init=Normal(0.3), bias_init=Constant(0.5)))


@every_registered_cell
def test_get_makes_a_cell_by_name(entry):
    """`get(name, features, **fields)` is the class called with the same arguments."""
    cls, fields = REGISTRY[entry.name], other_start(REGISTRY[entry.name])
    assert get(entry.name, 7, **fields) == cls(7, **fields) != cls(7)


def test_get_knows_the_identity_initialised_network():
    """`irnn` is a shorthand for `Elman.irnn`."""
    assert get("irnn", 7, scale=0.5) == Elman.irnn(7, scale=0.5)


# --- a cell is a value -------------------------------------------------------------------------------------------


@every_cell
def test_equal_configurations_are_equal_values(entry):
    """Two cells made alike are equal, hash alike, and serve as one key of a dictionary and one static argument."""
    one, other = entry.cell(SINGLE), entry.cell(SINGLE)
    assert one is not other and one == other and hash(one) == hash(other)
    assert {one: "found"}[other] == "found"
    assert one != entry.cell(Precision("float32", "bfloat16"))
    traced = []
    counting = jax.jit(lambda cell: traced.append(cell) or jnp.zeros(()), static_argnums=0)
    counting(one), counting(other)
    assert len(traced) == 1


CONFIGURED = [
    LSTM(3, bias_init={"forget": 1.0, "input": Normal(0.2)}, precision=Precision("float32", "bfloat16", "float32")),
    LSTM(3, preset="keras", bias_init=Chrono(100), recurrent_init=Fused(Orthogonal(0.5))),
    LSTM(3, kernel_init=PerGate((("forget", Constant(0.5)),), Normal(0.3))),
    GRU(3, reset_after=False, preset="torch"),
    Elman.irnn(3, scale=0.9, std=0.01),
    Jordan(3, output_size=2, output_activation="identity"),
    PeepholeLSTM(3, peephole_init=Normal(0.1)),
    PeepholeLSTM(3, peephole_init={"output": 0.5}),
    MinLSTM(3, bias_init=Chrono(100)),
    LRU(3, state_features=5, r_min=0.9, max_phase=0.3),
    S5(3, state_features=4, blocks=2, dt_min=0.01, step_rescale=0.5),
    RGLRU(4, heads=2, r_max=0.9999, kernel_init={"input": Normal(0.1)}),
    Stack((LSTM(3), Residual(Dropout(GRU(3), input=0.1, recurrent=0.2)))),
]


@pytest.mark.parametrize("cell", [entry.cell(SINGLE) for entry in REGISTERED] + CONFIGURED, ids=repr)
def test_representation_evaluates_to_the_cell(cell):
    """`repr(cell)` is the call that makes it; a pickled cell comes back equal."""
    names = vars(rnnjax) | vars(rnnjax.initializers)
    assert eval(repr(cell), names) == cell
    again = pickle.loads(pickle.dumps(cell))
    assert again == cell and hash(again) == hash(cell)


def test_representation_leaves_defaults_out():
    """What was left at its default is not shown."""
    assert repr(LSTM(3)) == "LSTM(3)"
    assert repr(GRU(3, reset_after=False)) == "GRU(3, reset_after=False)"
    assert repr(Stack([Elman(2), Residual(LSTM(2))])) == "Stack((Elman(2), Residual(LSTM(2))))"


@x64
@every_plain_cell_in_full
def test_dynamics_is_the_cell_without_its_initialisers(entry):
    """Cells that differ in initialisers only have equal dynamics, which compute the same outputs."""
    cell = entry.cell(FLOAT64)
    other = dataclasses.replace(cell, **other_start(type(cell)))
    assert other != cell and other.dynamics == cell.dynamics == cell.dynamics.dynamics
    assert dataclasses.replace(cell, features=8).dynamics != cell.dynamics
    _, params, xs, _, _ = example(entry)
    assert_identical(run(cell.dynamics, params, xs), run(cell, params, xs))


# --- parameters and carry ----------------------------------------------------------------------------------------


@every_cell
def test_init_gives_the_abstract_parameters(entry):
    """`init` gives finite arrays of the structure, shapes and dtypes of `abstract_params`; the key decides values."""
    cell = entry.cell(SINGLE)
    stated = abstract_params(cell, entry.in_features)
    one, other = (cell.init(jax.random.key(seed), entry.in_features) for seed in (0, 1))
    for params in (one, other):
        assert jax.tree.structure(params) == jax.tree.structure(stated)
        assert [(p.shape, p.dtype) for p in jax.tree.leaves(params)] == [
            (p.shape, p.dtype) for p in jax.tree.leaves(stated)
        ]
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    assert_identical(cell.init(jax.random.key(0), entry.in_features), one)
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    assert not all(np.array_equal(a, b) for a, b in pairs), "keys matter"
    assert cell.parameter_count(entry.in_features) == sum(leaf.size for leaf in jax.tree.leaves(one))


def test_parameters_of_an_initialised_cell_are_independent():
    """No two blocks of a cell's initial parameters, nor layers of a stack, share a draw."""
    draws = Stack((LSTM(6, preset="torch"), LSTM(6, preset="torch"))).init(jax.random.key(0), 6)
    numbers = np.concatenate([np.ravel(leaf) for name, leaf in sorted(draws.items()) for leaf in jax.tree.leaves(leaf)])
    assert len(np.unique(numbers)) > 0.99 * numbers.size  # float32 draws collide now and then


@pytest.mark.parametrize("name", SIZES)
def test_parameter_count_is_that_of_the_equations(name):
    """The number of parameters follows from the equation of the cell."""
    width = 8 if name in SQUARE else 3
    assert get(name, 8).parameter_count(width) == SIZES[name](width, 8)


@pytest.mark.parametrize(("name", "fewer"), [("lru", 7 * 7 - 7), ("s5", 7 * 7 - 7), ("rg_lru", 7 * 7)])
def test_inputs_as_wide_as_the_state_need_fewer_parameters(name, fewer):
    """D is a vector, and the input of an RG-LRU enters as it is, where widths allow it, as in the papers."""
    assert get(name, 7).parameter_count(7) == SIZES[name](7, 7) - fewer


def test_the_set_of_sizes_is_complete():
    """Every registered cell has its number of parameters written down."""
    assert set(SIZES) == set(REGISTRY)


@every_cell
def test_initial_carry_has_the_batch_axes_in_front(entry):
    """The initial carry of a batch is that of one row repeated, in the dtype of the policy."""
    cell = entry.cell(Precision("float32", "bfloat16", "float32"))
    alone = cell.initial_carry()
    for shape in ((3,), (2, 3)):
        shape += entry.places
        repeated = jax.tree.map(lambda leaf, shape=shape: jnp.broadcast_to(leaf, shape + leaf.shape), alone)
        assert_identical(cell.initial_carry(shape), repeated)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(alone))


@x64
@every_registered_cell
def test_carry_is_a_named_tuple_with_the_output_first(entry):
    """Carries have named fields, and the first is the output of the last step."""
    step = one_step(entry)
    names = step.carry._fields
    assert names and type(step.after) is type(step.carry)
    if names[0] in ("h", "y"):  # other outputs are read out of a state of another kind
        assert_identical(step.after[0], step.y)
    assert not {"h", "y"} & set(names[1:])


@every_cell
def test_output_has_the_stated_width(entry):
    """`output_features` is the last axis of the outputs."""
    cell = entry.cell(SINGLE)
    places = (BATCH, *entry.places)
    params, carry = abstract_params(cell, entry.in_features), cell.initial_carry(places)
    x = jax.ShapeDtypeStruct((*places, entry.in_features), jnp.float32)
    after, y = jax.eval_shape(cell.step, params, carry, x)
    assert y.shape == (*places, cell.output_features) and y.dtype == cell.output_dtype
    assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, carry)


# --- the drive ---------------------------------------------------------------------------------------------------


def drives(cell, params, xs):
    """The drive of the first step and of the last: asked for with all others, and alone."""
    weights, by_time = cell.prepare(params), jnp.moveaxis(xs, 1, 0)
    together, (held, at) = cell.project(weights, by_time), cell.stream(weights, by_time)
    ends = (0, TIME - 1)
    return [jax.tree.map(lambda leaf, t=t: leaf[t], together) for t in ends], [at(held, t) for t in ends]


@x64
@every_plain_cell
def test_stream_is_the_drive_step_by_step(entry):
    """The drive of a step is the same, whether it is asked for alone or with all others."""
    assert_same(*one_step(entry).drives)


@x64
@pytest.mark.parametrize("cls", [LSTM, GRU, Elman])
def test_stream_of_a_single_feature(cls):
    """With one input feature the product is made in the step, and is the same product."""
    cell = cls(FEATURES, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, 1), 0)
    assert_same(*jax.device_get(drives(cell, params, np.random.default_rng(1).standard_normal((BATCH, TIME, 1)))))


# --- gates -------------------------------------------------------------------------------------------------------


@x64
@every_plain_cell
def test_gate_values_are_named_in_order(entry):
    """`gate_values` gives one array a gate, under the names of `gates`; all but candidates lie in (0, 1)."""
    cell, gates = entry.cell(FLOAT64), one_step(entry).gates
    assert tuple(gates) == cell.gates
    for name, values in gates.items():
        assert values.shape[: 1 + len(entry.places)] == (BATCH, *entry.places)
        if name not in cell.candidates:
            assert np.all(values > 0) and np.all(values < 1)


MIXTURES = {
    "lstm": lambda g, old, new: (g["forget"] * old.c + g["input"] * g["candidate"], new.c),
    "peephole_lstm": lambda g, old, new: (g["forget"] * old.c + g["input"] * g["candidate"], new.c),
    "gru": lambda g, old, new: ((1 - g["update"]) * g["candidate"] + g["update"] * old.h, new.h),
    "gru_reset_before": lambda g, old, new: ((1 - g["update"]) * g["candidate"] + g["update"] * old.h, new.h),
    "elman": lambda g, old, new: (g["candidate"], new.h),
    "min_gru": lambda g, old, new: ((1 - g["write"]) * old.h + g["write"] * g["candidate"], new.h),
    "min_lstm": lambda g, old, new: (g["forget"] * old.h + g["input"] * g["candidate"], new.h),
}


@x64
@pytest.mark.parametrize("entry", [entry for entry in CELLS if entry.name in MIXTURES], ids=str)
def test_gate_values_are_those_of_the_step(entry):
    """The state after a step is the mixture that the gates say: for an LSTM, c' = f * c + i * g."""
    step = one_step(entry)
    assert_same(*MIXTURES[entry.name](step.gates, step.carry, step.after))


@x64
@pytest.mark.parametrize("entry", [e for e in REGISTERED if e.name in ("lstm", "peephole_lstm")], ids=str)
def test_output_gate_is_that_of_the_step(entry):
    """h' = o * tanh(c')."""
    step = one_step(entry)
    assert_same(step.gates["output"] * np.tanh(step.after.c), step.after.h)


# --- equations ---------------------------------------------------------------------------------------------------


@x64
@every_plain_cell_in_full
def test_cell_computes_its_equations(entry):
    """Outputs and states are those of the paper's equations, written once more in NumPy, row by row."""
    assert entry.name in EQUATIONS, "a new cell needs its equations written in NumPy here"
    cell, params, xs, carry, _ = example(entry)
    final, ys = run(cell, params, xs, carry, lengths=LENGTHS, resets=RESETS)
    for index, length in enumerate(LENGTHS):
        state = tuple(leaf[index] for leaf in carry)
        for t in range(length):
            if RESETS[index, t]:
                state = tuple(np.asarray(leaf) for leaf in cell.initial_carry(entry.places))
            state, y = EQUATIONS[entry.name](params, state, xs[index, t])
            assert_same(ys[index, t], y)
        assert_same(tuple(leaf[index] for leaf in final), state)


@x64
def test_trap_gru_has_a_bias_inside_the_reset_gate():
    """The candidate's recurrent bias is multiplied by the reset gate: a closed gate hides it, an open one shows it."""
    cell = GRU(FEATURES, precision=FLOAT64)
    params = drawn_like(abstract_params(cell, IN_FEATURES), 0)
    carry = GRU(FEATURES, precision=FLOAT64).initial_carry((BATCH,))
    x = np.ones((BATCH, IN_FEATURES))
    moved = params | {"recurrent_bias": params["recurrent_bias"] + 1.0}
    for reset, matters in ((-1e3, False), (1e3, True)):
        bias = params["bias"].copy()
        bias[:FEATURES] = reset
        ys = [cell.step(p | {"bias": bias}, carry, x)[1] for p in (params, moved)]
        assert np.allclose(*ys) is not matters
    assert "recurrent_bias" not in GRU(FEATURES, reset_after=False).init(jax.random.key(0), IN_FEATURES)


@x64
def test_peepholes_of_zero_make_an_lstm():
    """A peephole LSTM whose peepholes are zero, as they start, is an LSTM."""
    cell, plain = PeepholeLSTM(FEATURES, precision=FLOAT64), LSTM(FEATURES, precision=FLOAT64)
    params = cell.init(jax.random.key(0), IN_FEATURES)
    assert not np.any(params["peephole"])
    xs = drawn_like(jax.ShapeDtypeStruct((BATCH, TIME, IN_FEATURES), jnp.float64), 0)
    without = {name: leaf for name, leaf in params.items() if name != "peephole"}
    assert_same(run(cell, params, xs), run(plain, without, xs))


# --- activations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_by_name_is_the_function(name):
    """A cell with an activation's name computes what the cell with the function itself computes."""
    by_name, by_function = Elman(3, activation=name), Elman(3, activation=ACTIVATIONS[name])
    params = by_name.init(jax.random.key(0), 2)
    carry, x = by_name.initial_carry((4,)), jnp.ones((4, 2))
    assert_identical(by_name.step(params, carry, x), by_function.step(params, carry, x))


ANALYTIC = {
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "sigmoid": sigmoid,
    "identity": lambda a: a,
    "leaky_relu": lambda a: np.where(a > 0, a, 0.01 * a),
    "elu": lambda a: np.where(a > 0, a, np.expm1(a)),
    "softplus": lambda a: np.log1p(np.exp(a)),
    "softsign": lambda a: a / (1 + abs(a)),
    "hard_tanh": lambda a: np.clip(a, -1, 1),
    "sin": np.sin,
    "silu": lambda a: a * sigmoid(a),
}


@x64
@pytest.mark.parametrize("name", ANALYTIC)
def test_activation_is_the_one_its_name_says(name):
    """The functions behind the names are those of the literature."""
    points = np.linspace(-3, 3, 31)
    assert_same(np.asarray(activation(name)(jnp.asarray(points))), ANALYTIC[name](points))


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "argument", "given", "expected"),
    [
        (lambda: LSTM(0), "LSTM.features", "0", "a positive int"),
        (lambda: GRU(-1), "GRU.features", "-1", "a positive int"),
        (lambda: Elman(2.5), "Elman.features", "2.5", "a positive int"),
        (lambda: LSTM(True), "LSTM.features", "True", "a positive int"),
        (lambda: LSTM(4, precision="float32"), "LSTM.precision", "'float32'", "a Precision"),
        (lambda: LSTM(4, preset="pytorch"), "LSTM.preset", "'pytorch'", "default, paper, torch, keras, flax"),
        (lambda: LSTM(4, bias_init={"forgot": 1.0}), "LSTM.bias_init gate", "'forgot'", "input, forget, candidate"),
        (lambda: GRU(4, kernel_init={"forget": 1.0}), "GRU.kernel_init gate", "'forget'", "reset, update, candidate"),
        (
            lambda: LSTM(4, recurrent_init=PerGate((("forgot", Constant(1.0)),))),
            "LSTM.recurrent_init gate", "'forgot'", "forget",
        ),
        (lambda: LSTM(4, bias_init=1.0), "LSTM.bias_init", "1.0", "an Initializer, a mapping"),
        (lambda: LSTM(4, bias_init={"forget": "one"}), "LSTM.bias_init['forget']", "'one'", "a number"),
        (lambda: LSTM(4, bias_init={"forget": True}), "LSTM.bias_init['forget']", "True", "a number"),
        (lambda: PeepholeLSTM(4, peephole_init=0.1), "PeepholeLSTM.peephole_init", "0.1", "an Initializer"),
        (lambda: PeepholeLSTM(4, peephole_init={"candidate": 0.1}), "PeepholeLSTM.peephole_init gate", "'candidate'",
         "input, forget, output"),
        (lambda: Elman(4, activation="tahn"), "Elman.activation", "'tahn'", "tanh"),
        (lambda: Elman(4, activation=None), "Elman.activation", "None", "a function"),
        (lambda: Jordan(4, output_activation="x"), "Jordan.output_activation", "'x'", "a function"),
        (lambda: Jordan(4, output_size=0), "Jordan.output_size", "0", "a positive int"),
        (lambda: MinGRU(4, bias_init={"update": 1.0}), "MinGRU.bias_init gate", "'update'", "write, candidate"),
        (lambda: MinGRU(4, preset="keras"), "MinGRU.preset", "'keras'", "default, paper"),
        (lambda: LRU(4, state_features=0), "LRU.state_features", "0", "a positive int"),
        (lambda: LRU(4, r_max=1.5), "LRU.r_max", "1.5", "(0, 1]"),
        (lambda: LRU(4, r_min=0.9, r_max=0.5), "LRU.r_min", "0.9", "r_max=0.5"),
        (lambda: LRU(4, max_phase=7.0), "LRU.max_phase", "7.0", "2 pi"),
        (lambda: S5(4, blocks=3), "S5.blocks", "3", "divides the 4 features"),
        (lambda: S5(4, dt_min=0.0), "S5.dt_min", "0.0", "a number > 0"),
        (lambda: S5(4, dt_max=1e-4), "S5.dt_max", "0.0001", "dt_min=0.001"),
        (lambda: S5(4, step_rescale=0.0), "S5.step_rescale", "0.0", "a number > 0"),
        (lambda: RGLRU(4, heads=3), "RGLRU.heads", "3", "divides features=4"),
        (lambda: RGLRU(4, r_min=-0.1), "RGLRU.r_min", "-0.1", "[0, r_max=0.999]"),
        *((lambda cls=cls: cls(4).init(jax.random.key(0), 0), "in_features", "0", "a positive int")
          for cls in (MinGRU, LRU, S5, RGLRU)),
        (lambda: LSTM(4).affine(None, None), "cell", "LSTM(4)", "affine in its state"),
        (lambda: LSTM(4).readout(None, None, None), "cell", "LSTM(4)", "affine in its state"),
        (lambda: LSTM(4).init(jax.random.key(0), 0), "in_features", "0", "a positive int"),
        (lambda: LSTM(4).init(jax.random.key(0), 1.5), "in_features", "1.5", "a positive int"),
        (lambda: get("lsmt", 4), "cell", "'lsmt'", "lstm"),
        (lambda: get("lstm", 4, reset_after=True), "cell lstm", "reset_after", "fields of the cell"),
    ],
)  # fmt: skip
def test_bad_configuration_is_named(make, argument, given, expected):
    """A cell that cannot be says which field is wrong, what was given and what was expected, when it is made."""
    with pytest.raises(InputError) as error:
        make()
    assert error.value.argument == argument
    message = str(error.value)
    assert message.startswith(f"{argument}: got ") and given in message and expected in message, message


@pytest.mark.parametrize(
    ("carry", "x", "argument"),
    [
        (LSTM(4).initial_carry((3,)), np.ones((3, 6), np.float32), "params['kernel']"),
        (LSTM(4).initial_carry((2,)), np.ones((3, 5), np.float32), "carry.h"),
        (LSTM(4).initial_carry((3,)), np.ones((3, 5), np.int32), "xs"),
        (tuple(LSTM(4).initial_carry((3,))), np.ones((3, 5), np.float32), "carry"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_step_is_named(carry, x, argument):
    """`step` checks parameters, carry and input against each other."""
    cell = LSTM(4)
    with pytest.raises(InputError) as error:
        cell.step(cell.init(jax.random.key(0), 5), carry, x)
    assert error.value.argument == argument
