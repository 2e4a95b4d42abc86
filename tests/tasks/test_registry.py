"""Tasks by name."""

import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import REGISTRY, Adding, Digits, Task, get


def test_every_task_is_found_by_its_name():
    assert list(REGISTRY) == [
        "adding",
        "copy_memory",
        "temporal_order",
        "latch",
        "digits",
        "embedded_reber",
        "noise_free_lag",
        "mnist",
        "flip_flop",
        "modular_sum",
        "counting",
    ]
    for name, task in REGISTRY.items():
        assert task.name == name and issubclass(task, Task) and get(name) == task()


def test_options_are_handed_on():
    assert get("adding", length=40, variant="pascanu") == Adding(40, "pascanu")
    assert get("digits", order="row") == Digits("row")


def test_an_unknown_name_is_an_error():
    with pytest.raises(InputError, match=r"name: got 'add', expected one of adding, copy_memory"):
        get("add")


def test_an_unknown_option_is_an_error():
    with pytest.raises(InputError, match=r"lenght: got 50, expected an option of the task 'adding'.*length, variant"):
        get("adding", lenght=50)


def test_a_refused_value_is_an_error():
    with pytest.raises(InputError, match=r"Adding.length: got 3, expected an int of at least 20"):
        get("adding", length=3, variant="hs97")
