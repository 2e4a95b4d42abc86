"""Random search: all weights of a network drawn anew until it solves a set of sequences."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import Elman, unroll
from rnnjax.tasks import Latch
from rnnjax.training import Config, make_model


class Search(NamedTuple):
    """How a search ended.

    Attributes:
      guesses: weight vectors tried.
      found: whether the last one solves the set.
      test_error: the share of other sequences that it gets wrong.
    """

    guesses: jax.Array
    found: jax.Array
    test_error: jax.Array


FEW = 20
"""Sequences that a guess has to get right before it is shown the others: by chance one in a million does."""


@functools.lru_cache(maxsize=32)
def random_search(task: Latch, hidden: int | None, bound: float, most: int, rows: int):
    """Random search as one compiled program, `key -> Search`.

    Args:
      task: what is to be solved.
      hidden: `None` guesses the three weights of one tanh unit that is its own output, as in the latch variant II of
        Schmidhuber, Hochreiter & Bengio 2001; a number those of a tanh network of so many units with a readout.
      bound: weights are drawn from U(-bound, bound).
      most: weight vectors that are tried, at most.
      rows: sequences that have to be right, all of them, and others on which the weights found are tested.
    """
    if hidden is None:
        cell = Elman(1)
        start = jax.eval_shape(lambda: cell.init(jax.random.key(0), 1))
    else:
        model = make_model(Config(task, Elman(hidden)))
        start = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 1, 1)))["params"])

    def right(params, batch):
        """Whether each sequence ends with an absolute error below 0.1 of its target."""
        if hidden is None:  # the unit itself is the output; targets are -1 and 1
            carry, _ = unroll(cell, params, batch.inputs, lengths=batch.lengths)
            return jnp.abs(carry.h[:, 0] - (2.0 * batch.targets - 1)) < 0.1
        outcome: Any = model.apply({"params": params}, batch.inputs, batch.lengths)
        logits = outcome[1]
        share = jnp.take_along_axis(jax.nn.softmax(logits), batch.targets[:, None], 1)[:, 0]
        return 1 - share < 0.1

    def draw(key):
        leaves, tree = jax.tree.flatten(start)
        keys = jax.random.split(key, len(leaves))
        drawn = [jax.random.uniform(k, x.shape, minval=-bound, maxval=bound) for k, x in zip(keys, leaves, strict=True)]
        return tree.unflatten(drawn)

    def search(key):
        guess_key, train_key, test_key = jax.random.split(key, 3)
        train, test = task.sample(train_key, rows), task.sample(test_key, rows, "test")
        few = jax.tree.map(lambda leaf: leaf[:FEW], train)

        def again(state):
            tried, _ = state
            params = draw(jax.random.fold_in(guess_key, tried))
            whole = lambda: right(params, train).all()  # noqa: E731
            return tried + 1, jax.lax.cond(right(params, few).all(), whole, lambda: jnp.asarray(False))

        tried, found = jax.lax.while_loop(lambda s: (s[0] < most) & ~s[1], again, (jnp.int32(0), jnp.asarray(False)))
        params = draw(jax.random.fold_in(guess_key, tried - 1))
        return Search(tried, found, jnp.mean(~right(params, test)))

    return jax.jit(search)
