"""The command `rnnjax search`: the best of the values that the options of `rnnjax train` may have."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import typing
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rnnjax.commands.factors import NOT_OF_A_RUN, WHOLE, options_in, values_in, whole_number, words_of
from rnnjax.errors import check, check_choice

if TYPE_CHECKING:
    from rnnjax.ablation.search import Found
    from rnnjax.ablation.search_space import Choices, Span

HELP = """usage: rnnjax search TASK [OPTION VALUES]... --storage FILE

Looks for the settings with the best validation metric. TASK and OPTIONs are those of `rnnjax train`. VALUES are

  0.1              one value, for all trials
  lstm,gru,none    values to choose from; `none` leaves the option out
  1e-4:1e-2        a range on a logarithmic scale, with both of its ends
  0..0.5           a range on a linear scale; with ends that are whole numbers, of whole numbers

An option that takes several words has them with blanks in between: --gate-bias "forget=0,forget=1 input=-1".

  rnnjax search adding --cell lstm,gru --learning-rate 1e-4:1e-2 --hidden 16:128 --trials 50 --seeds 2
      --storage runs/adding.search

  --storage FILE       what was tried and what came out: a search that was stopped goes on, and further processes with
                       the same command, here or on other machines, share the trials
  --trials N           how many trials the storage holds in the end; 50 unless given, with the sampler grid all points
  --sampler NAME       tpe, random or grid (values to choose from only)
  --pruner NAME        none, median or hyperband: end a trial that lags behind
  --seeds N            seeds 0 to N-1 of each trial, whose mean it is worth; 1 unless given, and 2 or 3 are better
  --folds K            cross-validation over K folds in each trial (tasks with fixed data)
  --confirm N          train the best settings again on N seeds that no trial has seen; 3 unless given
  --processes N        how many processes; one a core unless given
  --sampler-seed N     seed of the sampler; 0 unless given
  --out DIR            keep the run of each trial, in DIR/trial-0000 and so on; only the storage is written unless given
  --quiet              print the result alone

`rnnjax report FILE` draws what the storage holds, beside it as FILE.html."""

_NUMBERS = ("--trials", "--seeds", "--folds", "--confirm", "--processes", "--sampler-seed")
_OWN = (*_NUMBERS, "--storage", "--sampler", "--pruner", "--out")
_FLAGS = ("--quiet",)
_LISTED = 10


@dataclasses.dataclass(frozen=True)
class Options:
    """From values of a trial to the configuration of `rnnjax train` with them.

    Attributes:
      task: the name of the task.
      fixed: the options that were given, by name, with their text where they have one value and `None` where many.
    """

    task: str
    fixed: tuple[tuple[str, str | None], ...]

    def words(self, values: Mapping[str, Any]) -> list[str]:
        """What stands behind `rnnjax train`."""
        found = [self.task]
        for option, text in self.fixed:
            value = values[_name(option)] if text is None else text
            if value != "none":
                found += words_of(option, value if isinstance(value, str) else repr(value))
        return found

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The configuration."""
        from rnnjax.commands.parsing import parse_training

        return parse_training(self.words(values)).config()


@dataclasses.dataclass(frozen=True)
class Search:
    """What was asked for on the command line.

    Attributes:
      options: the task and its options.
      space: what to choose from.
      storage: the file.
      settings: further arguments of `rnnjax.ablation.search.search`.
      quiet: print the result alone.
    """

    options: Options
    space: dict[str, Choices | Span]
    storage: pathlib.Path
    settings: dict[str, Any]
    quiet: bool = False

    def __call__(self) -> None:
        """Searches, and prints the best trials, the best settings and the command that trains with them."""
        from rnnjax.ablation.search import search
        from rnnjax.ablation.search_report import told_again

        tell = (lambda line: None) if self.quiet else (lambda line: print(line, flush=True))
        found = search(self.options, self.space, self.storage, tell=tell, **self.settings)
        _print_trials(found, list(self.space))
        if found.best is None or found.value is None:
            check(False, "search", "no trial with a value", "at least one; the table says what became of them")
            return
        seeds, folds = len(self.settings["seeds"]), self.settings["folds"]
        averaged = f"mean of {seeds} seed{'s' * (seeds > 1)}" + (f" and {folds} folds" if folds else "")
        print(f"trial {found.number}: best validation {found.metric} {found.value:.4g}, {averaged}; the best of")
        print(f"  {len(found.trials)} trials, which is flattered by having been chosen")
        if found.confirmed:
            print(f"  {told_again(found.confirmed)}")
        words = [*self.options.words(found.best), *(["--folds", str(folds)] if folds else [])]
        print(shlex.join(["rnnjax", "train", *words, "--seeds", str(seeds)]))


