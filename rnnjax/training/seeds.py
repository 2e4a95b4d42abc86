"""One function over many runs: one after the other, in one program, or side by side."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import check, check_choice
from rnnjax.training.config import Config
from rnnjax.training.fit import History, fit
from rnnjax.training.state import TrainState

STRATEGIES = ("serial", "map", "vmap")


def over_runs(function: Callable, strategy: str) -> Callable:
    """Maps a pure function of one pytree over the leading axis of its argument.

    Args:
      function: what to do with one run.
      strategy: "serial" calls one compiled program a run, to the last bit the same as a run by itself; "map" puts the
        loop into the program (`jax.lax.map`); "vmap" computes all runs side by side, which gains on an accelerator and
        nothing on a CPU.

    Raises:
      InputError: an unknown strategy.
    """
    check_choice("strategy", strategy, STRATEGIES)
    if strategy == "vmap":
        return jax.jit(jax.vmap(function))
    if strategy == "map":
        return jax.jit(functools.partial(jax.lax.map, function))
    compiled = jax.jit(function)

    def serial(runs: Any) -> Any:
        count = jax.tree.leaves(runs)[0].shape[0]
        outcomes = [compiled(jax.tree.map(lambda leaf, i=i: leaf[i], runs)) for i in range(count)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *outcomes)

    return serial


def keys_of(seeds: Sequence[int]) -> jax.Array:
    """The keys of runs with these seeds, `[seeds]`.

    Raises:
      InputError: no seeds, the same seed twice, or one that is no int >= 0.
    """
    check_seeds(seeds)
    return jnp.stack([jax.random.key(seed) for seed in seeds])


def check_seeds(seeds: Any, argument: str = "seeds") -> None:
    """Raises `InputError` unless these are ints from 0 to 2^32 - 1, at least one and none twice."""
    given = tuple(seeds) if isinstance(seeds, Sequence) and not isinstance(seeds, str) else ()
    valid = given and all(type(seed) is int and 0 <= seed < 2**32 for seed in given) and len(set(given)) == len(given)
    check(bool(valid), argument, seeds, "at least one int from 0 to 2^32 - 1, none twice")


def fit_seeds(seeds: Sequence[int], config: Config, strategy: str = "serial") -> tuple[TrainState, History]:
    """`fit` for many seeds in one call: states and histories with a leading axis, one entry a seed.

    Args:
      seeds: seeds of the runs; entry i equals a run of seed i alone.
      config: the run.
      strategy: how the runs are mapped, see `over_runs`.

    Raises:
      InputError: invalid seeds or an unknown strategy.
    """
    return over_runs(functools.partial(fit, config=config), strategy)(keys_of(seeds))
