"""What is written as text on the command line, and checked before anything is done."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from rnnjax.errors import InputError, check


def names_in(text: str, argument: str) -> list[str]:
    """Names separated by commas.

    Raises:
      InputError: naming `argument`, where there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    check(bool(names), argument, text, "names separated by commas")
    return names


def numbers_in(text: str, argument: str) -> tuple[float, ...]:
    """Numbers separated by commas, none of them negative.

    Raises:
      InputError: naming `argument`, where something else stands.
    """
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    check(bool(numbers) and all(0 <= n < float("inf") for n in numbers), argument, text, "numbers >= 0, with commas")
    return numbers


def pairs_in(items: Sequence[str], argument: str) -> dict[str, Any]:
    """Items of the form NAME=VALUE; a value that reads as JSON is what it says there, and another one is text.

    Raises:
      InputError: naming `argument`, for an item of another form.
    """
    pairs: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        check(bool(key and equals and text), argument, item, "NAME=VALUE")
        try:
            pairs[key] = json.loads(text.lower() if text.lower() in ("true", "false") else text)
        except json.JSONDecodeError:
            pairs[key] = text
    return pairs


def check_writable(folder: pathlib.Path) -> None:
    """Makes the folder, and raises `InputError` where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError("--out", str(folder), f"a folder that can be written ({error.strerror})") from None
