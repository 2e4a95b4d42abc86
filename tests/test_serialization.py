"""A configuration written to JSON and read again is the same configuration, or an error that says what is wrong."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys

import pytest
from catalog import CELLS

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
    PeepholeLSTM,
    Precision,
    Residual,
    Stack,
)
from rnnjax.cells import REGISTRY as CELL_CLASSES
from rnnjax.initializers import (
    Constant,
    Fused,
    Glorot,
    Identity,
    Initializer,
    Lecun,
    Normal,
    Orthogonal,
    PerGate,
    Ring,
    Uniform,
)
from rnnjax.serialization import from_json, to_json
from rnnjax.tasks import (
    MNIST,
    Adding,
    CopyMemory,
    Counting,
    Digits,
    EmbeddedReber,
    FlipFlop,
    Latch,
    ModularSum,
    NoiseFreeLag,
    TemporalOrder,
)
from rnnjax.tasks import REGISTRY as TASK_CLASSES
from rnnjax.training import Config, Optimizer


def passed_through(value):
    """What comes back after JSON text."""
    return from_json(json.loads(json.dumps(to_json(value), allow_nan=False)))


PRESETS = [
    *(cls(8) for cls in CELL_CLASSES.values()),
    *(cls(8, preset=name) for cls in CELL_CLASSES.values() for name in getattr(cls, "presets", {})),
]

OF_CELLS = [cls for cls in Initializer.__subclasses__() if cls.__module__.startswith("rnnjax.cells.")]

STARTS = [
    *(LSTM(8, kernel_init=cls()) for cls in OF_CELLS),
    LSTM(8, bias_init=Chrono(100)),
    GRU(8, bias_init=Chrono(3), reset_after=False),
    LSTM(8, bias_init={"forget": 2.0, "input": Constant(-1)}, recurrent_init=Fused(Orthogonal(1.5))),
    LSTM(8, recurrent_init=PerGate((("candidate", Identity(0.5)),), default=Uniform(draws=2))),
    PeepholeLSTM(8, peephole_init=Normal(0.1), kernel_init=Lecun("normal")),
    PeepholeLSTM(8, peephole_init={"output": Glorot("uniform"), "forget": 0.3}),
    Elman.irnn(8, scale=0.9),
    Elman(8, activation="softsign", precision=Precision("float32", "bfloat16", "float32")),
    Jordan(8, output_size=3, output_activation="identity"),
    MinGRU(8, bias_init={"write": -2.0}),
    LRU(8, state_features=5, r_min=0.4, max_phase=0.3),
    S5(8, blocks=2, dt_min=0.01),
    RGLRU(8, heads=2, bias_init={"recurrence": Ring(0.5, 0.9)}),
    Stack((LSTM(6, preset="torch"), Dropout(GRU(8), input=0.25, recurrent=0.5), Residual(Elman(8)))),
    Dropout(Residual(Stack([GRU(8), Elman.irnn(8)])), output=0.1),
]

TASKS = [
    *(CopyMemory(5, variant, items=3) for variant in CopyMemory.variants),
    *(Adding(40, variant) for variant in Adding.variants),
    *(TemporalOrder(30, symbols, variant) for variant in TemporalOrder.variants for symbols in (2, 3)),
    *(Latch(20, variant, informative=2, noise=0.5) for variant in Latch.variants),
    Digits(),
    Digits("row"),
    Digits("pixel", permuted=True),
    MNIST("a folder", permuted=True),
    FlipFlop(),
    NoiseFreeLag(),
    EmbeddedReber(),
    ModularSum(8, modulus=3, shortest=1),
    Counting(5, letters=3, shortest=2),
]

OPTIMIZERS = [
    Optimizer(),
    *(Optimizer(name, 3e-4, clip="value") for name in ("sgd", "momentum", "rmsprop", "adam", "adamw")),
    *(Optimizer(schedule=name, warmup_steps=7) for name in ("constant", "step", "exponential", "cosine")),
    *(Optimizer(clip=name, clip_threshold=1 / 3, decay=0.99, momentum=0.1) for name in ("none", "norm", "adaptive")),
]


@pytest.mark.parametrize("entry", CELLS, ids=str)
def test_every_cell_comes_back(entry):
    for precision in (Precision(), Precision("bfloat16"), Precision("float64")):
        config = Config(Adding(10), entry.cell(precision))
        assert passed_through(config) == config


def test_every_start_task_and_optimizer_comes_back():
    """Equal, of the same types, hashable, and so again a static argument of `jit`."""
    assert {type(cell) for cell in [*PRESETS, *STARTS]} >= set(CELL_CLASSES.values())
    assert {type(task) for task in TASKS} == set(TASK_CLASSES.values())
    for cell in [*PRESETS, *STARTS]:
        assert passed_through(Config(Adding(10), cell)).cell == cell
    for value in [*TASKS, *OPTIMIZERS]:
        again = passed_through(value)
        assert again == value and type(again) is type(value) and hash(again) == hash(value)
    config = Config(
        Latch(20),
        LSTM(8, bias_init=Chrono(20)),
        OPTIMIZERS[-1],
        steps=30,
        truncation=7,
        evaluate_every=15,
        patience=3,
        stop_when_solved=False,
        explosion_threshold=50.0,
    )
    assert passed_through({"config": config, "seeds": (0, 3)}) == {"config": config, "seeds": (0, 3)}


def test_every_initializer_is_covered():
    """The starts above hold each initialiser of the library."""
    held = json.dumps([to_json(cell) for cell in STARTS])
    missing = {cls.__name__ for cls in Initializer.__subclasses__() if f":{cls.__name__}" not in held}
    assert missing == set()


def test_numbers_and_names_keep_their_value_and_type():
    """Integers stay integers, floats keep every bit, lists come back as tuples."""
    value = {"a": [1, 1.0, True, None, "x"], "b": {"c": (0.1 + 0.2, 1e-300, -0.0, 2**60)}}
    again = passed_through(value)
    assert repr(again) == repr({"a": (1, 1.0, True, None, "x"), "b": {"c": (0.1 + 0.2, 1e-300, -0.0, 2**60)}})


@dataclasses.dataclass(frozen=True)
class Holder:
    """Something that holds anything."""

    value: object = None


@pytest.mark.parametrize(
    "value",
    [
        Elman(8, activation=lambda x: x),
        Config(Adding(10), Stack((GRU(8), Elman(8, activation=abs)))),
        Holder(1j),
        Holder({1, 2}),
        Holder(object()),
        Holder(Holder),
        Holder({"type": "a key of its own meaning"}),
        Holder(float("inf")),
        {"rate": [float("nan")]},
        b"bytes",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_refused(value):
    """A function, a set, an infinite number and the like are errors, wherever they lie."""
    with pytest.raises(InputError, match=r"^configuration: got .*, expected numbers"):
        to_json(value)


def text(**fields):
    return {"type": "rnnjax.training.optimizer:Optimizer", **fields}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"type": "no_such_module:Class"}, ["'no_such_module:Class'", "import no_such_module"]),
        ({"type": "rnnjax.cells.lstm:NoSuchCell"}, ["NoSuchCell", "module:Class"]),
        ({"type": "rnnjax.cells.lstm"}, ["'rnnjax.cells.lstm'", "module:Class"]),
        ({"type": ".lstm:LSTM"}, ["'.lstm:LSTM'", "module:Class"]),
        ({"type": ":"}, ["':'", "module:Class"]),
        ({"type": ""}, ["''", "module:Class"]),
        ({"type": None}, ["None", "module:Class"]),
        ({"type": ["rnnjax"]}, ["['rnnjax']", "module:Class"]),
        ({"type": "os:system", "command": "true"}, ["'os:system'", "dataclass"]),
        ({"type": "builtins:dict", "a": 1}, ["'builtins:dict'", "dataclass"]),
        (text(no_such_field=1), ["no_such_field", "the fields of"]),
        (text(learning_rate=None), ["Optimizer.learning_rate", "None"]),
        (text(name="newton"), ["Optimizer.name", "'newton'"]),
        ([1, {"a": text(b1=2)}], ["Optimizer.b1", "2"]),
        ({"type": "rnnjax.cells.lstm:LSTM"}, ["the fields of rnnjax.cells.lstm:LSTM", "features"]),
        ({"type": "rnnjax.cells.lstm:LSTM", "features": "many"}, ["LSTM.features", "'many'"]),
        ({"type": "rnnjax.cell:Cell"}, ["the fields of rnnjax.cell:Cell"]),
    ],
)
def test_what_was_not_written_here_is_refused(value, words):
    """An unknown class or field, a value out of range, and garbage are errors that say which."""
    with pytest.raises(InputError) as raised:
        from_json(value, "config.json")
    for word in words:
        assert word in str(raised.value), raised.value


def test_reading_imports_nothing_that_a_file_names(tmp_path, monkeypatch):
    """A configuration from somebody else runs no code of theirs; one's own classes are read once they are imported."""
    (tmp_path / "somebody.py").write_text(
        "import dataclasses\n\n@dataclasses.dataclass(frozen=True)\nclass Own:\n    n: int = 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="import somebody"):
        from_json({"type": "somebody:Own", "n": 2})
    assert "somebody" not in sys.modules
    own = importlib.import_module("somebody").Own(3)
    try:
        assert passed_through(own) == own
    finally:
        del sys.modules["somebody"]
