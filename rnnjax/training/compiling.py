"""How long the compiler took, and which programs it made."""

from __future__ import annotations

import collections
import threading
import time

import jax.monitoring

_EVENT = "/jax/core/compile/"
_PROGRAM = _EVENT + "backend_compile_duration"
_listening: list[CompileTime] = []
_lock = threading.Lock()
_registered = False


class CompileTime:
    """A context in which the time is measured that JAX spends tracing, lowering and compiling, in all threads.

    A function that is traced within another one counts once. What comes out of the compilation cache counts as a
    program too, with the time that it takes to read it.

    Attributes:
      programs: how often each function was compiled, by the name that JAX calls it, such as "jit(chunk)".
    """

    def __init__(self):
        self.programs: collections.Counter[str] = collections.Counter()
        self._intervals: list[tuple[float, float]] = []  # apart from each other, in ascending order

    @property
    def seconds(self) -> float:
        """So far."""
        return sum(end - start for start, end in self._intervals)

    def __enter__(self) -> CompileTime:
        global _registered
        with _lock:
            if not _registered:
                jax.monitoring.register_event_duration_secs_listener(_hear)
                _registered = True
            _listening.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        with _lock:
            _listening.remove(self)

    def _note(self, event: str, start: float, end: float, name: str) -> None:
        if event == _PROGRAM:
            self.programs[name] += 1
        while self._intervals and self._intervals[-1][1] > start:  # reported earlier, and a part of this one
            start = min(start, self._intervals.pop()[0])
        self._intervals.append((start, end))


def _hear(event: str, duration_secs: float, **kwargs: str | int) -> None:
    if event.startswith(_EVENT):
        end = time.monotonic()
        with _lock:
            for each in _listening:
                each._note(event, end - duration_secs, end, str(kwargs.get("fun_name", "")))
