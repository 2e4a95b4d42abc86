"""A grid of runs: every combination of the values in a configuration with every seed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rnnjax.ablation.vary import Varied, alternatives, put
from rnnjax.applications import Application
from rnnjax.errors import check
from rnnjax.serialization import to_json
from rnnjax.training import Config
from rnnjax.training.seeds import keys_of

__all__ = ["Planned", "check_grid", "expand", "programs", "put"]


@dataclasses.dataclass(frozen=True)
class Planned:
    """One run of a grid.

    Args:
      settings: what was chosen for it, by factor: numbers, strings or `None`, for tables.
      config: the run.
      seed: its seed.

    Attributes:
      name: the same for the same configuration and seed, whatever grid they belong to.
    """

    settings: Mapping[str, Any]
    config: Config
    seed: int
    name: str = dataclasses.field(init=False, compare=False)

    def __post_init__(self):
        text = json.dumps([_canonical(to_json(self.config)), self.seed], sort_keys=True)
        object.__setattr__(self, "name", hashlib.sha256(text.encode()).hexdigest()[:16])

    @property
    def cost(self) -> int:
        """Updates times rows times steps of a row times width: what runs are compared by, without a unit."""
        time = 1 if isinstance(self.config.task, Application) else self.config.task.time
        return self.config.steps * self.config.batch_size * time * self.config.cell.output_features


def expand(grid: Config | Varied, seeds: Sequence[int]) -> list[Planned]:
    """Every combination of values with every seed.

    Args:
      grid: a configuration, or what `rnnjax.ablation.vary` returns.
      seeds: of each combination.

    Raises:
      InputError: a path that is no field, no values for one, the same run twice, a value that a field refuses, or
        something else than configurations.
    """
    keys_of(seeds)
    planned = []
    for settings, config in alternatives(grid):
        check(isinstance(config, Config), "grid", config, "a Config, or vary(Config, ...)")
        planned += [
            Planned({name or "base": value for name, value in settings.items()}, config, seed) for seed in seeds
        ]
    check_grid(planned)
    return planned


def check_grid(planned: Sequence[Planned]) -> None:
    """Checks that runs make one table.

    Raises:
      InputError: no runs, the same one twice, or tasks with metrics of different names.
    """
    check(len(planned) > 0, "grid", len(planned), "at least one run")
    by_name: dict[str, Planned] = {}
    for run in planned:
        other = by_name.setdefault(run.name, run)
        expected = f"settings that differ in what they do, unlike {dict(other.settings)}"
        check(other is run, "grid", dict(run.settings), expected)
    metrics = sorted({(run.config.task.metric, run.config.task.mode) for run in planned})
    check(len(metrics) == 1, "task", [metric for metric, _ in metrics], "tasks that are judged by one metric")


def programs(planned: Sequence[Planned]) -> list[list[Planned]]:
    """The runs, those that share one compiled program together, the costliest program first."""
    groups: dict[Config, list[Planned]] = {}
    for run in planned:
        groups.setdefault(run.config.dynamics, []).append(run)
    return sorted(groups.values(), key=lambda group: -group[0].cost)


def _canonical(value: Any) -> Any:
    """The JSON value with whole numbers written in one way: 1 and 1.0 are the same rate."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
