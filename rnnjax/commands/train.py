"""The command `rnnjax train`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import tyro

from rnnjax.commands.arguments import pairs_in
from rnnjax.errors import check, check_choice


@dataclasses.dataclass(frozen=True)
class Train:
    """Train a cell on a task."""

    task: tyro.conf.Positional[str]
    """Name of the task: adding, copy_memory, temporal_order, latch, digits, embedded_reber, noise_free_lag, flip_flop,
    or mnist with --task-option data=FOLDER."""
    cell: str = "lstm"
    """Name of the cell: see `rnnjax cells`; also irnn."""
    hidden: int = 64
    """Width of the state."""
    layers: int = 1
    """Layers on top of each other."""
    preset: str | None = None
    """Initialisation: default, paper, torch, keras or flax."""
    gate_bias: tuple[str, ...] = ()
    """Initial gate biases, such as forget=1 or update=2."""
    chrono: int | None = None
    """Chrono initialisation of gate biases for memories of so many steps."""
    dropout: float = 0.0
    """Share of units dropped in inputs and recurrent connections, one mask a sequence."""
    length: int | None = None
    """Length of the task."""
    variant: str | None = None
    """Variant of the task."""
    task_option: tuple[str, ...] = ()
    """Further options of the task, such as symbols=3 or order=row."""
    steps: int = 2000
    """Updates, at most."""
    batch_size: int = 32
    """Rows an update."""
    seeds: int = 1
    """How many seeds: 0, 1, ..."""
    strategy: str = "serial"
    """How seeds are mapped: serial, map or vmap."""
    devices: int = 1
    """Split each batch over so many devices."""
    optimizer: str = "adam"
    """sgd, momentum, rmsprop, adam or adamw."""
    learning_rate: float = 1e-3
    """Peak of the schedule."""
    schedule: str = "constant"
    """constant, step, exponential or cosine."""
    warmup_steps: int = 0
    """Updates of linear warm-up."""
    decay_steps: int = 1000
    """Period of the schedules step and exponential, in updates."""
    decay_rate: float = 0.5
    """Factor of the schedules step and exponential."""
    momentum: float = 0.0
    """Momentum of the optimisers momentum (0.9 where 0) and rmsprop."""
    clip_norm: float | None = None
    """Clip the gradient's global norm. Without any of the clip options nothing is clipped."""
    clip_value: float | None = None
    """Clip each entry of the gradient."""
    clip_adaptive: float | None = None
    """Clip each unit's gradient relative to its weights."""
    weight_decay: float = 0.0
    """Decay of kernels."""
    gradient_noise: float = 0.0
    """Variance of the gradient noise at the first update."""
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
    evaluate_every: int = 100
    """Updates between evaluations."""
    evaluation_size: int = 1000
    """Rows of an evaluation."""
    patience: int | None = None
    """Stop after so many evaluations without progress."""
    keep_going: bool = False
    """Do not stop when the task is solved."""
    out: pathlib.Path | None = None
    """Folder of the run."""
    resume: bool = False
    """Go on from the newest checkpoint in the folder."""
    overwrite: bool = False
    """Delete an earlier run in the folder."""
    checkpoint_every: int | None = None
    """Updates between checkpoints."""
    tensorboard: bool = False
    """Also write TensorBoard event files."""
    quiet: bool = False
    """Print the result alone."""

    def __call__(self) -> None:
        """Trains, and prints a line a seed."""
        from rnnjax.training import train

        check(self.seeds > 0, "--seeds", self.seeds, "a positive int")
        run = train(
            self.config(),
            range(self.seeds),
            self.out,
            strategy=self.strategy,
            devices=self.devices,
            resume=self.resume,
            overwrite=self.overwrite,
            checkpoint_every=self.checkpoint_every,
            tensorboard=self.tensorboard,
            quiet=self.quiet,
        )
        for row in run.summary:
            solved = f"solved at {row['solved_at']}" if row["solved_at"] is not None else "not solved"
            state = "diverged" if row["diverged"] else solved
            print(f"seed {row['seed']}: {state}, {row['steps']} updates, best {self.task} metric {row['best']:.4g}")
        if self.out is not None:
            print(f"run folder: {self.out}")

    def config(self) -> Any:
        """The configuration that the arguments describe.

        Raises:
          InputError: an unknown name, or options that do not fit each other.
        """
        from rnnjax import tasks
        from rnnjax.training import Config, Optimizer

        check_choice("TASK", self.task, tasks.REGISTRY)
        given = {"length": self.length, "variant": self.variant}
        options = {name: value for name, value in given.items() if value is not None}
        task = tasks.get(self.task, **options, **pairs_in(self.task_option, "--task-option"))
        clips = {"norm": self.clip_norm, "value": self.clip_value, "adaptive": self.clip_adaptive}
        chosen = [(name, threshold) for name, threshold in clips.items() if threshold is not None]
        check(len(chosen) <= 1, "--clip-*", dict(chosen), "at most one way of clipping")
        clip, threshold = chosen[0] if chosen else ("none", 1.0)
        optimizer = Optimizer(
            self.optimizer,
            self.learning_rate,
            schedule=self.schedule,
            warmup_steps=self.warmup_steps,
            decay_steps=self.decay_steps,
            decay_rate=self.decay_rate,
            momentum=self.momentum,
            clip=clip,
            clip_threshold=threshold,
            weight_decay=self.weight_decay,
            gradient_noise=self.gradient_noise,
        )
        return Config(
            task,
            self.make_cell(),
            optimizer,
            steps=self.steps,
            batch_size=self.batch_size,
            truncation=self.truncation,
            evaluate_every=min(self.evaluate_every, self.steps),
            evaluation_size=self.evaluation_size,
            stop_when_solved=not self.keep_going,
            patience=self.patience,
            regularizer=self.make_regularizer(),
        )

    def make_regularizer(self) -> Any:
        """The regulariser that the arguments describe, or `None`."""
        from rnnjax.training import Flossing, Pascanu

        if self.regularizer is None:
            check(self.regularizer_weight is None, "--regularizer-weight", self.regularizer_weight, "a --regularizer")
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

    def make_cell(self) -> Any:
        """The cell that the arguments describe."""
        from rnnjax import Chrono, Dropout, Stack
        from rnnjax.cells import get

        biases = pairs_in(self.gate_bias, "--gate-bias")
        for gate, value in biases.items():
            check(isinstance(value, int | float), f"--gate-bias {gate}", value, "a number")
        check(not (biases and self.chrono is not None), "--chrono", self.chrono, "either --chrono or --gate-bias")
        bias = Chrono(self.chrono) if self.chrono is not None else (biases or None)
        fields: dict[str, Any] = {} if bias is None else {"bias_init": bias}
        fields |= {} if self.preset is None else {"preset": self.preset}
        cell = get(self.cell, self.hidden, **fields)
        if self.dropout:
            cell = Dropout(cell, input=self.dropout, recurrent=self.dropout)
        check(self.layers > 0, "--layers", self.layers, "a positive int")
        return cell if self.layers == 1 else Stack((cell,) * self.layers)
