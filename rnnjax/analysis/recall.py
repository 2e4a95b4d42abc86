"""How many patterns an associative memory recalls: from given starts, and against the load."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.hopfield import Hopfield, HopfieldState, ModernHopfield
from rnnjax.errors import InputError, check
from rnnjax.unroll import unroll

Array = jax.Array

CRITICAL_LOAD = 0.138
"""Patterns a unit beyond which a classical network of many units loses all random patterns: Amit, Gutfreund &
Sompolinsky 1985, doi:10.1103/PhysRevLett.55.1530."""


class Capacity(NamedTuple):
    """What a memory recalls at each load.

    Attributes:
      loads: `[points]`, patterns stored a unit.
      recalled: `[seeds, points]`, the share of the patterns whose overlap with what was recalled exceeds the threshold.
      overlap: `[seeds, points]`, the mean overlap, 1 where all units are right.
      fixed: `[seeds, points]`, the share of the patterns in which no unit wants to change.
    """

    loads: np.ndarray
    recalled: np.ndarray
    overlap: np.ndarray
    fixed: np.ndarray

    def critical(self, share: float = 0.5) -> np.ndarray:
        """`[seeds]`: the load at which the recalled share first falls below `share`, between points by a straight line.

        NaN for a seed in which it never does.
        """
        found = []
        for curve in self.recalled:
            below = np.flatnonzero(curve < share)
            if not len(below) or below[0] == 0:
                found.append(self.loads[0] if len(below) else np.nan)
                continue
            here, before = below[0], below[0] - 1
            part = (curve[before] - share) / (curve[before] - curve[here])
            found.append(self.loads[before] + part * (self.loads[here] - self.loads[before]))
        return np.array(found)


def recall(cell: Hopfield | ModernHopfield, patterns: Array, cues: Array, sweeps: int) -> Array:
    """The states that a memory of these patterns reaches from these starts, without an input.

    Args:
      cell: with as many features as the patterns; how many memories it has does not matter.
      patterns: `[memories, features]`.
      cues: `[*batch, features]`.
      sweeps: updates of all units.

    Returns:
      `[*batch, features]`.
    """
    cell = dataclasses.replace(cell, memories=patterns.shape[0])
    params = {
        "patterns": patterns,
        "kernel": jnp.zeros((1, cell.features), patterns.dtype),
        "bias": jnp.zeros(cell.features, patterns.dtype),
    }
    silence = jnp.zeros((*cues.shape[:-1], sweeps, 1), cues.dtype)
    carry, _ = unroll(cell, params, silence, HopfieldState(cues))
    return carry.h


def capacity(
    cell: Hopfield | ModernHopfield,
    loads: Sequence[float],
    *,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    flips: float = 0.0,
    sweeps: int = 20,
    starts: int = 100,
    threshold: float = 0.9,
    pool: Any = None,
) -> Capacity:
    """Stores patterns at each load, starts from each of them, and counts those that the memory stays at or finds again.

    Random patterns in a classical network: retrieved up to 0.138 a unit where units are many (`CRITICAL_LOAD`); that
    all units of a pattern stay as they are holds much less long, up to about 1 / (2 ln features) (McEliece et al. 1987,
    doi:10.1109/TIT.1987.1057328). With a finite number of units the fall is gradual and comes a little later.

    Args:
      cell: its features are the units; the number of memories is set for each load.
      loads: patterns a unit, in ascending order.
      seeds: of the patterns and the starts.
      flips: the share of a pattern's signs that are turned in its start, at random.
      sweeps: updates of all units.
      starts: from how many of the patterns to start, at most; all count as stored.
      threshold: the overlap, from -1 to 1, above which a pattern counts as recalled.
      pool: `[many, features]` signs, real patterns to draw from without repetition, in the place of random ones.

    Raises:
      InputError: loads that are not positive and ascending, a share out of range, or a pool that is too small.
    """
    units = cell.features
    ascending = len(loads) > 0 and loads[0] > 0 and all(a < b for a, b in itertools.pairwise(loads))
    check(ascending, "loads", tuple(loads), "positive numbers in ascending order")
    check(0 <= flips < 0.5, "flips", flips, "a share in [0, 0.5)")
    counts = [max(1, round(load * units)) for load in loads]
    if pool is not None:
        pool = np.asarray(pool, np.float32)
        if pool.ndim != 2 or pool.shape[1] != units or len(pool) < counts[-1]:
            raise InputError("pool", f"shape {pool.shape}", f"at least {counts[-1]} patterns of {units} signs")
    most = counts[-1]
    rows = [
        [_one(cell, count, most, seed, flips, sweeps, min(starts, count), threshold, pool) for count in counts]
        for seed in seeds
    ]
    recalled, overlap, fixed = np.moveaxis(np.array(rows), -1, 0)
    return Capacity(np.array([count / units for count in counts]), recalled, overlap, fixed)


def _one(cell, count, most, seed, flips, sweeps, starts, threshold, pool) -> tuple[float, float, float]:
    """One load and seed: shares recalled and fixed, and the mean overlap."""
    draw = np.random.default_rng([seed, count])
    if pool is None:
        patterns = draw.choice(np.array([-1, 1], np.float32), (count, cell.features))
    else:
        patterns = pool[draw.choice(len(pool), count, replace=False)]
    begun = patterns[:starts]
    cues = np.where(draw.random(begun.shape) < flips, -begun, begun)
    if isinstance(cell, Hopfield):  # patterns of zeros add nothing to its weights: all loads share one program
        patterns = np.pad(patterns, ((0, most - count), (0, 0)))
    found, once = _recalled(cell, sweeps, patterns, cues, begun)
    found, once = np.sign(found), np.sign(once)
    overlaps = (found * begun).mean(1)
    return float((overlaps > threshold).mean()), float(overlaps.mean()), float((once == begun).all(1).mean())


@functools.partial(jax.jit, static_argnums=(0, 1))
def _recalled(cell, sweeps, patterns, cues, starts) -> tuple[Array, Array]:
    """What is recalled from the cues, and where one update of all units together leads from the starts."""
    if isinstance(cell, Hopfield):
        weights = patterns.T @ patterns * (1 - jnp.eye(cell.features))
        fields = starts @ weights
        once = jnp.where(fields == 0, starts, fields)
    else:
        once = recall(cell, patterns, starts, 1)
    return recall(cell, patterns, cues, sweeps), once
