"""From words on the command line to a command; bad words are one line."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tyro

from rnnjax.errors import InputError


def parse(
    command: Any,
    program: str,
    arguments: Sequence[str] | None,
    description: str,
    presets: tuple[Any, Callable[[Any], Any]] | None = None,
) -> Any:
    """The command that arguments describe. Words that it does not have are one line and exit code 2.

    Args:
      command: a dataclass, or a union of dataclasses, for tyro.
      program: the name of the program.
      arguments: the arguments, or `None` for those of the process.
      description: what the program is.
      presets: the command as it is without arguments, and a function from the command as it was read to the one that
        it should have been without arguments: where these differ, the arguments are read again.
    """
    with _one_line_errors(program):
        read = functools.partial(tyro.cli, command, prog=program, args=arguments, description=description)
        chosen = read() if presets is None else read(default=presets[0])
        if presets is not None and (other := presets[1](chosen)) != presets[0]:
            chosen = read(default=other)
    return chosen


def parse_training(words: Sequence[str]) -> Any:
    """The command `rnnjax train` with these words after it: of a task, or of an application by its name."""
    from rnnjax.applications import REGISTRY
    from rnnjax.commands.applications import command_of, laptop_of
    from rnnjax.commands.train import Train

    name = next(iter(words), "")
    if name not in REGISTRY:
        return parse(Train, "rnnjax train", words, str(Train.__doc__))
    presets = (laptop_of(name), lambda given: laptop_of(name, like=given))
    return parse(command_of(name), f"rnnjax train {name}", words[1:], str(command_of(name).__doc__), presets)


def guarded(program: str, call: Callable[[], None]) -> int:
    """Calls, and returns the exit code. Bad input is one line and exit code 2."""
    try:
        call()
    except InputError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def _one_line_errors(program: str) -> Iterator[None]:
    """Turns the parser's boxed message into one line."""
    buffer = io.StringIO()
    try:
        with contextlib.redirect_stderr(buffer):
            yield
    except SystemExit as exit_:
        if exit_.code:
            text = re.sub(r"[─-╿]", " ", re.sub(r"\x1b\[[0-9;]*m", "", buffer.getvalue()))
            message = re.sub(r"\s+", " ", text).strip().removeprefix("Parsing error ")
            print(f"{program}: {message.split('For full helptext')[0].strip()} (see {program} --help)", file=sys.stderr)
        raise
