"""A configuration in which any field may be a tuple of values to try, however deep the field lies."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from rnnjax.cell import Cell
from rnnjax.errors import InputError, check

Alternative = tuple[dict[str, Any], Any]
"""What was chosen, by path, and the value that it makes."""


class Varied(NamedTuple):
    """What `vary` returns.

    Attributes:
      bases: values, or one dataclass.
      choices: by field or path, a tuple of values, one value, or again what `vary` returns.
    """

    bases: tuple[Any, ...]
    choices: Mapping[str, Any]


def vary(base: Any, choices: Mapping[str, Any] | None = None, /, **fields: Any) -> Varied:
    """A configuration, or a part of one, in which any field may be a tuple: one value for each run to be made.

    ```python
    vary(
        Config,
        task=vary(Adding, length=(50, 100, 200)),
        cell=(Elman(64), GRU(64), *(LSTM(64, bias_init={"forget": bias}) for bias in (0, 1, 2))),
        optimizer=vary((Optimizer(), Optimizer(clip="norm")), learning_rate=(1e-4, 3e-4, 1e-3)),
    )
    ```

    Args:
      base: a dataclass, such as `Config`, to be made from the fields; a value of one, to be changed in these fields; or
        a tuple of such values, each of them to be changed so.
      choices: by path, such as `{"optimizer.learning_rate": (1e-4, 1e-3)}`, what is chosen in a part of a value.
      **fields: a tuple of values, among which may be what `vary` returns; or one value. A value that is a tuple itself
        stands in a tuple: `rate_factors=((("skew", 0.1),),)`.

    Raises:
      InputError: no base, a base that is no dataclass, or a field that is given twice.
    """
    bases = base if isinstance(base, tuple) and not isinstance(base, Varied) else (base,)
    whole = bool(bases) and all(dataclasses.is_dataclass(each) for each in bases)
    check(whole, "base", base, "a dataclass, a value of one, or a tuple of such values")
    given = dict(choices or {})
    twice = sorted(given.keys() & fields.keys())
    check(not twice, "choices", twice, "each field once")
    kinds = [each for each in bases if isinstance(each, type)]
    check(not kinds or len(bases) == 1, "base", base, "one class, or values")
    return Varied(bases, given | fields)


def alternatives(given: Any) -> list[Alternative]:
    """Every value that something stands for, with what was chosen for it by path: numbers, strings or `None`.

    Raises:
      InputError: a path that is no field, no values for one, the same value twice, or a value that a field refuses.
    """
    if not isinstance(given, Varied):
        return [({}, given)]
    options = [_options(path, value) for path, value in given.choices.items()]
    found = []
    for base in given.bases:
        named = {"": plain(base)} if len(given.bases) > 1 else {}
        for chosen in itertools.product(*options):
            settings = named | {name: value for each, _ in chosen for name, value in each.items()}
            values = {path: value for path, (_, value) in zip(given.choices, chosen, strict=True)}
            found.append((settings, _made(base, values)))
    return found


def put(config: Any, path: str, value: Any) -> Any:
    """The configuration with another value in the field of a path, such as "optimizer.learning_rate".

    Raises:
      InputError: a path that is no field.
    """
    return _put(config, path, path, value)


def _put(config: Any, path: str, whole: str, value: Any) -> Any:
    name, _, rest = path.partition(".")
    _check_field(config, name, whole)
    return dataclasses.replace(config, **{name: _put(getattr(config, name), rest, whole, value) if rest else value})


def plain(value: Any) -> Any:
    """A value for tables: a number, a string, a bool or `None` as it is, a dataclass with the fields that are no
    defaults, the rest as its `repr`.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Cell) or isinstance(value, type) or not dataclasses.is_dataclass(value):
        return repr(value)
    shown = []
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        if field.default is dataclasses.MISSING:
            shown.append(repr(given))
        elif given != field.default:
            shown.append(f"{field.name}={given!r}")
    return f"{type(value).__name__}({', '.join(shown)})"


def _options(path: str, given: Any) -> list[Alternative]:
    """What may stand in a field, with the settings by paths that start with the field's."""
    chosen = given if isinstance(given, tuple) and not isinstance(given, Varied) else (given,)
    check(len(chosen) > 0, path, given, "at least one value")
    named = chosen is given
    found: list[Alternative] = []
    for each in chosen:
        own = {path: plain(each)} if named and not isinstance(each, Varied) else {}
        for settings, value in alternatives(each):
            deeper = {f"{path}.{name}" if name else path: part for name, part in settings.items()}
            found.append((own | deeper, value))
    texts = [repr(value) for _, value in found]
    check(len(set(texts)) == len(texts), path, given, "values that differ")
    return found


def _made(base: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(base, type):
        for path, value in values.items():
            base = put(base, path, value)
        return base
    for path in values:
        _check_field(base, path, path)
    try:
        return base(**values)
    except TypeError as error:
        raise InputError("base", base.__name__, f"all its fields ({error})") from None


def _check_field(owner: Any, name: str, path: str) -> None:
    fields = [field.name for field in dataclasses.fields(owner)] if dataclasses.is_dataclass(owner) else []
    kind = owner.__name__ if isinstance(owner, type) else type(owner).__name__
    check(name in fields, "choices", path, f"a field of {kind}: {', '.join(fields) or 'it has none'}")
