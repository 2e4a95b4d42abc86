"""The command `rnnjax ablate`: every combination of the options of `rnnjax train`, with every seed."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

from rnnjax.ablation import STRATEGIES, Planned
from rnnjax.commands.device_options import one_line_of_others
from rnnjax.commands.factors import NOT_OF_A_RUN, options_in, values_in, whole_number, words_of
from rnnjax.errors import InputError, check, check_choice

HELP = """usage: rnnjax ablate TASK [OPTION VALUES]... --seeds N --out DIR

Trains every combination of values with every seed. TASK and OPTIONs are those of `rnnjax train`; VALUES have commas in
between, and `none` leaves the option out. An option that takes several words has them with blanks in between:

  rnnjax ablate adding --cell lstm,gru,elman --clip-norm none,1,10 --learning-rate 1e-4,1e-3 --length 50,100
      --seeds 16 --out runs/grid
  rnnjax ablate adding --gate-bias "forget=0,forget=1,forget=2 input=-1" --seeds 16 --out runs/biases

  --seeds N        seeds 0 to N-1 of each combination; 1 unless given
  --out DIR        the folder: what it holds already is not computed again, so that an interrupted grid goes on and more
                   seeds or values compute the new runs only
  --strategy NAME  how runs that share a program are mapped: auto, processes, serial, map, vmap or shard
  --processes N    how many processes; one a core unless given
  --distributed    share the runs with the other hosts of a SLURM job or the like, which see the same folder
  --coordinator HOST:PORT --hosts N --process-id I
                   share them with hosts that JAX does not find by itself: the address of the first, how many, which one
  --dry-run        print the programs, their runs and costs (updates x rows x steps x width), and how long it will take
  --quiet          print the result alone

`rnnjax report DIR` writes the report again."""

_OWN = ("--out", "--seeds", "--strategy", "--processes", "--coordinator", "--hosts", "--process-id")
_FLAGS = ("--dry-run", "--quiet", "--distributed")
_MOST = 100_000


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
      hosts: what `rnnjax.training.connect` is called with, or `None` for this process by itself.
    """

    task: str
    factors: dict[str, tuple[str, ...]]
    seeds: int = 1
    out: pathlib.Path | None = None
    strategy: str = "auto"
    processes: int | None = None
    dry_run: bool = False
    quiet: bool = False
    hosts: tuple[str | None, int | None, int | None] | None = None

    def planned(self) -> list[Planned]:
        """The runs.

        Raises:
          InputError: an option that `rnnjax train` does not have, a value that it refuses, or the same run twice.
        """
        from rnnjax.ablation.grid import check_grid

        found = []
        for values in itertools.product(*self.factors.values()):
            chosen = dict(zip(self.factors, values, strict=True))
            words = [word for name, value in chosen.items() if value != "none" for word in words_of(name, value)]
            config = _config(self.task, words)
            settings = {name.removeprefix("--").replace("-", "_"): _plain(value) for name, value in chosen.items()}
            found += [Planned(settings, config, seed) for seed in range(self.seeds)]
        check_grid(found)
        return found

    def __call__(self) -> None:
        """Runs what is missing, and writes tables and report."""
        from rnnjax.ablation import programs, run_planned, write_report
        from rnnjax.ablation.run import chosen_strategy
        from rnnjax.training import connect
        from rnnjax.training.hosts import is_first

        planned = self.planned()
        if self.hosts is not None and not self.dry_run and self.out is not None:
            connect(*self.hosts)
        strategy = chosen_strategy(planned, self.strategy)
        if self.dry_run:
            self._print_plan(planned, strategy)
            return
        if self.out is None:
            raise InputError("--out", None, "a folder")
        tell = (lambda line: None) if self.quiet else (lambda line: print(line, flush=True))
        with one_line_of_others():
            rows = run_planned(planned, self.out, strategy=self.strategy, processes=self.processes, tell=tell)
        if not is_first():
            return
        report = write_report(self.out)
        counted = f"{len(rows)} runs in {len(programs(planned))} programs"
        print(f"{counted}; table: {self.out / 'table.csv'}; report: {report}")

    def _print_plan(self, planned: Sequence[Planned], strategy: str) -> None:
        """The programs with their settings, the cost of each, and an estimate of the time."""
        from rnnjax.ablation import Store, programs
        from rnnjax.ablation.estimate import estimate, seconds_in_all
        from rnnjax.commands.terminal import print_table, table_of
        from rnnjax.training.processes import workers

        store = Store(self.out) if self.out is not None else None
        done = {run.name for run in planned if store is not None and store.finished(run) is not None}
        groups = programs(planned)
        costs = estimate(planned, store)
        total = sum(run.cost for run in planned)
        varied = [name for name in planned[0].settings if len({run.settings[name] for run in planned}) > 1]
        title = f"{len(planned)} runs, {len(done)} of them there already; cost: updates x rows x steps x width"
        table = table_of("program", "settings", "runs", "cost", "share", "compile", "a run", title=title)
        for number, (group, cost) in enumerate(zip(groups, costs, strict=True), 1):
            spent = sum(run.cost for run in group)
            times = ("?", "?") if cost is None else (_time(cost.compile_seconds), _time(cost.run_seconds))
            row = (str(len(group)), f"{spent:.2e}", f"{spent / total:.0%}", *times)
            for place, run in enumerate(run for run in group if run.seed == group[0].seed):
                words = ", ".join(f"{name} {run.settings[name]}" for name in varied) or "-"
                table.add_row(*((str(number), words, *row) if not place else ("", words, *("",) * len(row))))
        print_table(table)
        missing = [[run for run in group if run.name not in done] for group in groups]
        count = workers(self.processes) if strategy == "processes" else 1
        where = f"{count} processes" if strategy == "processes" else f"strategy {strategy}"
        if all(cost is not None for cost in costs):
            source = "from finished runs" if all(cost.known for cost in costs if cost) else "from a few updates a cell"
            print(f"roughly {_time(seconds_in_all(missing, costs, count))} with {where}, {source}")
        else:
            print(f"no estimate for real data; {where}")


