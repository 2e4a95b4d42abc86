"""A sequence, one token after the other, each from the distribution that the model gives after those before it.

Everything here works on `step(carry, token) -> (carry, logits)`, whatever the model behind it is: tokens are ints
`[*batch]`, logits `[*batch, classes]`. Nothing is compiled by itself: call these within `jax.jit`, where the whole loop
is one program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from rnnjax.errors import check

Array = jax.Array
PyTree = Any
Step = Callable[[PyTree, Array], tuple[PyTree, Array]]


def greedy(step: Step, carry: PyTree, token: Array, length: int, *, end: int | None = None) -> tuple[PyTree, Array]:
    """The likeliest token at each step; of equally likely ones the first.

    Args:
      step: `(carry, token) -> (carry, logits)`.
      carry: the state before the first step.
      token: `[*batch]` ints, what the first step reads.
      length: how many tokens to make.
      end: a row that has made this token repeats it from there on.

    Returns:
      The carry after the last step, and the tokens `[*batch, length]` int32, without the one given.

    Raises:
      InputError: a length below 1.
    """
    return _loop(step, carry, token, length, end, lambda logits, _: jnp.argmax(logits, -1), None)


def sample(
    step: Step,
    carry: PyTree,
    token: Array,
    key: Array,
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    end: int | None = None,
) -> tuple[PyTree, Array]:
    """A random token at each step, from the model's distribution or from what `restricted` leaves of it.

    Args:
      step: `(carry, token) -> (carry, logits)`.
      carry: the state before the first step.
      token: `[*batch]` ints, what the first step reads.
      key: from `jax.random.key`; step t draws with the key folded with t.
      length: how many tokens to make.
      temperature: what the logits are divided by; 0 is `greedy`.
      top_k: leaves the likeliest tokens, so many at most.
      top_p: leaves the likeliest tokens that together have at least this probability (Holtzman et al. 2020,
        arXiv:1904.09751).
      end: a row that has made this token repeats it from there on.

    Returns:
      The carry after the last step, and the tokens `[*batch, length]` int32, without the one given.

    Raises:
      InputError: a length below 1, a temperature below 0, `top_k` below 1, or `top_p` outside (0, 1].
    """
    check_sampling(temperature, top_k, top_p)
    if not isinstance(temperature, Tracer) and temperature == 0:
        return greedy(step, carry, token, length, end=end)

    def pick(logits, key):
        return jax.random.categorical(key, restricted(logits, temperature, top_k, top_p), -1)

    return _loop(step, carry, token, length, end, pick, key)


def restricted(logits: Array, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None) -> Array:
    """Logits to draw from: divided by the temperature, and minus infinity for what is left out.

    The temperature acts first, then `top_k`, then `top_p` on the probabilities of what is left. Of equally likely
    tokens the first are kept, so that never more than `top_k` are left.

    Args:
      logits: `[*batch, classes]`.
      temperature: a number > 0.
      top_k: leaves the likeliest tokens, so many at most.
      top_p: leaves the smallest set of likeliest tokens whose probabilities sum to at least this.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    logits = (logits - jnp.max(logits, -1, keepdims=True)) / temperature
    if isinstance(top_p, int | float) and top_p >= 1:
        top_p = None
    if top_k is None and top_p is None:
        return logits
    order = jnp.argsort(-logits, axis=-1, stable=True)
    falling = jnp.take_along_axis(logits, order, -1)
    keep = jnp.arange(logits.shape[-1]) < (logits.shape[-1] if top_k is None else top_k)
    falling = jnp.where(keep, falling, -jnp.inf)
    if top_p is not None:
        shares = jax.nn.softmax(falling, -1)
        before = jnp.cumsum(shares, -1) - shares  # the first token has none before it, and always stays
        falling = jnp.where(before < top_p, falling, -jnp.inf)
    places = jnp.argsort(order, axis=-1)
    return jnp.take_along_axis(falling, places, -1)


def check_sampling(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raises `InputError` unless these say how to sample. A traced temperature or `top_p` is taken as it is."""
    if not isinstance(temperature, Tracer):
        check(0 <= temperature < float("inf"), "temperature", temperature, "a number >= 0")
    valid = top_k is None or (isinstance(top_k, int) and not isinstance(top_k, bool) and top_k >= 1)
    check(valid, "top_k", top_k, "a positive int, or None")
    if top_p is not None and not isinstance(top_p, Tracer):
        check(0 < top_p <= 1, "top_p", top_p, "a probability in (0, 1], or None")


def _loop(step, carry, token, length, end, pick, key):
    check(isinstance(length, int) and length >= 1, "length", length, "a positive int")
    token = jnp.asarray(token, jnp.int32)

    def advance(state, index):
        carry, token = state
        carry, logits = step(carry, token)
        picked = pick(logits, None if key is None else jax.random.fold_in(key, index)).astype(jnp.int32)
        if end is not None:
            picked = jnp.where(token == end, end, picked)
        return (carry, picked), picked

    (carry, _), tokens = jax.lax.scan(advance, (carry, token), jnp.arange(length))
    return carry, jnp.moveaxis(tokens, 0, -1)
