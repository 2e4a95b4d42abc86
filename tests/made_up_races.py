"""A small shape to race at, contestants that raise, and rows of races that nobody has run."""

from __future__ import annotations

from benchmarks.problem import SHAPES, Shape

TINY = Shape(3, 7, 5, 4)


def raising(error):
    def make():
        raise error

    return make


def made_row(section="layers", cell="lstm", shape=SHAPES[0], mode="training", topic="layers", **contestants):
    """A row in which contestants have taken so many seconds, or (minimum, median)."""
    return row_of({"section": section, "topic": topic, "cell": cell, "shape": str(shape), "mode": mode}, contestants)


def row_of(key, contestants):
    measured = {}
    for name, seconds in contestants.items():
        minimum, median = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        measured[name] = {"minimum": minimum, "median": median, "compile_seconds": minimum, "memory_bytes": minimum}
    return {**key, "rounds": 1, "contestants": measured}
