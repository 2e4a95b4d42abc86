"""The command `rnnjax ablate`: every combination of the options of `rnnjax train`, with every seed."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

from rnnjax.ablation import STRATEGIES, Planned
from rnnjax.errors import InputError, check, check_choice

HELP = """usage: rnnjax ablate TASK [OPTION VALUES]... --seeds N --out DIR

Trains every combination of values with every seed. TASK and OPTIONs are those of `rnnjax train`; VALUES have commas in
between, and `none` leaves the option out:

  rnnjax ablate adding --cell lstm,gru,elman --clip-norm none,1,10 --learning-rate 1e-4,1e-3 --length 50,100
      --seeds 16 --out runs/grid

  --seeds N        seeds 0 to N-1 of each combination
  --out DIR        the folder: what it holds already is not computed again, so that an interrupted grid goes on and more
                   seeds or values compute the new runs only
  --strategy NAME  how runs that share a program are mapped: auto, processes, serial, map, vmap or shard
  --processes N    how many processes; one a core unless given
  --dry-run        print the programs, their runs and costs (updates x rows x steps x width) alone
  --quiet          print the result alone"""

_OWN = ("--out", "--seeds", "--strategy", "--processes", "--dry-run", "--quiet")
_WHOLE = ("--data", "--data-dir", "--csv", "--tfds")
"""Options whose value may have a comma in it."""


@dataclasses.dataclass(frozen=True)
class Ablation:
    """What was asked for on the command line.

    Attributes:
      task: the name of the task.
      factors: for each option of `rnnjax train` that was given, its values as text; "none" leaves the option out.
      seeds: how many.
      out: the folder.
      strategy: how runs of one program are mapped.
      processes: how many.
      dry_run: print the runs alone.
      quiet: print the result alone.
    """

    task: str
    factors: dict[str, tuple[str, ...]]
    seeds: int = 1
    out: pathlib.Path | None = None
    strategy: str = "auto"
    processes: int | None = None
    dry_run: bool = False
    quiet: bool = False

    def planned(self) -> list[Planned]:
        """The runs.

        Raises:
          InputError: an option that `rnnjax train` does not have, or a value that it refuses.
        """
        found = []
        varied = [name for name, values in self.factors.items() if len(values) > 1]
        for values in itertools.product(*self.factors.values()):
            chosen = dict(zip(self.factors, values, strict=True))
            given = [word for name, value in chosen.items() if value != "none" for word in (name, value)]
            config = _config(self.task, given)
            settings = {name.removeprefix("--").replace("-", "_"): _number(chosen[name]) for name in varied}
            found += [Planned(settings, config, seed) for seed in range(self.seeds)]
        return found

    def __call__(self) -> None:
        """Runs what is missing, prints the settings in their order, and writes table and report."""
        from rnnjax.ablation import Store, programs, run_planned, write_report

        planned = self.planned()
        grouped = programs(planned)
        if self.dry_run:
            _print_plan(planned, grouped)
            return
        if self.out is None:
            raise InputError("--out", None, "a folder")
        tell = (lambda line: None) if self.quiet else (lambda line: print(line, flush=True))
        rows = run_planned(planned, self.out, strategy=self.strategy, processes=self.processes, tell=tell)
        report = write_report(planned, Store(self.out))
        print(f"{len(rows)} runs, {len(grouped)} programs; table: {self.out / 'table.csv'}; report: {report}")


def read(arguments: Sequence[str]) -> Ablation:
    """The ablation that the words after `rnnjax ablate` describe.

    Raises:
      InputError: no task, a word that is no option, an option without a value or given twice, or a bad number.
    """
    check(bool(arguments) and not arguments[0].startswith("-"), "TASK", " ".join(arguments[:1]), "the name of a task")
    task, *words = arguments
    own: dict[str, str] = {}
    factors: dict[str, tuple[str, ...]] = {}
    while words:
        name, equals, value = words.pop(0).partition("=")
        check(name.startswith("--"), "ablate", name, "an option, such as --cell lstm,gru")
        if name in ("--dry-run", "--quiet"):
            own[name] = "yes"
            continue
        flag = not equals and (not words or words[0].startswith("--"))
        value = value if equals else ("" if flag else words.pop(0))
        check(name not in own and name not in factors, name, value, "each option once")
        if name in _OWN:
            check(bool(value), name, value, "a value")
            own[name] = value
        elif flag:
            factors[name] = ("",)
        else:
            parts = (value,) if name in _WHOLE else tuple(part.strip() for part in value.split(","))
            check(all(parts), name, value, "values with commas in between")
            check(len(set(parts)) == len(parts), name, value, "values that differ")
            factors[name] = parts
    strategy = own.get("--strategy", "auto")
    check_choice("--strategy", strategy, STRATEGIES)
    return Ablation(
        task,
        factors,
        seeds=_positive(own, "--seeds", 1),
        out=pathlib.Path(own["--out"]) if "--out" in own else None,
        strategy=strategy,
        processes=_positive(own, "--processes", 0) or None,
        dry_run="--dry-run" in own,
        quiet="--quiet" in own,
    )


def _positive(own: dict[str, str], name: str, default: int) -> int:
    given = own.get(name)
    if given is None:
        return default
    check(given.isdecimal() and int(given) > 0, name, given, "a positive int")
    return int(given)


def _config(task: str, given: Sequence[str]) -> Any:
    """The configuration of `rnnjax train TASK` with these options."""
    from rnnjax.commands.parsing import parse_training

    return parse_training([task, *(word for word in given if word)]).config()


def _number(text: str) -> Any:
    if text == "none":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _print_plan(planned: Sequence[Planned], grouped: Sequence[Sequence[Planned]]) -> None:
    """The programs with their settings, and the cost of each in updates times rows times steps times width."""
    from rnnjax.commands.terminal import print_table, table_of

    total = sum(run.cost for run in planned)
    table = table_of("program", "settings", "runs", "cost", "share", title=f"{len(planned)} runs")
    for number, group in enumerate(grouped, 1):
        cost = sum(run.cost for run in group)
        for place, run in enumerate(run for run in group if run.seed == 0):
            words = ", ".join(f"{name} {value}" for name, value in run.settings.items()) or "-"
            first = (str(number), str(len(group)), f"{cost:.2e}", f"{cost / total:.0%}") if not place else ("",) * 4
            table.add_row(first[0], words, *first[1:])
    print_table(table)
