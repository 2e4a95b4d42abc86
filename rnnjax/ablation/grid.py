"""A grid of runs: a configuration, choices for some of its fields, and seeds."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rnnjax.applications import Application
from rnnjax.errors import check
from rnnjax.serialization import to_json
from rnnjax.training import Config
from rnnjax.training.seeds import keys_of


class Planned(NamedTuple):
    """One run of a grid.

    Attributes:
      settings: what was chosen for it, by factor: numbers, strings or `None`, for tables.
      config: the run.
      seed: its seed.
    """

    settings: Mapping[str, Any]
    config: Config
    seed: int

    @property
    def name(self) -> str:
        """A name that is the same for the same configuration and seed, whatever grid they belong to."""
        return hashlib.sha256(json.dumps([to_json(self.config), self.seed], sort_keys=True).encode()).hexdigest()[:16]

    @property
    def cost(self) -> int:
        """Updates times steps of a row times width: what runs are ordered and compared by, without a unit."""
        time = 1 if isinstance(self.config.task, Application) else self.config.task.time
        return self.config.steps * self.config.batch_size * time * self.config.cell.output_features


def expand(base: Config, choices: Mapping[str, Sequence[Any]], seeds: Sequence[int]) -> list[Planned]:
    """Every combination of choices with every seed.

    Args:
      base: the configuration in which the choices are put.
      choices: values by the path of a field: `{"cell": (LSTM(64), GRU(64)), "optimizer.learning_rate": (1e-4, 1e-3),
        "task.length": (50, 100)}`. In tables a cell or task is called by its `repr`.
      seeds: of each combination.

    Raises:
      InputError: a path that is no field, no values for one, the same value twice, or a value that a field refuses.
    """
    keys_of(seeds)
    for path, values in choices.items():
        valid = isinstance(values, Sequence) and not isinstance(values, str) and len(values) > 0
        check(valid, f"choices[{path!r}]", values, "a sequence of at least one value")
        check(len(set(map(repr, values))) == len(values), f"choices[{path!r}]", values, "values that differ")
    planned = []
    for values in itertools.product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        config = functools.reduce(lambda config, item: put(config, *item), chosen.items(), base)
        settings = {path: _plain(value) for path, value in chosen.items()}
        planned += [Planned(settings, config, seed) for seed in seeds]
    return planned


def put(config: Any, path: str, value: Any) -> Any:
    """The configuration with another value in the field of a path, such as "optimizer.learning_rate".

    Raises:
      InputError: a path that is no field.
    """
    name, _, rest = path.partition(".")
    fields = [field.name for field in dataclasses.fields(config)] if dataclasses.is_dataclass(config) else []
    check(name in fields, "choices", path, f"a field of {type(config).__name__}: {', '.join(fields) or 'it has none'}")
    return dataclasses.replace(config, **{name: put(getattr(config, name), rest, value) if rest else value})


def programs(planned: Sequence[Planned]) -> list[list[Planned]]:
    """The runs, those that share one compiled program together, the costliest program first."""
    groups: dict[Config, list[Planned]] = {}
    for run in planned:
        groups.setdefault(run.config.dynamics, []).append(run)
    return sorted(groups.values(), key=lambda group: -group[0].cost)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
