"""The trials of Hochreiter & Schmidhuber 1997: each row of their tables as one program, from start to success."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.parts.network_1997 import Lesson, MemoryBlocks, Network, RecurrentUnit, outputs, present
from rnnjax.tasks import Adding, EmbeddedReber, Latch, NoiseFreeLag, TemporalOrder
from rnnjax.tasks.embedded_reber import spell
from rnnjax.tasks.losses import legal_first
from rnnjax.tasks.synthetic import SyntheticTask

RECENT = 2000
"""Sequences that have to be right one after the other in tasks 4 and 6."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the paper's tables: what is learned, by which network, and when it counts as learned.

    Args:
      name: of the row.
      table: where it stands.
      task: the task.
      network: the network.
      weights: the number of its weights, as published.
      rate: learning rate.
      published: sequences to success, the mean over the paper's trials; `None` where no trial succeeded.
      says: the published result in words.
      stop: the criterion: "strings" (all of 256 strings trained on and of 256 others), "both" (the two strings there
        are), "fresh" (256 new sequences and their mean error) or "recent" (the last 2000 sequences and theirs, looked
        at after each).
      allowed: an output is right within this absolute error.
      mean: the mean error has to be below this.
      every: sequences between looks at the other criteria.
      each_step: weights change in each step, and not once a sequence.
      joins: the hidden units join when the outputs alone are wrong as often in 500 sequences as in the 500 before.
    """

    name: str
    table: str
    task: SyntheticTask
    network: Network
    weights: int
    rate: float
    published: int | None
    says: str
    stop: str
    allowed: float = 0.0
    mean: float = math.inf
    every: int = 500
    each_step: bool = False
    joins: bool = False


@functools.cache
def rows() -> dict[str, Row]:
    """The rows that can be run, by name."""
    reber = MemoryBlocks(3, 2, biased="gates", bound=0.2, output_bias=(-1.0, -2.0, -3.0))
    lag = MemoryBlocks(1, output_gates=False, feedback=False, direct=True, biased="none", plain=True, bound=0.2)
    latch = MemoryBlocks(3, biased="hidden", input_bias=(-1.0, -3.0, -5.0), output_bias=(-2.0, -4.0, -6.0))
    adding = MemoryBlocks(2, 2, input_bias=(-3.0, -6.0))
    order = MemoryBlocks(2, 2, input_bias=(-2.0, -4.0))
    order_3 = MemoryBlocks(3, 2, input_bias=(-2.0, -4.0, -6.0))
    sums: dict[str, Any] = {"stop": "recent", "allowed": 0.04, "mean": 0.01}
    orders: dict[str, Any] = {"stop": "recent", "allowed": 0.3, "mean": 0.1}
    near: dict[str, Any] = {"stop": "fresh", "allowed": 0.2, "mean": 0.01}
    strings = Row(
        "1 embedded Reber", "Table 1, 3 blocks of size 2, rate 0.5", EmbeddedReber(), reber, 276, 0.5, 8440,
        "100 % of 30 trials, 8,440 sequences on average (3,800 to 24,100)", "strings", every=100, each_step=True,
    )  # fmt: skip
    both = Row(
        "2a lag 100", "Table 2, LSTM, p = 100", NoiseFreeLag(100), lag, 10504, 1.0, 5040,
        "100 % of 18 trials, 5,040 sequences on average", "both", 0.25, every=20, each_step=True, joins=True,
    )  # fmt: skip
    unit = Row(
        "2a lag 10, one unit", "Table 2, RTRL, p = 10", NoiseFreeLag(10), RecurrentUnit(), 144, 1.0, None,
        "0 % of trials, more than 5,000,000 sequences", "both", 0.25, each_step=True,
    )  # fmt: skip
    three, one = Latch(100, "two_sequence", 3), Latch(100, "two_sequence", 1)
    more = (
        ("3a two sequences, N=3", "Table 4, T = 100, N = 3, ST2", three, latch, 102, 1.0, 39850, 10, near),
        ("3a two sequences, N=1", "Table 4, T = 100, N = 1, ST2", one, latch, 102, 1.0, 64330, 10, near),
        ("4 adding 100", "Table 7, T = 100", Adding(100, "hs97"), adding, 93, 0.5, 74000, 10, sums),
        ("4 adding 500", "Table 7, T = 500", Adding(500, "hs97"), adding, 93, 0.5, 209000, 10, sums),
        ("4 adding 1000", "Table 7, T = 1000", Adding(1000, "hs97"), adding, 93, 0.5, 853000, 10, sums),
        ("6a order of 2", "Table 9, task 6a", TemporalOrder(100, 2, "hs97"), order, 156, 0.5, 31390, 20, orders),
        ("6b order of 3", "Table 9, task 6b", TemporalOrder(100, 3, "hs97"), order_3, 308, 0.1, 571100, 10, orders),
    )
    found = [
        strings,
        dataclasses.replace(strings, name="1, changes summed", each_step=False),
        both,
        dataclasses.replace(both, name="2a, changes summed", each_step=False),
        unit,
    ]
    for name, table, task, network, weights, rate, published, trials, rest in more:
        says = f"{published:,} sequences, mean of {trials} trials"
        found.append(Row(name, table, task, network, weights, rate, published, says, **rest))
    return {row.name: row for row in found}


def learn(row: Row, seed: int, patience: int, test: int) -> dict[str, Any]:
    """One trial.

    Args:
      row: what is tried.
      seed: of the weights, the sequences and the strings.
      patience: give up after so many sequences.
      test: new sequences on which a solution is tested, where the paper does.

    Returns:
      "solved_at" (`None` without success), "presented", both in sequences, "wrong" of the test (`None` without one),
      and the mean absolute "error" of the last sequences.
    """
    strings = _strings(row, seed) if row.stop == "strings" else None
    final = _program(row, patience, test)(jax.random.key(seed), strings)
    solved, presented, wrong, error = jax.device_get((final.solved, final.presented, final.wrong, final.error))
    tested = solved and row.stop in ("recent", "fresh")
    return {
        "solved_at": int(presented) if solved else None,
        "presented": int(presented),
        "wrong": int(wrong) if tested else None,
        "error": float(error),
    }


def _strings(row: Row, seed: int) -> tuple[Lesson, Any]:
    """256 strings to learn from, and the legal successors in these and in 256 others that are not among them."""
    task = row.task
    drawn = [task.sample(jax.random.key(seed), count, split) for count, split in ((256, "train"), (4096, "test"))]
    words = [[spell(x, n) for x, n in zip(np.asarray(b.inputs), np.asarray(b.lengths), strict=True)] for b in drawn]
    new = [place for place, word in enumerate(words[1]) if word not in set(words[0])][:256]
    test = jax.tree.map(lambda leaf: leaf[np.array(new)], drawn[1])
    both = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), drawn[0], test)
    return jax.vmap(functools.partial(_lesson, row))(drawn[0]), both


def _lesson(row: Row, batch: Any) -> Lesson:
    """A row of a batch as the paper's network sees it: targets from 0 to 1, errors at the end or in each step."""
    steps = jnp.arange(row.task.time)
    if isinstance(row.task, EmbeddedReber):
        return Lesson(batch.inputs, jnp.roll(batch.inputs, -1, 0), batch.mask, batch.lengths - 1)
    if isinstance(row.task, NoiseFreeLag):
        return Lesson(batch.inputs, jax.nn.one_hot(batch.targets, row.task.outputs), batch.mask, batch.lengths)
    if isinstance(row.task, Adding):
        target = batch.targets
    elif isinstance(row.task, Latch):
        target = batch.targets[None].astype(jnp.float32)
    else:
        target = jax.nn.one_hot(batch.targets, row.task.outputs)
    targets = jnp.broadcast_to(target, (row.task.time, *target.shape))
    return Lesson(batch.inputs, targets, (steps == batch.lengths - 1).astype(jnp.float32), batch.lengths)


