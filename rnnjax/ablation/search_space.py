"""What a search chooses from: values by name, or ranges of numbers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rnnjax.errors import InputError, check


class Choices(NamedTuple):
    """Values to choose from, without an order."""

    values: tuple[Any, ...]


class Span(NamedTuple):
    """A range of numbers with both of its ends, whole ones where both ends are ints.

    Attributes:
      low: the lower end.
      high: the upper end.
      log: whether each factor is as likely as another of its size, rather than each difference.
    """

    low: float
    high: float
    log: bool = False


Space = Mapping[str, Choices | Span]


def check_space(space: Space) -> None:
    """Raises `InputError` where a space or one of its dimensions is empty, or a range has no such scale."""
    check(isinstance(space, Mapping) and bool(space), "space", space, "at least one name with its values")
    for name, given in space.items():
        argument = f"space[{name!r}]"
        if isinstance(given, Span):
            numbers = all(isinstance(end, int | float) and math.isfinite(end) for end in given[:2])
            valid = numbers and given.low < given.high and (given.low > 0 or not given.log)
            check(valid, argument, given, "low < high, and low > 0 on a logarithmic scale")
        else:
            check(isinstance(given, Choices), argument, given, "Choices or a Span")
            check(len(given.values) > 0, argument, given, "at least one value")
            check(len(set(labels(given))) == len(given.values), argument, given, "values that differ")


def labels(given: Choices) -> tuple[Any, ...]:
    """The values as a storage can hold them: what is no number, string, bool or `None` is called by its `repr`."""
    return tuple(
        value if value is None or isinstance(value, bool | int | float | str) else repr(value) for value in given.values
    )


def labelled(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the storage holds them."""
    found = {}
    for name, given in space.items():
        chosen = values[name]
        found[name] = labels(given)[given.values.index(chosen)] if isinstance(given, Choices) else chosen
    return found


def unlabelled(space: Space, held: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the storage holds by their labels."""
    found = {}
    for name, given in space.items():
        found[name] = given.values[labels(given).index(held[name])] if isinstance(given, Choices) else held[name]
    return found


def size(space: Space) -> int | None:
    """How many points a space has; `None` with a range."""
    if any(isinstance(given, Span) for given in space.values()):
        return None
    return math.prod(len(given.values) for given in space.values() if isinstance(given, Choices))


def points(space: Space) -> Iterator[dict[str, Any]]:
    """Every point of a space of choices, in order.

    Raises:
      InputError: a range.
    """
    for name, given in space.items():
        check(isinstance(given, Choices), f"space[{name!r}]", given, "choices, with the sampler grid")
    columns = [given.values for given in space.values() if isinstance(given, Choices)]
    return (dict(zip(space, values, strict=True)) for values in itertools.product(*columns))


def probes(space: Space) -> Iterator[dict[str, Any]]:
    """Points in which each value, and each end of a range, occurs once: to see that all of them are accepted."""
    ends = {
        name: given.values if isinstance(given, Choices) else (given.low, given.high) for name, given in space.items()
    }
    first = {name: values[0] for name, values in ends.items()}
    yield first
    for name, values in ends.items():
        for value in values[1:]:
            yield {**first, name: value}


def described(space: Space) -> dict[str, Any]:
    """A space as JSON: a list of labels, or a dict of "low", "high" and "log"."""
    return {
        name: list(labels(given)) if isinstance(given, Choices) else dict(given._asdict())
        for name, given in space.items()
    }


_RANGE = re.compile(r"(?P<low>[^:,]+?)(?P<scale>:|\.\.)(?P<high>[^:,]+)")


def read_span(text: str, argument: str, *, whole: bool = True) -> Span | None:
    """The range that a word stands for: `1e-4:1e-2` is logarithmic, `0..0.5` linear; `None` for another word.

    Args:
      text: the word.
      argument: the name of the option.
      whole: whether two ends that are written as ints mean whole numbers.

    Raises:
      InputError: ends that are no numbers in order, or one that is not positive on a logarithmic scale.
    """
    found = _RANGE.fullmatch(text)
    ends = [_number(found[end], whole) for end in ("low", "high")] if found else []
    if found is None or all(end is None for end in ends):
        return None
    low, high = ends
    expected = "LOW:HIGH, logarithmic with 0 < LOW < HIGH, or LOW..HIGH, linear with LOW < HIGH"
    if low is None or high is None or not low < high or (found["scale"] == ":" and low <= 0):
        raise InputError(argument, text, expected)
    if not (isinstance(low, int) and isinstance(high, int)):
        low, high = float(low), float(high)
    return Span(low, high, found["scale"] == ":")


def _number(text: str, whole: bool) -> int | float | None:
    try:
        return int(text) if whole and re.fullmatch(r"[+-]?\d{1,18}", text) else _finite(float(text))
    except ValueError:
        return None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