def read(arguments: Sequence[str]) -> Search:
    """The search that the words after `rnnjax search` describe.

    Raises:
      InputError: no task, a word that is no option, an option without a value or given twice, or a bad value.
    """
    from rnnjax.ablation.search_space import Choices, read_span, size
    from rnnjax.ablation.search_trials import PRUNERS, SAMPLERS

    check(bool(arguments) and not arguments[0].startswith("-"), "TASK", " ".join(arguments[:1]), "the name of a task")
    task, *words = arguments
    own, others = options_in("search", words, _OWN, _FLAGS)
    numbers = _numbers_of(task)
    space: dict[str, Choices | Span] = {}
    fixed: list[tuple[str, str | None]] = []
    for option, text in others.items():
        check(option not in (*NOT_OF_A_RUN, "--strategy"), option, text, "an option of what a trial trains")
        whole = numbers.get(_name(option), int) is int
        span = None if text is None or option in WHOLE else read_span(text, option, whole=whole)
        values = () if span is not None else values_in(option, text)
        if span is None and len(values) == 1:
            fixed.append((option, values[0]))
            continue
        fixed.append((option, None))
        space[_name(option)] = span if span is not None else Choices(values)
    check(bool(space), "search", " ".join(words), "an option with several values or a range: --learning-rate 1e-4:1e-2")
    check("--storage" in own, "--storage", None, "a file")
    sampler, pruner = own.get("--sampler", "tpe"), own.get("--pruner", "none")
    check_choice("--sampler", sampler, SAMPLERS)
    check_choice("--pruner", pruner, PRUNERS)
    all_points = size(space) if sampler == "grid" else None
    settings = {
        "trials": whole_number(own, "--trials", all_points or 50),
        "sampler": sampler,
        "pruner": pruner,
        "seeds": tuple(range(whole_number(own, "--seeds", 1) or 1)),
        "folds": whole_number(own, "--folds", None, 2),
        "confirm": whole_number(own, "--confirm", 3, 0),
        "processes": whole_number(own, "--processes", None),
        "sampler_seed": whole_number(own, "--sampler-seed", 0, 0),
        "out": own.get("--out"),
    }
    return Search(Options(task, tuple(fixed)), space, pathlib.Path(own["--storage"]), settings, "--quiet" in own)


def _name(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def _numbers_of(task: str) -> dict[str, type]:
    """The kind of number that each option of `rnnjax train` takes: 0..1 are two whole numbers, or many others."""
    from rnnjax.applications import REGISTRY
    from rnnjax.commands.applications import command_of
    from rnnjax.commands.train import Train

    command = command_of(task) if task in REGISTRY else Train
    hints = typing.get_type_hints(command)
    return {name: float if float in (hint, *typing.get_args(hint)) else int for name, hint in hints.items()}


def _print_trials(found: Found, names: Sequence[str]) -> None:
    """The best trials, and how many there are of each kind."""
    from rnnjax.ablation.search_report import in_order, shown
    from rnnjax.commands.terminal import print_table, table_of

    states = [row["state"] for row in found.trials]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    table = table_of("trial", f"best validation {found.metric}", *names, "seconds", title=counted)
    for row in in_order(found)[:_LISTED]:
        chosen = [shown(row[name]) for name in names]
        table.add_row(str(row["number"]), f"{row['value']:.4g}", *chosen, f"{row['seconds']:.0f}")
    print_table(table)
    reasons = list(dict.fromkeys(row["reason"] for row in found.trials if row["state"] == "refused"))
    for reason in reasons[:3]:
        print(f"refused: {reason}")
