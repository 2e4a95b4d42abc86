"""What every training run can be told on the command line: network, optimiser, budget, folder."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, ClassVar

from rnnjax.commands.arguments import pairs_in
from rnnjax.errors import check


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Options of a training run.

    Class attributes:
      unsolved: what the line of a seed says of a run that did not meet its task's criterion.
    """

    unsolved: ClassVar[str] = "not solved, "

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
    steps: int = 2000
    """Updates, at most."""
    batch_size: int = 32
    """Rows an update."""
    seeds: int = 1
    """How many seeds: 0, 1, ..."""
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
    evaluate_every: int = 100
    """Updates between evaluations."""
    patience: int | None = None
    """Stop after so many evaluations without progress."""
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

    def train(self, config: Any, name: str, **options: Any) -> Any:
        """Trains the configuration, prints a line a seed, and returns the run."""
        from rnnjax.training import train

        check(self.seeds > 0, "--seeds", self.seeds, "a positive int")
        run = train(
            config,
            range(self.seeds),
            self.out,
            resume=self.resume,
            overwrite=self.overwrite,
            checkpoint_every=self.checkpoint_every,
            tensorboard=self.tensorboard,
            quiet=self.quiet,
            **options,
        )
        for row in run.summary:
            solved = f"solved at {row['solved_at']}, " if row["solved_at"] is not None else self.unsolved
            state = "diverged, " if row["diverged"] else solved
            print(f"seed {row['seed']}: {state}{row['steps']} updates, best {name} {row['best']:.4g}")
        if self.out is not None:
            print(f"run folder: {self.out}")
        return run

    def budget(self) -> dict[str, Any]:
        """The fields of `rnnjax.training.Config` that say how long and how often."""
        return {
            "steps": self.steps,
            "batch_size": self.batch_size,
            "evaluate_every": min(self.evaluate_every, self.steps),
            "patience": self.patience,
        }

    def make_optimizer(self) -> Any:
        """The optimiser that the arguments describe.

        Raises:
          InputError: two ways of clipping, an unknown name or a number out of range.
        """
        from rnnjax.training import Optimizer

        clips = {"norm": self.clip_norm, "value": self.clip_value, "adaptive": self.clip_adaptive}
        chosen = [(name, threshold) for name, threshold in clips.items() if threshold is not None]
        check(len(chosen) <= 1, "--clip-*", dict(chosen), "at most one way of clipping")
        clip, threshold = chosen[0] if chosen else ("none", 1.0)
        return Optimizer(
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
