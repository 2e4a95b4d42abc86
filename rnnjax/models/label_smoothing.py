"""Cross-entropy with a target that leaves other words a chance."""

from __future__ import annotations

import jax
import jax.numpy as jnp

Array = jax.Array


def smoothed_cross_entropy(logits: Array, targets: Array, smoothing: float = 0.0) -> Array:
    """The cross-entropy in nats with a target of `1 - smoothing` on its word and `smoothing` over all words alike.

    Szegedy et al. 2016, arXiv:1512.00567, sec. 7; in translation, Vaswani et al. 2017, arXiv:1706.03762, sec. 5.4.

    Args:
      logits: `[*shape, words]`.
      targets: `[*shape]` ints.
      smoothing: a share; 0 is the plain cross-entropy.

    Returns:
      `[*shape]`, of float32 or wider.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    whole = jax.nn.logsumexp(logits, axis=-1)
    right = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    if not smoothing:
        return whole - right
    return whole - (1 - smoothing) * right - smoothing * logits.mean(axis=-1)
