"""What every training run can be told on the command line: network, optimiser, budget, folder."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, ClassVar

from rnnjax.commands.arguments import pairs_in
from rnnjax.commands.device_options import devices_in, one_line_of_others, precision_in
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
    precision: str = "float32"
    """What the cell computes in: float32, or bfloat16 with parameters and state in float32."""
    dropout: float = 0.0
    """Share of units dropped in inputs and recurrent connections, one mask a sequence."""
    steps: int = 2000
    """Updates, at most."""
    batch_size: int = 32
    """Rows an update."""
    micro_batches: int = 1
    """Compute each batch in so many parts, one after the other: the same update in less memory."""
    seeds: int = 1
    """How many seeds: 0, 1, ..."""
    folds: int | None = None
    """Cross-validation over so many folds, the test split left alone: of digits, mnist, names and sentiment."""
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
    b1: float = 0.9
    """Decay of the first moment of adam and adamw."""
    decay: float | None = None
    """Decay of the second moment of adam, adamw (0.999 unless given) and rmsprop (0.9)."""
    eps: float = 1e-8
    """What adam, adamw and rmsprop add to the root of the second moment."""
    rate_factor: tuple[str, ...] = ()
    """Multiply the rate of a parameter or group, such as skew=0.1 or readout=10."""
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
    on_nonfinite: str = "stop"
    """At a loss or gradient that is not finite: stop, skip the update, or restore the newest checkpoint and halve the
    learning rate."""
    nonfinite_limit: int = 20
    """With skip: so many such updates in a row end the run."""
    restore_limit: int = 5
    """With restore: how often, at most."""
    explosion_threshold: float = 1e3
    """A gradient norm above this counts as exploded."""
    explosion_factor: float = 100.0
    """A gradient norm above so many times the running median is reported."""
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
    devices: str | None = None
    """How many devices: a number, all, or two such as 2x4, for seeds spread over two and each batch over four. One
    unless given, and all of them with other processes."""
    distributed: bool = False
    """Train together with other processes, which JAX finds: under SLURM, Open MPI, Kubernetes, on a TPU pod."""
    coordinator: str | None = None
    """Train together with other processes: HOST:PORT of the first."""
    processes: int | None = None
    """With --coordinator: how many processes."""
    process_id: int | None = None
    """With --coordinator: the number of this one, from 0."""
    quiet: bool = False
    """Print the result alone."""

    def train(self, config: Any, name: str, **options: Any) -> Any:
        """Trains the configuration, prints a line a seed, and returns the run."""
        from rnnjax.training import train
        from rnnjax.training.hosts import is_first

        check(self.seeds > 0, "--seeds", self.seeds, "a positive int")
        if self.folds is not None:
            return self.cross_validate(config, self.folds)
        devices = self.join_others()
        with one_line_of_others():
            run = train(
                config,
                range(self.seeds),
                self.out,
                devices=devices,
                resume=self.resume,
                overwrite=self.overwrite,
                checkpoint_every=self.checkpoint_every,
                tensorboard=self.tensorboard,
                quiet=self.quiet,
                **options,
            )
        if not is_first():
            return run
        for row in run.summary:
            solved = f"solved at {row['solved_at']}, " if row["solved_at"] is not None else self.unsolved
            place = "" if row["nonfinite_at"] is None else f" at update {row['nonfinite_at']}"
            state = f"diverged{place}, " if row["diverged"] else solved
            print(f"seed {row['seed']}: {state}{row['steps']} updates, best {name} {row['best']:.4g}")
        if self.out is not None:
            print(f"run folder: {self.out}")
        return run

    def join_others(self) -> Any:
        """Connects with other processes, if there are any, and says which devices to train on.

        Raises:
          InputError: options that do not fit, or no connection.
        """
        from rnnjax.training import connect

        devices = None if self.devices is None else devices_in(self.devices)
        named = self.coordinator, self.processes, self.process_id
        if not self.distributed and named == (None, None, None):
            return 1 if devices is None else devices
        check(not self.distributed or named == (None, None, None), "--distributed", True, "either it or --coordinator")
        connect(*named)
        return "all" if devices is None else devices

    def cross_validate(self, config: Any, folds: int) -> None:
        """Trains once a fold and seed, and prints a line for each, their mean and its standard error."""
        from rnnjax.ablation import cross_validate

        others = ("devices", "distributed", "coordinator", "processes", "process_id")
        for option in ("resume", "overwrite", "tensorboard", "checkpoint_every", *others):
            given = getattr(self, option)
            check(not given, f"--{option.replace('_', '-')}", given, "nothing, with --folds")
        found = cross_validate(config, folds, range(self.seeds), out=self.out, watch=self._print_fold)
        spread = "" if found.between_seeds is None else f", {found.between_seeds:.2g} between seeds of a fold"
        error = f"standard error {found.standard_error:.2g} over {folds} folds"
        print(f"best {found.metric} {found.mean:.4g}, {error}{spread}")
        print(found.note)

    def _print_fold(self, rows: list[dict[str, Any]]) -> None:
        for row in (row for row in rows if row["fold"] == rows[-1]["fold"] and not self.quiet):
            state = "diverged, " if row["diverged"] else ""
            print(f"fold {row['fold']}, seed {row['seed']}: {state}best {row['best']:.4g}, last {row['last']:.4g}")

    def budget(self) -> dict[str, Any]:
        """The fields of `rnnjax.training.Config` that say how long and how often."""
        return {
            "steps": self.steps,
            "batch_size": self.batch_size,
            "micro_batches": self.micro_batches,
            "evaluate_every": min(self.evaluate_every, self.steps),
            "patience": self.patience,
            "on_nonfinite": self.on_nonfinite,
            "nonfinite_limit": self.nonfinite_limit,
            "restore_limit": self.restore_limit,
            "explosion_threshold": self.explosion_threshold,
            "explosion_factor": self.explosion_factor,
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
            decay=self.decay,
            b1=self.b1,
            eps=self.eps,
            rate_factors=tuple(pairs_in(self.rate_factor, "--rate-factor").items()),
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
        fields |= precision_in(self.precision)
        fields |= {} if self.preset is None else {"preset": self.preset}
        cell = get(self.cell, self.hidden, **fields)
        if self.dropout:
            cell = Dropout(cell, input=self.dropout, recurrent=self.dropout)
        check(self.layers > 0, "--layers", self.layers, "a positive int")
        return cell if self.layers == 1 else Stack((cell,) * self.layers)
