"""The one error for bad input: it names the argument, what was given and what was expected."""

from __future__ import annotations

from typing import Any

_LONGEST = 400
"""Characters of what was given that an error shows: a whole file is no help."""


class InputError(ValueError):
    """Bad input, found before anything is compiled or written.

    Args:
      argument: the name of the argument, as the caller wrote it.
      given: what was given; shown with `repr`, or as it is if it is a string that starts with "shape" or "dtype".
      expected: what would have been right, as a phrase.
    """

    def __init__(self, argument: str, given: Any, expected: str):
        shown = given if isinstance(given, str) and given.startswith(("shape ", "dtype ")) else repr(given)
        shown = shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 3]}..."
        super().__init__(f"{argument}: got {shown}, expected {expected}")
        self.argument = argument

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets a worker process hand the error to the one that it works for."""
        return _again, (type(self), str(self), self.argument)


def _again(kind: type[InputError], message: str, argument: str) -> InputError:
    error = kind.__new__(kind, message)
    ValueError.__init__(error, message)
    error.argument = argument
    return error


def check(condition: bool, argument: str, given: Any, expected: str) -> None:
    """Raises `InputError(argument, given, expected)` unless the condition holds."""
    if not condition:
        raise InputError(argument, given, expected)


def check_choice(argument: str, given: Any, choices: Any) -> None:
    """Raises `InputError` unless `given` is one of `choices`."""
    if given not in choices:
        raise InputError(argument, given, "one of " + ", ".join(map(str, choices)))


class StorageError(OSError):
    """A folder could not be written while a run was at work: the disk is full, or no longer to be written.

    Args:
      folder: the folder.
      reason: what the system said.
    """

    def __init__(self, folder: Any, reason: str):
        super().__init__(f"{folder} could not be written ({reason}); what was saved before is whole")
        self.folder = folder
        self._reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, self._reason)
