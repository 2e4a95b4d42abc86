"""How long the compiler took."""

from __future__ import annotations

import jax.monitoring

_EVENT = "/jax/core/compile/"
_listening: list[CompileTime] = []
_registered = False


class CompileTime:
    """A context in which the seconds are counted that JAX spends tracing, lowering and compiling.

    Attributes:
      seconds: so far.
    """

    def __init__(self):
        self.seconds = 0.0

    def __enter__(self) -> CompileTime:
        global _registered
        if not _registered:
            jax.monitoring.register_event_duration_secs_listener(_hear)
            _registered = True
        _listening.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _listening.remove(self)


def _hear(event: str, duration: float, **_: object) -> None:
    if event.startswith(_EVENT):
        for each in _listening:
            each.seconds += duration
