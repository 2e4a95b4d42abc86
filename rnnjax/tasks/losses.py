"""What one target costs, and the mean over the targets that count. All in float32 or wider."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

Array = jax.Array


def masked_mean(values: Array, mask: Array) -> Array:
    """The mean of `values` where `mask` is 1, both of the same shape; 0 where nothing counts.

    A value that does not count may be anything, NaN included.
    """
    values = jnp.where(mask > 0, _wide(values), 0)
    return jnp.sum(values) / jnp.maximum(jnp.sum(mask), 1)


def cross_entropy(logits: Array, targets: Array) -> Array:
    """`-log softmax(logits)[target]` in nats: `[..., classes]` and int `[...]` to `[...]`."""
    return optax.softmax_cross_entropy_with_integer_labels(_wide(logits), targets)


def binary_cross_entropy(logits: Array, bits: Array) -> Array:
    """Mean over the last axis of `-log p(bit)`, `p(1) = sigmoid(logit)`, in nats a bit: `[..., bits]` to `[...]`."""
    return optax.sigmoid_binary_cross_entropy(_wide(logits), bits).mean(-1)


def squared_error(outputs: Array, targets: Array) -> Array:
    """Mean over the last axis of `(output - target)^2`: `[..., outputs]` to `[...]`."""
    return jnp.square(_wide(outputs) - targets).mean(-1)


def target_probability(logits: Array, targets: Array) -> Array:
    """`softmax(logits)[target]`: `[..., classes]` and int `[...]` to `[...]`."""
    return jnp.exp(-cross_entropy(logits, targets))


def misclassified(logits: Array, targets: Array) -> Array:
    """1 where the largest logit is not the target's, else 0: `[..., classes]` and int `[...]` to float32 `[...]`.

    Where a logit is NaN, no class was named: 1.
    """
    return ((jnp.argmax(logits, -1) != targets) | jnp.isnan(logits).any(-1)).astype(jnp.float32)


def legal_first(outputs: Array, legal: Array) -> Array:
    """Whether all symbols that are legal have larger outputs than all others: `[..., symbols]` twice to bool `[...]`.

    Where an output is NaN, they have not.
    """
    least = jnp.min(jnp.where(legal > 0, outputs, jnp.inf), -1)
    most = jnp.max(jnp.where(legal > 0, -jnp.inf, outputs), -1)
    return (least > most) & ~jnp.isnan(outputs).any(-1)  # compiled, least and most may pass over NaN


def _wide(values: Array) -> Array:
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))
