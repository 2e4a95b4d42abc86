"""Configurations as JSON: frozen dataclasses of plain values, tuples and each other, and back."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
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
    if isinstance(value, list):
        return tuple(from_json(item, argument) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" not in value:
        return {key: from_json(item, argument) for key, item in value.items()}
    cls = _dataclass(value["type"], argument)
    fields = {key: from_json(item, argument) for key, item in value.items() if key != "type"}
    try:
        return cls(**fields)
    except TypeError as error:
        raise InputError(argument, value, f"the fields of {value['type']} ({error})") from None


def _dataclass(name: Any, argument: str) -> type:
    """The class of that name. A file must not make this process import, and so run, what it names."""
    expected = "the name of a class, as module:Class"
    module, _, qualname = name.partition(":") if isinstance(name, str) else ("", "", "")
    check(all(part.isidentifier() for part in (*module.split("."), qualname)), argument, name, expected)
    known = module in sys.modules or module.partition(".")[0] in _OWN
    check(known, argument, name, f"a class of this library, or of a module that was imported (import {module})")
    try:
        cls = getattr(importlib.import_module(module), qualname)
    except (AttributeError, ImportError):
        raise InputError(argument, name, expected) from None
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise InputError(argument, name, "the name of a dataclass")
    return cls