def _both(task: SyntheticTask) -> Any:
    """The two strings of task 2a, as a batch."""
    codes = task.time - 1 + jnp.arange(2)
    batch = task.sample(jax.random.key(0), 2)
    inputs = batch.inputs.at[:, 0].set(jax.nn.one_hot(codes, task.in_features))
    return batch._replace(inputs=inputs, targets=batch.targets.at[:, -1].set(codes))


def _judged(row: Row, params: Any, batch: Any) -> tuple[jax.Array, jax.Array]:
    """Whether each row of a batch is right in all steps that count, and its mean absolute error there: `[rows]`."""

    def one(row_of_batch):
        lesson = _lesson(row, row_of_batch)
        error = jnp.abs(outputs(row.network, params, lesson.inputs) - lesson.targets)
        right = (error < row.allowed).all(-1) | (lesson.mask == 0)
        return right.all(), jnp.sum(error.mean(-1), where=lesson.mask > 0) / lesson.mask.sum()

    return jax.vmap(one)(batch)


class _Trial(NamedTuple):
    """The state of a trial.

    Attributes:
      params: the weights.
      presented: sequences so far.
      wrongs: wrong steps a sequence, of the last chunks.
      errors: mean absolute errors of the last 2000 sequences, where the criterion looks at them.
      streak: sequences since the last one that was wrong.
      joined: whether the hidden units take part.
      solved: whether the criterion is met.
      error: mean absolute error of the last chunk.
      wrong: sequences of the test that are wrong, once it was made.
    """

    params: Any
    presented: jax.Array
    wrongs: jax.Array
    errors: jax.Array
    streak: jax.Array
    joined: jax.Array
    solved: jax.Array
    error: jax.Array
    wrong: jax.Array


