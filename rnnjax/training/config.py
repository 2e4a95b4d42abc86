"""What a training run is: one frozen value."""

from __future__ import annotations

import dataclasses
import numbers

from rnnjax.applications import Application
from rnnjax.cell import Cell
from rnnjax.errors import InputError, check, check_choice
from rnnjax.initializers import Initializer
from rnnjax.tasks import Task
from rnnjax.training.optimizer import Optimizer
from rnnjax.training.regularizers import Regularizer

POLICIES = ("stop", "skip", "restore")


@dataclasses.dataclass(frozen=True)
class Config:
    """A training run: of a cell with a linear readout on a task, or of an application's model on its data.

    Args:
      task: what is learned: a task, whose batches are drawn inside the compiled program, or an application, whose
        batches come from a pipeline.
      cell: the recurrent layer.
      optimizer: clipping, noise, optimiser and schedule.
      steps: updates, at most.
      batch_size: rows an update.
      micro_batches: parts of a batch whose gradients are computed one after the other and added up: the update is that
        of the whole batch, in less memory. A divisor of `batch_size`; not with a regulariser.
      truncation: window of truncated back-propagation through time, in steps (Williams & Peng 1990, doi:10.1162/
        neco.1990.2.4.490): each window is an update of its own, and hands its carry to the next; `None` goes through
        the whole sequence. A window in which no target counts leaves the parameters as they are. Of tasks only: an
        application says itself what an update sees.
      evaluate_every: updates between evaluations on the validation split; a divisor of `steps`.
      evaluation_size: rows of an evaluation, where the task makes them; real data are evaluated whole.
      stop_when_solved: whether to stop at the first evaluation that meets the task's criterion.
      patience: stop after this many evaluations without a better value of the task's metric; `None` never does.
      explosion_threshold: a gradient whose global norm exceeds this, before clipping, counts as exploded.
      explosion_factor: a norm over so many times the running median of the run's norms is written down as an event.
      on_nonfinite: what to do at an update whose loss or gradient is not finite. "stop": the run has diverged and ends
        in the state before that update, from which the update can be repeated. "skip": the update is left out, and the
        run has diverged after `nonfinite_limit` of them in a row. "restore": back to the newest checkpoint, with half
        the learning rate, at most `restore_limit` times; then as "stop". Going back is up to `train`; in `fit`, and
        where runs are trained together, "restore" is "stop".
      nonfinite_limit: so many skipped updates in a row end the run, with "skip".
      restore_limit: how often a run may go back, with "restore".
      regularizer: `Pascanu` or `Flossing`: a term of the cell's parameters, whose gradient is added to that of the loss
        before the clipping.
      readout_init: initialiser of the readout's kernel; `None` is LeCun normal.

    Raises:
      InputError: a number out of range, `evaluate_every` that does not divide `steps`, a regulariser that has no
        meaning for the cell, or an option that an application does not have.
    """

    task: Task | Application
    cell: Cell
    optimizer: Optimizer = Optimizer()
    _: dataclasses.KW_ONLY
    steps: int = 2000
    batch_size: int = 32
    micro_batches: int = 1
    truncation: int | None = None
    evaluate_every: int = 100
    evaluation_size: int = 1000
    stop_when_solved: bool = True
    patience: int | None = None
    explosion_threshold: float = 1e3
    explosion_factor: float = 100.0
    on_nonfinite: str = "stop"
    nonfinite_limit: int = 20
    restore_limit: int = 5
    regularizer: Regularizer | None = None
    readout_init: Initializer | None = None

    def __post_init__(self):
        check(isinstance(self.task, Task | Application), "Config.task", self.task, "a task or an application")
        check(isinstance(self.cell, Cell), "Config.cell", self.cell, "a cell")
        check(isinstance(self.optimizer, Optimizer), "Config.optimizer", self.optimizer, "an Optimizer")
        for field in ("steps", "batch_size", "evaluate_every", "evaluation_size", "nonfinite_limit", "restore_limit"):
            given = getattr(self, field)
            check(isinstance(given, int) and given > 0, f"Config.{field}", given, "a positive int")
        for field in ("truncation", "patience"):
            given = getattr(self, field)
            valid = given is None or (isinstance(given, int) and given > 0)
            check(valid, f"Config.{field}", given, "a positive int, or None")
        given, expected = self.micro_batches, f"a divisor of batch_size={self.batch_size}"
        valid = isinstance(given, int) and given > 0 and self.batch_size % given == 0
        check(valid, "Config.micro_batches", given, expected)
        check(given == 1 or self.regularizer is None, "Config.micro_batches", given, "1 with a regulariser")
        expected = f"a divisor of steps={self.steps}"
        check(self.steps % self.evaluate_every == 0, "Config.evaluate_every", self.evaluate_every, expected)
        for field in ("explosion_threshold", "explosion_factor"):
            given = getattr(self, field)
            check(isinstance(given, numbers.Real) and float(given) > 0, f"Config.{field}", given, "a number > 0")
        check_choice("Config.on_nonfinite", self.on_nonfinite, POLICIES)
        for field, kind in (("regularizer", Regularizer), ("readout_init", Initializer)):
            given = getattr(self, field)
            expected = f"{'a regulariser' if kind is Regularizer else 'an initialiser'}, or None"
            check(given is None or isinstance(given, kind), f"Config.{field}", given, expected)
        if isinstance(self.task, Application):
            for field in ("truncation", "regularizer", "readout_init"):
                given = getattr(self, field)
                check(given is None, f"Config.{field}", given, f"None with the application {self.task.name!r}")
        elif self.regularizer is not None:
            self.regularizer.check_cell(self.cell, self.task.in_features)

    @property
    def sampled_task(self) -> Task:
        """The task, which draws its batches inside a compiled program.

        Raises:
          InputError: an application, which does not.
        """
        if isinstance(self.task, Application):
            raise InputError("config.task", self.task.name, "a task; `train` is for applications too")
        return self.task

    @property
    def title(self) -> str:
        """The network and what it learns, for headings."""
        transformer = getattr(self.task, "network", "") == "transformer"
        return f"{'Transformer' if transformer else type(self.cell).__name__} on {self.task.name}"

    @property
    def hands_on(self) -> bool:
        """Whether an update starts from the state in which the one before it ended."""
        return self.truncation is not None or (isinstance(self.task, Application) and self.task.stateful)

    @property
    def dynamics(self) -> Config:
        """The run without where it starts from: equal for runs that can share one compiled program."""
        own: dict = dict(cell=self.cell.dynamics, optimizer=self.optimizer.dynamics, readout_init=None)
        own |= dict(explosion_factor=100.0, restore_limit=5)  # which the host alone looks at
        if self.on_nonfinite != "skip":
            own |= dict(on_nonfinite="stop", nonfinite_limit=1)
        return dataclasses.replace(self, **own)
