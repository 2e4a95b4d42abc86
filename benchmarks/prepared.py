"""A contestant that is ready to run: what it has cost to get there, and how to check what it computes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

PyTree = Any


class Absent(Exception):
    """Why there is no such contestant in a race: the library has no such cell, an engine refuses the call."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A contestant, compiled and warm.

    Attributes:
      run: does the work once and waits for the end of it.
      result: what the work comes to, `[time, batch, ...]`: the outputs, or the gradient for the inputs.
      parameters: numbers in the weights.
      compile_seconds: to trace and compile; `None` where nothing is compiled.
      memory_bytes: the compiled program's temporaries and outputs at their peak; `None` where it is not known.
      recompile: compiles once more and returns the seconds; `None` where nothing is compiled.
      expected: what the result has to be, where that is not the result of everybody else in the race.
    """

    run: Callable[[], Any]
    result: Callable[[], np.ndarray]
    parameters: int
    compile_seconds: float | None = None
    memory_bytes: int | None = None
    recompile: Callable[[], float] | None = None
    expected: np.ndarray | None = None

    def against_itself(self) -> Prepared:
        """The same, expecting its own result: for a race of different computations, or one in which rounding grows."""
        return dataclasses.replace(self, expected=self.result())


def prepare(
    apply: Callable[[PyTree, jax.Array], jax.Array],
    params: PyTree,
    xs: np.ndarray,
    mode: str,
    device: str,
    *,
    time_major: bool = True,
) -> Prepared:
    """Compiles a layer written in JAX.

    Args:
      apply: the layer, `(params, xs) -> ys`.
      params: its weights.
      xs: inputs `[time, batch, inputs]`.
      mode: "forward", or "training": half the sum of squares of the outputs, and its gradients for `params` and `xs`.
      device: "cpu" or "gpu".
      time_major: whether time is the first axis of what the layer takes and returns; else it is the second.
    """

    def loss(params, xs):
        return 0.5 * jnp.sum(jnp.square(apply(params, xs)))

    function = apply if mode == "forward" else jax.value_and_grad(loss, argnums=(0, 1))
    inputs = xs if time_major else np.swapaxes(xs, 0, 1)
    params, inputs = jax.device_put((params, inputs), jax.devices(device)[0])
    compiled, seconds = timed_compilation(function, params, inputs)

    def result():
        outcome = compiled(params, inputs)
        array = np.asarray(outcome if mode == "forward" else outcome[1][1])
        return array if time_major else np.swapaxes(array, 0, 1)

    return Prepared(
        run=lambda: jax.block_until_ready(compiled(params, inputs)),
        result=result,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(params)),
        compile_seconds=seconds,
        memory_bytes=peak_bytes(compiled),
        recompile=lambda: timed_compilation(function, params, inputs)[1],
    )


def timed_compilation(function: Callable, *args: Any) -> tuple[Any, float]:
    """The compiled program, and the seconds from the function to it, with nothing remembered from earlier ones."""
    jax.clear_caches()  # or whoever comes first would pay for the traces that all share
    began = time.perf_counter()
    compiled = jax.jit(function).lower(*args).compile()
    return compiled, time.perf_counter() - began


def peak_bytes(compiled: Any) -> int | None:
    """Temporaries and outputs of a compiled program, as the compiler has planned them."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        return None
    return analysis.temp_size_in_bytes + analysis.output_size_in_bytes
