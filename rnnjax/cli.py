"""The command `rnnjax`: cells, gradients, probe, train, evaluate, predict, sample, report, compress, ablate,
search."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import tyro

from rnnjax.commands.cells import Cells
from rnnjax.commands.compilation_cache import keep_programs
from rnnjax.commands.compress import Compress
from rnnjax.commands.evaluate import Evaluate
from rnnjax.commands.gradients import Gradients
from rnnjax.commands.parsing import guarded, parse, parse_training
from rnnjax.commands.predict import Predict
from rnnjax.commands.probe import Probe
from rnnjax.commands.report import Report
from rnnjax.commands.sample import Sample
from rnnjax.commands.train import Train

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

DESCRIPTION = (
    "Recurrent networks in JAX: cells, gradients, training. Besides the commands below: rnnjax ablate and rnnjax "
    "search, for many runs, each with its own --help."
)


def run_command(command: Any, program: str, arguments: Sequence[str] | None, description: str) -> int:
    """Parses arguments into one of the commands and calls it. Bad input is one line and exit code 2.

    Args:
      command: a union of dataclasses that can be called, for tyro.
      program: the name of the program.
      arguments: the arguments, or `None` for those of the process.
      description: what the program is.
    """
    return guarded(program, lambda: parse(command, program, arguments, description)())


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point of the command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    keep_programs()
    if arguments[:1] == ["train"] and len(arguments) > 1 and not arguments[1].startswith("-"):
        return guarded("rnnjax", lambda: parse_training(arguments[1:])())
    if arguments[:1] == ["ablate"]:
        from rnnjax.commands.ablate import HELP, read

        if not {"-h", "--help"}.isdisjoint(arguments):
            print(HELP)
            return 0
        return guarded("rnnjax", lambda: read(arguments[1:])())
    if arguments[:1] == ["search"]:
        from rnnjax.commands import search

        if not {"-h", "--help"}.isdisjoint(arguments):
            print(search.HELP)
            return 0
        return guarded("rnnjax", lambda: search.read(arguments[1:])())
    return run_command(Command, "rnnjax", arguments, DESCRIPTION)


if __name__ == "__main__":
    sys.exit(main())
