"""What a person sees while a run trains: a live bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class ProgressReport:
    """Shows updates a second, loss, gradient norm and time left. A context manager.

    Args:
      steps: updates of the whole run.
      start: updates made before.
      title: what is running.
      quiet: shows nothing.
    """

    def __init__(self, steps: int, *, start: int = 0, title: str = "", quiet: bool = False):
        self.steps, self.start, self.title, self.quiet = steps, start, title, quiet
        self.console = Console(stderr=True)
        self.live = self.console.is_terminal and not quiet
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"))
        self.bar = Progress(*columns, TimeRemainingColumn(), console=self.console, disable=not self.live)

    def __enter__(self) -> ProgressReport:
        self.began = time.monotonic()
        self.bar.start()
        self.task = self.bar.add_task(self.title, total=self.steps, completed=self.start, text="compiling")
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.stop()

    def update(self, step: int, loss: float, grad_norm: float, evaluation: dict[str, Any]) -> None:
        """Shows the state after `step` updates."""
        rate = (step - self.start) / max(time.monotonic() - self.began, 1e-9)
        shown = " ".join(f"{name} {value:.4g}" for name, value in evaluation.items())
        text = f"{rate:.0f} step/s  loss {loss:.4g}  |grad| {grad_norm:.3g}  {shown}"
        self.bar.update(self.task, completed=step, text=text)
        if not self.live and not self.quiet:
            left = (self.steps - step) / max(rate, 1e-9)
            print(f"{self.title} {step}/{self.steps}  {text}  {left:.0f} s left", flush=True)

    def note(self, message: str) -> None:
        """Prints a line that stays."""
        if self.live:
            self.console.print(message, markup=False, highlight=False)
        elif not self.quiet:
            print(message, flush=True)
