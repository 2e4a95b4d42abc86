"""Devices and processes, as the command line says them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from rnnjax.errors import InputError, check_choice

PRECISIONS = ("float32", "bfloat16")


def devices_in(text: str) -> Any:
    """What `rnnjax.training.train` calls devices: "all", a number, or RUNSxDATA as a pair.

    Raises:
      InputError: anything else.
    """
    if text == "all":
        return text
    sizes = text.split("x")
    if len(sizes) > 2 or not all(size.isascii() and size.isdecimal() and 0 < int(size) < 10**9 for size in sizes):
        raise InputError("--devices", text, "all, a number, or two such as 2x4: seeds x batch")
    return int(sizes[0]) if len(sizes) == 1 else (int(sizes[0]), int(sizes[1]))


def precision_in(name: str) -> dict[str, Any]:
    """The field of a cell that computes in this dtype; parameters and state stay in float32.

    Raises:
      InputError: an unknown name.
    """
    from rnnjax import Precision

    check_choice("--precision", name, PRECISIONS)
    return {} if name == "float32" else {"precision": Precision("float32", name, "float32")}


@contextlib.contextmanager
def one_line_of_others(program: str = "rnnjax") -> Iterator[None]:
    """Where another process could not go on: one line and exit code 1."""
    from rnnjax.training.hosts import OtherFailed

    try:
        yield
    except OtherFailed as error:
        print(f"{program}: {error}", file=sys.stderr)
        raise SystemExit(1) from None
