"""The command `rnnjax train` for tasks."""

from __future__ import annotations

import dataclasses
from typing import Any

import tyro

from rnnjax.commands.arguments import pairs_in
from rnnjax.commands.run_options import RunOptions
from rnnjax.errors import check, check_choice


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(RunOptions):
    """Train a cell on a task. Tasks on real data (sentiment, names, tag, lm, translate, forecast, speech, music,
    pixels, caption, video) have options of their own: see `rnnjax train NAME --help`."""

    task: tyro.conf.Positional[str]
    """Name of the task: adding, copy_memory, temporal_order, latch, digits, embedded_reber, noise_free_lag, flip_flop,
    modular_sum, counting, or mnist with --task-option data=FOLDER."""
    length: int | None = None
    """Length of the task."""
    variant: str | None = None
    """Variant of the task."""
    task_option: tuple[str, ...] = ()
    """Further options of the task, such as symbols=3 or order=row."""
    strategy: str = "serial"
    """How seeds are mapped: serial, map or vmap; or pmap, with several devices."""
    regularizer: str | None = None
    """Added to the gradient: pascanu or flossing."""
    regularizer_weight: float | None = None
    """Factor of the regulariser: 4 for pascanu and 1 for flossing unless given."""
    regularizer_variant: str = "paper"
    """Form of pascanu: paper or code."""
    flossing_count: int = 1
    """How many Lyapunov exponents flossing pushes to zero."""
    flossing_updates: int | None = None
    """Flossing acts on the first so many updates; on all unless given."""
    flossing_period: int = 1
    """Flossing acts on one update in so many."""
    flossing_alone: bool = False
    """Leave the gradient of the loss out where flossing acts."""
    truncation: int | None = None
    """Window of truncated back-propagation through time."""
    evaluation_size: int = 1000
    """Rows of an evaluation."""
    keep_going: bool = False
    """Do not stop when the task is solved."""

    def __call__(self) -> None:
        """Trains, and prints a line a seed."""
        self.train(self.config(), f"{self.task} metric", strategy=self.strategy)

    def config(self) -> Any:
        """The configuration that the arguments describe.

        Raises:
          InputError: an unknown name, or options that do not fit each other.
        """
        from rnnjax import applications, tasks
        from rnnjax.training import Config

        check_choice("TASK", self.task, (*tasks.REGISTRY, *applications.REGISTRY))
        given = {"length": self.length, "variant": self.variant}
        options = {name: value for name, value in given.items() if value is not None}
        task = tasks.get(self.task, **options, **pairs_in(self.task_option, "--task-option"))
        return Config(
            task,
            self.make_cell(),
            self.make_optimizer(),
            **self.budget(),
            truncation=self.truncation,
            evaluation_size=self.evaluation_size,
            stop_when_solved=not self.keep_going,
            regularizer=self.make_regularizer(),
        )

    def make_regularizer(self) -> Any:
        """The regulariser that the arguments describe, or `None`."""
        from rnnjax.training import Flossing, Pascanu

        if self.regularizer is None:
            for field in dataclasses.fields(self):
                given = getattr(self, field.name)
                ours = field.name.startswith(("regularizer_", "flossing_"))
                check(not ours or given == field.default, f"--{field.name.replace('_', '-')}", given, "a --regularizer")
            return None
        check_choice("--regularizer", self.regularizer, ("pascanu", "flossing"))
        weight: dict[str, Any] = {} if self.regularizer_weight is None else {"weight": self.regularizer_weight}
        if self.regularizer == "pascanu":
            return Pascanu(**weight, variant=self.regularizer_variant)
        return Flossing(
            **weight,
            count=self.flossing_count,
            updates=self.flossing_updates,
            period=self.flossing_period,
            alone=self.flossing_alone,
        )
