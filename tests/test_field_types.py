"""What a dataclass says of its fields is held: in what is read from JSON, in applications, and on the command line."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from rnnjax import LSTM, Elman, InputError
from rnnjax.applications import REGISTRY, Laptop
from rnnjax.cell import Cell
from rnnjax.commands.applications import command_of, laptop_of
from rnnjax.commands.train import Train
from rnnjax.serialization import check_fields, from_json, to_json

HELD = [
    (int, (0, -3, 2**31 - 1), (True, 1.0, "1", None, 2**31, -(2**31))),
    (float, (0, -1.5, 1e300), (False, "1", None, float("nan"), float("inf"))),
    (bool, (True,), (1, "true", None)),
    (str, ("",), (1, None, ("a",))),
    (int | None, (None, 3), ("3", 1.5)),
    (Literal["a", "b"], ("a",), ("c", 1)),
    (tuple[int, ...], ((), (1, 2)), ([1], (1, "2"), 1)),
    (tuple[str, float], (("a", 1.0),), (("a",), ("a", "b"), (1.0, "a"))),
    (Mapping[str, float], ({}, {"a": 1}), ({"a": "b"}, {1: 1.0}, ())),
    (Cell, (LSTM(3), Elman(2)), (LSTM, "lstm", None)),
    (Cell | Mapping[str, int] | None, (LSTM(3), {"a": 1}, None), ({"a": 1.5}, 3)),
    (Any, (1, None, object()), ()),
]


@pytest.mark.parametrize(("expected", "fitting", "others"), HELD, ids=lambda value: str(value)[:30])
def test_a_field_holds_what_its_annotation_says(expected, fitting, others):
    made = dataclasses.make_dataclass("Made", [("field", expected)])
    for value in fitting:
        check_fields(made(value))
    for value in others:
        with pytest.raises(InputError, match=r"Made\.field"):
            check_fields(made(value))
        with pytest.raises(InputError, match="--field"):
            check_fields(made(value), lambda name: f"--{name}")


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_field_of_an_application_is_checked(name):
    """A value of another type in any field is one error that names the field, before anything is read."""
    cls = REGISTRY[name]
    given = {"data": "/no/such/file"} if name != "video" else {}
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        wrong = (object(), float("nan"), (1,))
        for value in wrong[: 3 if hints[field.name] is float else 1]:
            with pytest.raises(InputError, match=field.name):
                cls(**{**given, field.name: value})
    assert len(dataclasses.fields(cls)) > 5


def test_a_configuration_with_a_field_of_another_type_is_refused():
    held = to_json(LSTM(3))
    with pytest.raises(InputError, match=r"config.json: LSTM\.features: got 3.5"):
        from_json({**held, "features": 3.5}, "config.json")
    assert from_json(held) == LSTM(3)


def test_a_preset_may_set_every_field_of_the_optimiser(monkeypatch):
    """What a laptop preset says of its optimiser has an option, and comes out as it was."""
    fields = {"name": "rmsprop", "decay": 0.98, "b1": 0.8, "eps": 1e-6, "rate_factors": (("cell", 0.5),)}
    fields |= {"clip": "value", "clip_threshold": 2.0, "momentum": 0.3, "weight_decay": 0.01}
    monkeypatch.setattr(REGISTRY["names"], "laptop", Laptop(optimizer=fields))
    made = laptop_of("names").make_optimizer()
    assert {name: getattr(made, name) for name in fields} == fields
    monkeypatch.setattr(REGISTRY["names"], "laptop", Laptop(optimizer={"clip": "none"}))
    assert laptop_of("names").make_optimizer().clip == "none"
    assert command_of("names")().make_optimizer() == Train(task="adding").make_optimizer()