@functools.lru_cache(maxsize=16)
def _program(row: Row, patience: int, test: int):
    """The whole trial as one compiled program: `(key, strings) -> _Trial`."""
    task, network = row.task, row.network
    width = 1 if isinstance(task, Latch) else task.outputs
    chunks = 2 * max(500 // row.every, 1)

    def trial(key, strings):
        init_key, data_key, test_key = jax.random.split(key, 3)

        def lesson(number):
            drawn = jax.random.fold_in(data_key, number)
            if row.stop == "strings":
                return jax.tree.map(lambda leaf: leaf[jax.random.randint(drawn, (), 0, 256)], strings[0])
            return _lesson(row, task.sequence(drawn))

        def learned(trial):
            if row.stop == "recent":
                return trial.solved
            if row.stop == "strings":
                found = jax.vmap(lambda x: outputs(network, trial.params, x))(strings[1].inputs)
                return jnp.all(legal_first(found, strings[1].targets) | (strings[1].mask == 0))
            if row.stop == "both":
                return _judged(row, trial.params, _both(task))[0].all() & trial.joined
            batch = task.sample(jax.random.fold_in(test_key, trial.presented), 256, "validation")
            right, error = _judged(row, trial.params, batch)
            return right.all() & (error.mean() < row.mean)

        def learn(trial, number):
            params, mean, wrong = present(
                network, trial.params, lesson(number), row.rate, allowed=row.allowed, each_step=row.each_step,
                joined=trial.joined,
            )  # fmt: skip
            after = trial._replace(params=params, presented=trial.presented + 1)
            if row.stop == "recent":
                errors = trial.errors.at[number % RECENT].set(mean)
                streak = jnp.where(wrong > 0, 0, trial.streak + 1)
                solved = (streak >= RECENT) & (errors.mean() < row.mean)
                after = after._replace(errors=errors, streak=streak, solved=solved)
                after = jax.tree.map(functools.partial(jnp.where, trial.solved), trial, after)  # it ends there
            return after, (mean, wrong)

        def chunk(trial):
            numbers = trial.presented + jnp.arange(row.every)
            trial, (mean, wrong) = jax.lax.scan(learn, trial, numbers)
            wrongs = jnp.append(trial.wrongs[1:], wrong.mean())
            earlier, later = jnp.split(wrongs, 2)
            settled = jnp.isfinite(wrongs).all() & (later.mean() >= earlier.mean())
            trial = trial._replace(wrongs=wrongs, error=mean.mean())
            trial = trial._replace(solved=learned(trial))
            return trial._replace(joined=trial.joined | settled)

        start = _Trial(
            params=network.init(init_key, task.in_features, width),
            presented=jnp.int32(0),
            wrongs=jnp.full(chunks, jnp.inf),
            errors=jnp.full(RECENT if row.stop == "recent" else 0, jnp.inf),
            streak=jnp.int32(0),
            joined=jnp.asarray(not row.joins),
            solved=jnp.asarray(False),
            error=jnp.float32(jnp.inf),
            wrong=jnp.int32(0),
        )
        final = jax.lax.while_loop(lambda t: ~t.solved & (t.presented < patience), chunk, start)
        if row.stop in ("recent", "fresh"):
            batch = task.sample(test_key, test, "test")
            final = final._replace(wrong=jnp.sum(~_judged(row, final.params, batch)[0]))
        return final

    return jax.jit(trial)
