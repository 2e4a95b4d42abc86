"""The command `rnnjax compress`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from rnnjax.commands.arguments import numbers_in
from rnnjax.commands.terminal import print_table, table_of
from rnnjax.errors import check, check_choice


@dataclasses.dataclass(frozen=True)
class Compress:
    """Make a trained model smaller, by int8 weights and by pruning, and say what that costs."""

    run: tyro.conf.Positional[pathlib.Path]
    """The folder of a run on real data."""
    prune: str = "0.5,0.7,0.9"
    """Shares of the weights to set to zero, those of least magnitude."""
    scope: str = "global"
    """Whether the least are sought among all weights, global, or in each array, layer."""
    split: str = "test"
    """What the models are compared on: test or validation."""
    limit: int | None = None
    """The first so many examples; all unless given."""
    out: pathlib.Path | None = None
    """Write the int8 model, pruned by the first share, to a safetensors file."""
    which: str = "best"
    """The best checkpoint on the validation split, or the latest."""
    seed: int | None = None
    """Which of the run's seeds; the first unless given."""

    def __call__(self) -> None:
        """Prints a line for each model."""
        from rnnjax.training import load_trained
        from rnnjax.training.compress import compare_sizes, save_compressed

        shares = numbers_in(self.prune, "--prune")
        check(all(0 <= share < 1 for share in shares), "--prune", self.prune, "shares in [0, 1)")
        check_choice("--scope", self.scope, ("global", "layer"))
        check_choice("--split", self.split, ("test", "validation"))
        check(self.limit is None or self.limit > 0, "--limit", self.limit, "a positive int")
        check(self.out is None or not self.out.exists(), "--out", str(self.out), "a file that does not exist yet")
        trained = load_trained(self.run, which=self.which, seed=self.seed)
        parts = (trained.application, trained.model, trained.params)
        pruned = [share for share in shares if share]
        found = compare_sizes(*parts, self.split, shares=pruned, scope=self.scope, limit=self.limit)
        table = table_of("weights", "file", "zero", *found[0].metrics, title=f"{self.split} split")
        for each in found:
            shown = [f"{value:.4g}" for value in each.metrics.values()]
            table.add_row(each.name, f"{each.size / 1000:,.1f} kB", f"{each.zeros:.0%}", *shown)
        print_table(table)
        if self.out is not None:
            save_compressed(self.out, trained.params, prune=shares[0], scope=self.scope)
            print(f"{self.out}: int8, {shares[0]:.0%} pruned")
