"""What a configuration refuses, and which runs may share a compiled program."""

from __future__ import annotations

import pytest

from rnnjax import GRU, LSTM, Chrono, Elman, InputError, Stack
from rnnjax.tasks import Adding
from rnnjax.training import Config, Optimizer


@pytest.mark.parametrize(
    ("field", "given", "expected"),
    [
        ("task", "adding", "a task or an application"),
        ("cell", "lstm", "a cell"),
        ("optimizer", "adam", "an Optimizer"),
        ("steps", 0, "a positive int"),
        ("steps", 10.0, "a positive int"),
        ("batch_size", -1, "a positive int"),
        ("evaluate_every", 0, "a positive int"),
        ("evaluate_every", 3, "a divisor of steps=40"),
        ("evaluation_size", 0, "a positive int"),
        ("nonfinite_limit", 0, "a positive int"),
        ("truncation", 0, "a positive int, or None"),
        ("truncation", 2.5, "a positive int, or None"),
        ("patience", -1, "a positive int, or None"),
        ("explosion_threshold", 0.0, "a number > 0"),
        ("explosion_threshold", float("nan"), "a number > 0"),
        ("explosion_threshold", "high", "a number > 0"),
    ],
)
def test_a_bad_field_is_named(field, given, expected, small):
    with pytest.raises(InputError) as raised:
        small(**{field: given})
    assert str(raised.value) == f"Config.{field}: got {given!r}, expected {expected}"


def test_runs_that_differ_in_their_start_alone_share_a_program():
    """`dynamics` forgets initialisers, and nothing else that is computed."""
    configs = [
        Config(Adding(10), cell)
        for cell in (LSTM(8), LSTM(8, bias_init=Chrono(10)), LSTM(8, preset="torch", bias_init={"forget": 2.0}))
    ]
    assert len(set(configs)) == 3 and len({config.dynamics for config in configs}) == 1
    stacks = [Config(Adding(10), Stack((GRU(8, preset=preset), Elman(8)))) for preset in ("torch", "keras")]
    assert len({config.dynamics for config in stacks}) == 1
    others = [
        Config(Adding(10), LSTM(9)),
        Config(Adding(10), GRU(8)),
        Config(Adding(11), LSTM(8)),
        Config(Adding(10), LSTM(8), Optimizer("sgd")),
        Config(Adding(10), LSTM(8), steps=100),
    ]
    assert len({config.dynamics for config in [*configs, *others]}) == 6
