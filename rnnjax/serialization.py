"""Configurations as JSON: frozen dataclasses of plain values, tuples and each other, and back."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import math
import pathlib
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

from rnnjax.errors import InputError, check

_OWN = ("rnnjax", "experiments")


def to_json(value: Any) -> Any:
    """A configuration as JSON values. A dataclass becomes `{"type": "module:Class", ...}` with all its fields.

    Raises:
      InputError: a value that JSON cannot hold, such as an infinite number, or a function: give it by name.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": f"{type(value).__module__}:{type(value).__qualname__}", **fields}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict) and "type" not in value:
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError("configuration", value, "numbers that are finite")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError("configuration", value, "numbers, strings, tuples and dataclasses (functions by name)")


def from_json(value: Any, argument: str = "configuration") -> Any:
    """The configuration that `to_json` wrote. Lists come back as tuples.

    Raises:
      InputError: naming `argument`, where the JSON was not written by `to_json`, or by another version of a class; or
        where it names a class of a module that is neither of this library nor imported yet.
    """
    try:
        return _from_json(value, argument)
    except RecursionError:
        raise InputError(argument, "lists within lists", "a configuration") from None


def _from_json(value: Any, argument: str) -> Any:
    if isinstance(value, list):
        return tuple(_from_json(item, argument) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" not in value:
        return {key: _from_json(item, argument) for key, item in value.items()}
    cls = _dataclass(value["type"], argument)
    fields = {key: _from_json(item, argument) for key, item in value.items() if key != "type"}
    try:
        inspect.signature(cls).bind(**fields)
    except TypeError as error:
        raise InputError(argument, value["type"], f"the fields of {value['type']} ({error})") from None
    for name, given in fields.items():
        _check_field(cls, name, given, f"{argument}: {cls.__name__}.{name}")
    try:
        return cls(**fields)
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(argument, value["type"], f"the fields of {value['type']} ({error})") from None


def check_fields(value: Any, called: Callable[[str], str] | None = None) -> None:
    """Raises `InputError` where a field of a dataclass holds something else than what its annotation says.

    An int fits where a float is wanted, but a bool does not; numbers are finite, and ints below 2^31 in size, as a
    compiled program holds no others. What cannot be told from an annotation fits.

    Args:
      value: a dataclass.
      called: from the name of a field to what an error calls it; with the name of the class before it unless given.
    """
    for field in dataclasses.fields(value):
        argument = called(field.name) if called else f"{type(value).__name__}.{field.name}"
        _check_field(type(value), field.name, getattr(value, field.name), argument)


def _check_field(cls: type, name: str, given: Any, argument: str) -> None:
    expected = _annotations(cls).get(name, Any)
    if not _fits(given, expected):
        raise InputError(argument, given, _named(expected))


@functools.lru_cache(maxsize=256)
def _annotations(cls: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls)
    except (NameError, TypeError):  # names that are imported for the type checker alone
        return {}


_LARGEST_INT = 2**31


def _fits(value: Any, expected: Any) -> bool:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in arguments)
    if origin is typing.Literal:
        return value in arguments
    if expected in (None, type(None)):
        return value is None
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_INT
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_fits(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(_fits, value, arguments))
    if origin in (dict, collections.abc.Mapping):
        pairs = value.items() if isinstance(value, collections.abc.Mapping) else None
        return pairs is not None and all(_fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in pairs)
    kind = origin or expected
    try:
        return isinstance(value, kind) if isinstance(kind, type) and kind is not object else True
    except TypeError:  # a protocol that says nothing at run time
        return True


def _named(expected: Any) -> str:
    """An annotation in words."""
    if typing.get_origin(expected) in (typing.Union, types.UnionType):
        return " or ".join(_named(option) for option in typing.get_args(expected))
    words = {int: "an int below 2^31", float: "a finite number", bool: "a bool", str: "a string", type(None): "None"}
    if isinstance(expected, type) and not typing.get_args(expected):
        return words.get(expected, expected.__name__)
    return str(expected).replace("typing.", "")


def _is_own(module: str) -> bool:
    """Whether a module is of this library. A package that is called as one of ours, but lies elsewhere, is not."""
    package = module.partition(".")[0]
    if package not in _OWN:
        return False
    found = importlib.util.find_spec(package)
    here = pathlib.Path(__file__).resolve().parents[1]
    return found is not None and bool(found.origin) and pathlib.Path(found.origin).resolve().parents[1] == here


def _dataclass(name: Any, argument: str) -> type:
    """The class of that name. A file must not make this process import, and so run, what it names."""
    expected = "the name of a class, as module:Class"
    module, _, qualname = name.partition(":") if isinstance(name, str) else ("", "", "")
    check(all(part.isidentifier() for part in (*module.split("."), qualname)), argument, name, expected)
    known = module in sys.modules or _is_own(module)
    check(known, argument, name, f"a class of this library, or of a module that was imported (import {module})")
    try:
        cls = getattr(importlib.import_module(module), qualname)
    except (AttributeError, ImportError):
        raise InputError(argument, name, expected) from None
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise InputError(argument, name, "the name of a dataclass")
    return cls
