"""The command `rnnjax evaluate`."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import tyro

from rnnjax.commands.arguments import numbers_in
from rnnjax.commands.terminal import print_table, table_of
from rnnjax.errors import check, check_choice


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Evaluate a run on its task's test or validation split, as it is or under noise and attacks."""

    run: tyro.conf.Positional[pathlib.Path]
    """The run's folder."""
    split: str = "test"
    """test or validation."""
    which: str = "best"
    """The best checkpoint on the validation split, or the latest."""
    noise: str = ""
    """Standard deviations of Gaussian noise on what the first layer reads, such as 0.1,0.3; of runs on real data."""
    adversarial: str = ""
    """fgsm: move what the first layer reads to where the loss grows, by --epsilon."""
    epsilon: str = "0.01,0.03,0.1"
    """How far --adversarial moves each feature."""
    dropped: str = ""
    """Shares of the words to make unknown."""
    swapped: str = ""
    """Shares of the words to replace by others."""
    limit: int | None = None
    """The first so many examples under noise and attacks; all unless given."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Prints a line a seed; under noise and attacks, of the first seed, a line for each strength."""
        check_choice("--split", self.split, ("test", "validation"))
        check(self.limit is None or self.limit > 0, "--limit", self.limit, "a positive int")
        strengths = self.strengths()
        if strengths:
            self._print_disturbed(strengths)
        else:
            print_evaluation(self.run, self.split, self.which, as_json=self.json)

    def strengths(self) -> dict[str, tuple[float, ...]]:
        """The disturbances that were asked for, with their strengths.

        Raises:
          InputError: an unknown attack, or something that is no list of numbers.
        """
        found = {}
        if self.noise:
            found["noise"] = numbers_in(self.noise, "--noise")
        if self.adversarial:
            check_choice("--adversarial", self.adversarial, ("fgsm",))
            found["fgsm"] = numbers_in(self.epsilon, "--epsilon")
        for kind in ("dropped", "swapped"):
            if getattr(self, kind):
                found[kind] = numbers_in(getattr(self, kind), f"--{kind}")
        return found

    def _print_disturbed(self, strengths: dict[str, tuple[float, ...]]) -> None:
        from rnnjax.training import load_trained
        from rnnjax.training.robustness import robustness

        trained = load_trained(self.run, which=self.which)
        parts = (trained.application, trained.model, trained.params)
        rows = robustness(*parts, strengths, self.split, limit=self.limit)
        if self.json:
            print(json.dumps([row._asdict() for row in rows], indent=2))
            return
        names = list(dict.fromkeys(name for row in rows for name in row.metrics))
        table = table_of("disturbance", "strength", *names, title=f"{self.split} split, seed {trained.seed}")
        for row in rows:
            shown = [f"{row.metrics[name]:.4g}" if name in row.metrics else "" for name in names]
            table.add_row(row.kind, f"{row.strength:g}", *shown)
        print_table(table)


def print_evaluation(run: pathlib.Path, split: str, which: str, *, as_json: bool = False) -> None:
    """Prints the metrics of each seed, and those of the plain baseline where the task has one.

    Args:
      run: the run's folder.
      split: "test" or "validation".
      which: the "best" checkpoint or the "latest".
      as_json: print JSON.
    """
    from rnnjax.applications import Application
    from rnnjax.training import evaluate_run, restore_config

    rows, step = evaluate_run(run, split, which)
    task = restore_config(run)[0].task
    baseline = task.baseline(split) if isinstance(task, Application) else None
    if as_json:
        found: dict[str, Any] = {"checkpoint": step, "split": split, "seeds": rows}
        print(json.dumps(found | ({} if baseline is None else {"baseline": baseline}), indent=2))
        return
    table = table_of(*rows[0], title=f"{split} split, {which} checkpoint (update {step})")
    for row in rows:
        table.add_row(*(f"{value:.4g}" for value in row.values()))
    if baseline is not None:
        columns = list(rows[0])[1:]
        table.add_row("baseline", *(f"{baseline[name]:.4g}" if name in baseline else "" for name in columns))
    print_table(table)
