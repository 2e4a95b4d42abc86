"""The time of the compiler, counted once however deep the calls lie, and the programs that it made."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import pytest

from rnnjax.training.compiling import CompileTime


def test_programs_are_counted_by_name():
    def twice(x):
        return 2 * x

    compiled = jax.jit(twice)
    ones = jnp.ones(3), jnp.ones(3) + 1, jnp.ones(4)
    with CompileTime() as compiling:
        for x in ones:
            compiled(x)
    assert compiling.programs["jit(twice)"] == 2  # of two shapes
    with CompileTime() as again:
        compiled(ones[0])
    assert again.programs["jit(twice)"] == 0 and again.seconds < compiling.seconds
    count = compiling.programs.total()
    jax.jit(lambda x: x + 1)(ones[0])
    assert compiling.programs.total() == count, "it listens after its end"


def test_no_second_counts_twice():
    """A function that is traced within another one is in the time of both: it takes no longer than the clock says."""

    def inner(x):
        time.sleep(0.3)  # while it is traced
        return jnp.sin(x)

    def outer(x):
        return jax.jit(inner)(x) + 1

    began = time.monotonic()
    with CompileTime() as compiling, CompileTime() as other:
        jax.jit(outer)(jnp.ones(3))
    assert 0.3 <= compiling.seconds <= time.monotonic() - began
    assert compiling.seconds == other.seconds


@pytest.mark.parametrize(
    ("intervals", "seconds"),
    [
        ([(1, 2), (3, 5)], 3),
        ([(2, 3), (1, 4)], 3),  # one in another, which ends later and is reported later
        ([(0, 1), (2, 3), (4, 5), (1.5, 6)], 5.5),
        ([(1, 3), (2, 4)], 3),  # of two threads
    ],
)
def test_the_union_of_intervals(intervals, seconds):
    compiling = CompileTime()
    for start, end in intervals:
        compiling._note("", start, end, "")
    assert compiling.seconds == seconds
