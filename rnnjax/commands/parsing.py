"""From words on the command line to a command; bad words are one line."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tyro

from rnnjax.errors import InputError, StorageError, check
from rnnjax.serialization import check_fields

_MAY_BE_EMPTY = ("--prompt",)


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
    _check_words(sys.argv[1:] if arguments is None else arguments)
    with _one_line_errors(program):
        read = functools.partial(tyro.cli, command, prog=program, args=arguments, description=description)
        chosen = read() if presets is None else read(default=presets[0])
        if presets is not None and (other := presets[1](chosen)) != presets[0]:
            chosen = read(default=other)
    check_fields(chosen, lambda name: f"--{name.replace('_', '-')}")
    return chosen


def _check_words(words: Sequence[str]) -> None:
    """Raises `InputError` for an option that is given twice, of which one would be ignored, and for an empty word."""
    seen = set()
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        before = words[place - 1] if place else ""
        check(bool(word) or before in _MAY_BE_EMPTY, before or "command", word, "a value that is not empty")
        if word.startswith("--") and len(word) > 2:
            name = name.replace("_", "-")
            check(not equals or bool(value) or name in _MAY_BE_EMPTY, name, value, "a value that is not empty")
            check(name not in seen, name, word, "each option once")
            seen.add(name)


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
    """Calls, and returns the exit code. Bad input is one line and exit code 2, a full disk one line and exit code 1."""
    try:
        with _one_line_warnings(program):
            call()
    except InputError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 0
    except StorageError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:  # with the number of the signal, where a run has saved itself first
        print(f"{program}: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return 128 + getattr(interrupt, "number", 2)
    return 0


@contextlib.contextmanager
def _one_line_warnings(program: str) -> Iterator[None]:
    """Shows a warning of this library as one line, without the place in the code."""
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message, category, *place, **more):
            if category.__module__.startswith("rnnjax."):
                print(f"{program}: {message}", file=sys.stderr)
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _one_line_errors(program: str) -> Iterator[None]:
    """Turns the parser's boxed message into one line."""
    buffer = io.StringIO()
    try:
        with contextlib.redirect_stderr(buffer):
            yield
    except SystemExit as exit_:
        if exit_.code:
            text = re.sub(r"[─-╿]|-{4,}", " ", re.sub(r"\x1b\[[0-9;]*m", "", buffer.getvalue()))
            message = re.sub(r"\s+", " ", text).strip().removeprefix("Parsing error ")
            print(f"{program}: {message.split('For full helptext')[0].strip()} (see {program} --help)", file=sys.stderr)
        raise
