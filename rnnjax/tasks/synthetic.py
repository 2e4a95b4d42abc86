"""Tasks whose rows are drawn from a key: an endless training set, and evaluation sets that nobody trains on."""

from __future__ import annotations

import abc
import dataclasses
import functools

import jax
import jax.numpy as jnp

from rnnjax.tasks.task import SPLITS, Array, Batch, Task, check_draw, check_evaluation

EVALUATION_SEED = 0x5EED


@dataclasses.dataclass(frozen=True)
class SyntheticTask(Task):
    """A task that draws its rows. A subclass says how to draw one (`sequence`)."""

    @abc.abstractmethod
    def sequence(self, key: Array) -> Batch:
        """Draws one row: a `Batch` without the batch axis. Pure and jittable."""

    def sample(self, key: Array, batch_size: int, split: str = "train") -> Batch:
        check_draw(batch_size, split)
        return _sample(self, jax.random.fold_in(key, SPLITS.index(split)), batch_size)

    def evaluation(self, split: str = "validation", size: int = 1000) -> Batch:
        check_evaluation(split, size)
        return self.sample(jax.random.key(EVALUATION_SEED), size, split)

    def _length(self, word: Array, shortest: int) -> Array:
        """A number of steps, uniform from `shortest` to `time`, both included."""
        return integers(word, shortest, self.time + 1) if self.variable_length else jnp.int32(self.time)


def random_words(key: Array, count: int) -> Array:
    """`[count]` independent uint32, each of 32 random bits: the raw material of `integers`."""
    return jax.random.bits(key, (count,), jnp.uint32)


def integers(words: Array, low: int | Array, high: int | Array) -> Array:
    """Random words as uniform integers from `low` to `high - 1`: uint32 `[...]` to int32 `[...]`.

    Odds are off by a fraction of up to (high - low) / 2^32. `jax.random.randint` does without that, but takes three
    draws for each call, where all the integers of a row come from one: samplers compile in half the time.
    """
    return low + (words % jnp.asarray(high - low, jnp.uint32)).astype(jnp.int32)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _sample(task: SyntheticTask, key: Array, batch_size: int) -> Batch:
    return jax.tree.map(_narrow, jax.vmap(task.sequence)(jax.random.split(key, batch_size)))


def _narrow(values: Array) -> Array:
    """The declared dtypes, also where JAX runs with 64 bits."""
    return values.astype(jnp.float32 if jnp.issubdtype(values.dtype, jnp.floating) else jnp.int32)
