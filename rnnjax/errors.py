"""The one error for bad input: it names the argument, what was given and what was expected."""

from __future__ import annotations

from typing import Any


class InputError(ValueError):
    """Bad input, found before anything is compiled or written.

    Args:
      argument: the name of the argument, as the caller wrote it.
      given: what was given; shown with `repr`, or as it is if it is a string that starts with "shape" or "dtype".
      expected: what would have been right, as a phrase.
    """

    def __init__(self, argument: str, given: Any, expected: str):
        shown = given if isinstance(given, str) and given.startswith(("shape ", "dtype ")) else repr(given)
        super().__init__(f"{argument}: got {shown}, expected {expected}")
        self.argument = argument


def check(condition: bool, argument: str, given: Any, expected: str) -> None:
    """Raises `InputError(argument, given, expected)` unless the condition holds."""
    if not condition:
        raise InputError(argument, given, expected)


def check_choice(argument: str, given: Any, choices: Any) -> None:
    """Raises `InputError` unless `given` is one of `choices`."""
    if given not in choices:
        raise InputError(argument, given, "one of " + ", ".join(map(str, choices)))
