"""The command `rnnjax`: cells, gradients, train, evaluate."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import pathlib
import re
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import tyro

from rnnjax.errors import InputError, check, check_choice


@dataclasses.dataclass(frozen=True)
class Cells:
    """List the cells: parameters at 128 features on 128 inputs, gates, step Jacobian, engines, paper, checks."""

    json: bool = False
    """Print JSON."""
    markdown: bool = False
    """Print the table of the documentation."""

    def __call__(self) -> None:
        """Prints the table."""
        from rnnjax.catalogue import catalogue, markdown

        rows = catalogue()
        if self.json:
            print(json.dumps([row._asdict() for row in rows], indent=2))
        elif self.markdown:
            print("\n".join(markdown(rows)))
        else:
            table = _table("cell", "parameters", "gates", "Jacobian", "engines", "paper", "verified against")
            for row in rows:
                listed = (", ".join(each) for each in (row.gates, row.engines, ("NumPy", *row.verified)))
                gates, engines, verified = listed
                table.add_row(row.name, f"{row.parameters:,}", gates, row.jacobian, engines, row.source, verified)
            _print(table)


@dataclasses.dataclass(frozen=True)
class Gradients:
    """Show how gradients flow back through fresh cells: the norm of dL/dh_t against the lag T - t."""

    cells: str = "elman,irnn,lstm,gru"
    """Names of cells, separated by commas."""
    hidden: int = 64
    """Width of the state."""
    length: int = 200
    """Steps of the sequence."""
    in_features: int = 8
    """Width of the inputs, drawn from N(0, 1)."""
    batch: int = 16
    """Sequences."""
    seed: int = 0
    """Seed of parameters and inputs."""
    out: pathlib.Path | None = None
    """Folder for the figure (SVG and PNG) and the numbers (CSV)."""
    overwrite: bool = False
    """Write into a folder that holds something already."""

    def __call__(self) -> None:
        """Prints the table; writes the figure."""
        import jax
        import numpy as np

        from rnnjax.analysis import gradient_flow
        from rnnjax.cells import get

        for field in ("hidden", "length", "in_features", "batch"):
            check(getattr(self, field) > 0, f"--{field.replace('_', '-')}", getattr(self, field), "a positive int")
        cells = {name: get(name, self.hidden) for name in _names(self.cells, "--cells")}
        if self.out is not None:
            occupied = self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir()))
            check(self.overwrite or not occupied, "--out", str(self.out), "a new or empty folder (or --overwrite)")
            _writable(self.out)
        key, xs_key = jax.random.split(jax.random.key(self.seed))
        xs = jax.random.normal(xs_key, (self.batch, self.length, self.in_features))
        flows = {}
        for name, cell in cells.items():
            flows[name] = gradient_flow(cell, cell.init(key, self.in_features), xs)
        lags = sorted({lag for lag in (0, 1, 10, 20, 50, 100, 200, 500, 1000, self.length - 1) if lag < self.length})
        table = _table("cell", *(f"lag {lag}" for lag in lags), title="median of log10 |dL/dh_t|, by lag T - t")
        series = {name: np.median(np.asarray(flow.log_norms), 0)[::-1] / np.log(10) for name, flow in flows.items()}
        for name, values in series.items():
            table.add_row(name, *(f"{values[lag]:.1f}" for lag in lags))
        _print(table)
        if self.out is not None:
            self._write(flows, series)

    def _write(self, flows: dict[str, Any], series: dict[str, Any]) -> None:
        from rnnjax.analysis import figures, style

        assert self.out is not None
        figure = figures.gradient_flow_figure(flows)
        for ending in ("svg", "png"):
            style.save(figure, self.out / f"gradients.{ending}")
        lines = ["lag," + ",".join(series)]
        lines += [
            f"{lag}," + ",".join(f"{values[lag]:.6g}" for values in series.values()) for lag in range(self.length)
        ]
        (self.out / "gradients.csv").write_text("\n".join(lines) + "\n")
        print(f"wrote {self.out}/gradients.svg, .png, .csv")


@dataclasses.dataclass(frozen=True)
class Train:
    """Train a cell on a task."""

    task: tyro.conf.Positional[str]
    """Name of the task: adding, copy_memory, temporal_order, latch, digits."""
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
        task = tasks.get(self.task, **options, **_pairs(self.task_option, "--task-option"))
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
        )

    def make_cell(self) -> Any:
        """The cell that the arguments describe."""
        from rnnjax import Chrono, Dropout, Stack
        from rnnjax.cells import get

        biases = _pairs(self.gate_bias, "--gate-bias")
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


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Evaluate a run on its task's test or validation split."""

    run: tyro.conf.Positional[pathlib.Path]
    """The run's folder."""
    split: str = "test"
    """test or validation."""
    which: str = "best"
    """The best checkpoint on the validation split, or the latest."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Prints a line a seed."""
        from rnnjax.training import evaluate_run

        rows, step = evaluate_run(self.run, self.split, self.which)
        if self.json:
            print(json.dumps({"checkpoint": step, "split": self.split, "seeds": rows}, indent=2))
            return
        table = _table(*rows[0], title=f"{self.split} split, {self.which} checkpoint (update {step})")
        for row in rows:
            table.add_row(*(f"{value:.4g}" for value in row.values()))
        _print(table)


Command = (
    Annotated[Cells, tyro.conf.subcommand("cells")]
    | Annotated[Gradients, tyro.conf.subcommand("gradients")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
)


def run_command(command: Any, program: str, arguments: Sequence[str] | None, description: str) -> int:
    """Parses arguments into one of the commands and calls it. Bad input is one line and exit code 2.

    Args:
      command: a union of dataclasses that can be called, for tyro.
      program: the name of the program.
      arguments: the arguments, or `None` for those of the process.
      description: what the program is.
    """
    try:
        with _one_line_errors(program):
            chosen: Callable[[], None] = tyro.cli(command, prog=program, args=arguments, description=description)
        chosen()
    except InputError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
    return 0


@contextlib.contextmanager
def _one_line_errors(program: str):
    """Turns the parser's boxed message into one line."""
    buffer = io.StringIO()
    try:
        with contextlib.redirect_stderr(buffer):
            yield
    except SystemExit as exit_:
        if exit_.code:
            text = re.sub(r"[─-╿]", " ", re.sub(r"\x1b\[[0-9;]*m", "", buffer.getvalue()))
            message = re.sub(r"\s+", " ", text).strip().removeprefix("Parsing error ")
            print(f"{program}: {message.split('For full helptext')[0].strip()} (see {program} --help)", file=sys.stderr)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point of the command; returns the exit code."""
    return run_command(Command, "rnnjax", arguments, "Recurrent networks in JAX: cells, gradients, training.")


def _names(text: str, argument: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    check(bool(names), argument, text, "names separated by commas")
    return names


def _pairs(items: Sequence[str], argument: str) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        check(bool(key and equals and text), argument, item, "NAME=VALUE")
        try:
            pairs[key] = json.loads(text.lower() if text.lower() in ("true", "false") else text)
        except json.JSONDecodeError:
            pairs[key] = text
    return pairs


def _writable(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError("--out", str(folder), f"a folder that can be written ({error.strerror})") from None


def _table(*columns: str, title: str | None = None) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column == "parameters" or column.startswith("lag") else "left")
    return table


def _print(table: Any) -> None:
    from rich.console import Console

    console = Console()
    Console(width=None if console.is_terminal else 200).print(table)


if __name__ == "__main__":
    sys.exit(main())
