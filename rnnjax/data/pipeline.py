"""Batches as Grain pipelines: shuffled each epoch, bucketed by length, a pure function of a seed and a number."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from rnnjax.errors import check

T = TypeVar("T")

_ENDLESS = 2**40


def buckets(lengths: Sequence[int] | np.ndarray, count: int = 5, multiple: int = 8) -> tuple[int, ...]:
    """Bounds to which rows are padded, so that few shapes have to be compiled and little is computed in vain.

    Of all sets of `count` bounds that are multiples and hold every length, the one with the least padding in all.

    Args:
      lengths: one a row.
      count: how many bounds at most.
      multiple: of what the bounds are multiples; 1 where all lengths are equal.

    Raises:
      InputError: no lengths.
    """
    lengths = np.asarray(lengths)
    check(lengths.size > 0, "lengths", "none", "the length of at least one row")
    if (lengths == lengths[0]).all():
        return (int(lengths[0]),)
    sizes, rows = np.unique(-(-lengths // multiple) * multiple, return_counts=True)
    below = np.concatenate([[0], np.cumsum(rows)])  # rows shorter than size i
    least = below[1:] * sizes  # steps up to size i with one bound, that size
    chosen = [[int(size)] for size in sizes]
    for _ in range(count - 1):
        # A further bound at size i < j: the rows above it cost size j each.
        steps = least[:, None] + (below[1:][None, :] - below[1:][:, None]) * sizes[None, :]
        steps = np.where(np.triu(np.ones_like(steps, bool), 1), steps, np.iinfo(np.int64).max)
        best = steps.argmin(0)
        better = steps[best, np.arange(len(sizes))] < least
        chosen = [[*chosen[best[j]], int(sizes[j])] if better[j] else chosen[j] for j in range(len(sizes))]
        least = np.where(better, steps[best, np.arange(len(sizes))], least)
    return tuple(chosen[-1])


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which rows a batch holds, and to which length they are padded, for every batch of an endless training.

    In each epoch the rows are shuffled within their bucket; what does not fill a batch is padded with the rows of the
    next longer one, and the last rows that do not fill a batch are left out, others in each epoch. The order of the
    batches is shuffled over the buckets. Every epoch has the same number of batches.

    Args:
      lengths: one a row.
      batch_size: rows of a batch.
      seed: of the shuffling.
      bounds: the buckets' bounds, the last of them no less than the longest length.

    Raises:
      InputError: a batch size below 1 or above the number of rows, or a row that no bucket takes.
    """

    lengths: tuple[int, ...]
    batch_size: int
    seed: int
    bounds: tuple[int, ...]

    def __post_init__(self):
        rows = len(self.lengths)
        valid = isinstance(self.batch_size, int) and 1 <= self.batch_size <= rows
        check(valid, "batch_size", self.batch_size, f"an int in 1..{rows}, the number of examples to train on")
        check(max(self.lengths) <= max(self.bounds), "bounds", self.bounds, f"a bound >= {max(self.lengths)}")

    @property
    def epoch(self) -> int:
        """The number of batches of an epoch."""
        return len(self.lengths) // self.batch_size

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        """The rows `[batch]` of a batch, and the length to pad them to."""
        epoch, place = divmod(index, self.epoch)
        return _epoch(self, epoch)[place]


@functools.lru_cache(maxsize=16)
def _epoch(plan: Plan, epoch: int) -> list[tuple[np.ndarray, int]]:
    random = np.random.default_rng((plan.seed, epoch))
    bucket_of = np.searchsorted(plan.bounds, plan.lengths)
    batches: list[tuple[np.ndarray, int]] = []
    rest = np.zeros(0, int)
    for bucket, bound in enumerate(plan.bounds):
        rows = np.concatenate([rest, random.permutation(np.flatnonzero(bucket_of == bucket))])
        whole = len(rows) // plan.batch_size * plan.batch_size
        batches += [(rows[i : i + plan.batch_size], bound) for i in range(0, whole, plan.batch_size)]
        rest = rows[whole:]
    return [batches[i] for i in random.permutation(len(batches))]


def training_batches(plan: Plan, collate: Callable[[np.ndarray, int], T], shard: tuple[int, int] = (0, 1)) -> Any:
    """The batches of a plan as a `grain.MapDataset`: element i is batch i, without end.

    Args:
      plan: which rows are in a batch.
      collate: `(rows [n], length) -> batch`.
      shard: this host's number and the number of hosts: each loads its own part of every batch, the rows that follow
        on those of the host before it.

    Raises:
      InputError: a number of hosts that does not divide the batch size.
    """
    import grain

    index, count = shard
    check(0 <= index < count, "shard", shard, "(index, count) with 0 <= index < count")
    check(plan.batch_size % count == 0, "batch_size", plan.batch_size, f"a multiple of the {count} hosts")

    size = plan.batch_size // count

    def load(number: int) -> T:
        rows, length = plan[number]
        return collate(rows[index * size : (index + 1) * size], length)

    return grain.MapDataset.range(_ENDLESS).map(load)


def read_ahead(batches: Any, start: int = 0, *, threads: int = 2, buffer: int = 8) -> Iterator[Any]:
    """An iterator over a `grain.MapDataset` from an element on, which makes the next ones in the background.

    Its whole state is the number of elements taken: an iterator from `start + n` on goes on where this one is after n.
    """
    import grain

    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=buffer)
    return iter(batches.slice(slice(start, None)).to_iter_dataset(options))


def evaluation_rows(count: int, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Rows `[batch_size]` of batches that hold each of `count` rows once and in order, and how many are real.

    The last batch is filled up with its first row, so that all have one size.
    """
    for start in range(0, count, batch_size):
        rows = np.arange(start, min(start + batch_size, count))
        yield np.concatenate([rows, np.full(batch_size - len(rows), start)]), len(rows)
