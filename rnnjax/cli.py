"""The command `rnnjax`: cells, gradients, probe, train, evaluate, predict, sample, report, compress."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro

from rnnjax.commands.cells import Cells
from rnnjax.commands.compress import Compress
from rnnjax.commands.evaluate import Evaluate
from rnnjax.commands.gradients import Gradients
from rnnjax.commands.predict import Predict
from rnnjax.commands.probe import Probe
from rnnjax.commands.report import Report
from rnnjax.commands.sample import Sample
from rnnjax.commands.train import Train
from rnnjax.errors import InputError

Command = (
    Annotated[Cells, tyro.conf.subcommand("cells")]
    | Annotated[Gradients, tyro.conf.subcommand("gradients")]
    | Annotated[Probe, tyro.conf.subcommand("probe")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Predict, tyro.conf.subcommand("predict")]
    | Annotated[Sample, tyro.conf.subcommand("sample")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[Compress, tyro.conf.subcommand("compress")]
)


def run_command(
    command: Any,
    program: str,
    arguments: Sequence[str] | None,
    description: str,
    presets: tuple[Any, Callable[[Any], Any]] | None = None,
) -> int:
    """Parses arguments into one of the commands and calls it. Bad input is one line and exit code 2.

    Args:
      command: a union of dataclasses that can be called, for tyro.
      program: the name of the program.
      arguments: the arguments, or `None` for those of the process.
      description: what the program is.
      presets: the command as it is without arguments, and a function from the command as it was read to the one that
        it should have been without arguments: where these differ, the arguments are read again.
    """
    try:
        with _one_line_errors(program):
            read = functools.partial(tyro.cli, command, prog=program, args=arguments, description=description)
            chosen: Callable[[], None] = read() if presets is None else read(default=presets[0])
            if presets is not None and (other := presets[1](chosen)) != presets[0]:
                chosen = read(default=other)
        chosen()
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
def _one_line_errors(program: str):
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point of the command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["train"] and len(arguments) > 1:
        from rnnjax.applications import REGISTRY

        if (name := arguments[1]) in REGISTRY:
            from rnnjax.commands.applications import command_of, laptop_of

            command, program = command_of(name), f"rnnjax train {name}"
            presets = (laptop_of(name), lambda given: laptop_of(name, like=given))
            return run_command(command, program, arguments[2:], str(command.__doc__), presets)
    return run_command(Command, "rnnjax", arguments, "Recurrent networks in JAX: cells, gradients, training.")


if __name__ == "__main__":
    sys.exit(main())