def read(arguments: Sequence[str]) -> Ablation:
    """The ablation that the words after `rnnjax ablate` describe.

    Raises:
      InputError: no task, a word that is no option, an option without a value or given twice, or a bad number.
    """
    check(bool(arguments) and not arguments[0].startswith("-"), "TASK", " ".join(arguments[:1]), "the name of a task")
    task, *words = arguments
    own, others = options_in("ablate", words, _OWN, _FLAGS)
    for option, text in others.items():
        check(option not in NOT_OF_A_RUN, option, text, "an option of what is trained")
    strategy = own.get("--strategy", "auto")
    check_choice("--strategy", strategy, STRATEGIES)
    factors = {name: values_in(name, text) for name, text in others.items()}
    seeds = whole_number(own, "--seeds", 1) or 1
    combinations = seeds
    for values in factors.values():
        combinations *= len(values)
    check(combinations <= _MOST, "ablate", combinations, f"a grid of at most {_MOST} runs")
    return Ablation(
        task,
        factors,
        seeds=seeds,
        out=pathlib.Path(own["--out"]) if "--out" in own else None,
        strategy=strategy,
        processes=whole_number(own, "--processes", None),
        dry_run="--dry-run" in own,
        quiet="--quiet" in own,
        hosts=_hosts(own),
    )


def _hosts(own: dict[str, str]) -> tuple[str | None, int | None, int | None] | None:
    """What to connect with.

    Raises:
      InputError: both ways at once, or a number that is none.
    """
    named = own.get("--coordinator"), whole_number(own, "--hosts", None), whole_number(own, "--process-id", None, 0)
    given = named != (None, None, None)
    check(not (given and "--distributed" in own), "--distributed", True, "either it or --coordinator")
    return named if given or "--distributed" in own else None


def _config(task: str, words: Sequence[str]) -> Any:
    """The configuration of `rnnjax train TASK` with these options."""
    from rnnjax.commands.parsing import parse_training

    return parse_training([task, *words]).config()


def _plain(text: str) -> Any:
    """A value as it stands in tables: `None` where the option was left out, and true where it is one without values."""
    if text in ("none", ""):
        return None if text else True
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _time(seconds: float) -> str:
    of, unit = next((pair for pair in ((86400, "days"), (3600, "h"), (60, "min")) if seconds >= 2 * pair[0]), (1, "s"))
    return f"{seconds / of:.2g} {unit}"
