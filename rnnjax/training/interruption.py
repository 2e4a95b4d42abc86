"""Signals that ask a run to end: it saves first."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
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
        super().__init__(message, number)
        self.number = number

    def __str__(self) -> str:
        return self.args[0]


class Interruption:
    """A context in which SIGINT (Ctrl-C) and SIGTERM are noted, to be acted on when the state can be saved.

    A second signal ends the process at once, with the exit code 128 + its number; in an interactive session, which may
    hold other work, it raises `Interrupted` as soon as Python can. Python runs its own handlers between steps of the
    interpreter, and so not while a compiled program is at work: therefore a thread hears the signals. In other threads
    than the main one, where Python has no handlers, nothing is noted.

    Args:
      active: whether to note anything.

    Attributes:
      number: of the signal that came, or `None`.
    """

    def __init__(self, active: bool = True):
        self.number: int | None = None
        self._active = active and threading.current_thread() is threading.main_thread()
        self._interactive = hasattr(sys, "ps1") or bool(sys.flags.interactive)
        self._before: dict[int, Any] = {}
        self._noted = 0
        self._wakeup = -1
        self._ends: tuple[socket.socket, socket.socket] | None = None

    def __enter__(self) -> Interruption:
        if self._active:
            self._ends = socket.socketpair()
            for end in self._ends:
                end.setblocking(False)
            self._ends[0].setblocking(True)
            self._wakeup = signal.set_wakeup_fd(self._ends[1].fileno(), warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
            threading.Thread(target=self._listen, args=(self._ends[0],), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._ends is not None:
            for number, handler in self._before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._wakeup)
            with contextlib.suppress(OSError):
                self._ends[1].close()  # ends the thread, which closes the other
            self._ends = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._noted += 1
        if self._noted > 1 and self._interactive:
            raise Interrupted("ended at once: nothing is saved since the last checkpoint", number)

    def _listen(self, end: socket.socket) -> None:
        heard: list[int] = []
        with end:
            while came := end.recv(1):
                if came[0] not in _SIGNALS:  # one that others handle
                    continue
                heard += came
                self.number = came[0]
                if len(heard) > 1 and self._interactive:
                    continue
                if len(heard) > 1:
                    _say("ended at once: nothing is saved since the last checkpoint")
                    os._exit(128 + self.number)
                _say("saving after the next evaluation; a second signal ends at once")


def _say(message: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"\n{message}", file=sys.stderr, flush=True)
