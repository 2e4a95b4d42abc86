"""Signals that ask a run to end: it saves first."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run was asked to end, and has ended after an evaluation.

    Attributes:
      number: of the signal.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.number = number


class Interruption:
    """A context in which SIGINT (Ctrl-C) and SIGTERM are noted, to be acted on when the state can be saved.

    A second signal acts at once. In other threads than the main one, where Python has no handlers, nothing is noted.

    Attributes:
      number: of the signal that came, or `None`.
    """

    def __init__(self):
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            self.__exit__()
            raise Interrupted("interrupted twice: nothing was saved since the last checkpoint", number)
        self.number = number
