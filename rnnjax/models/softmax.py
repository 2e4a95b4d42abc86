"""A softmax over many classes, trained on a sample of them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import check

Array = jax.Array


def log_uniform(classes: int) -> np.ndarray:
    """A proposal for classes sorted from the most to the least frequent, near Zipf's law: `[classes]` float64.

        q_k = log((k + 2) / (k + 1)) / log(classes + 1),   k = 0, 1, ...

    Raises:
      InputError: no class.
    """
    check(classes >= 1, "classes", classes, "a positive int")
    edges = np.log(np.arange(1, classes + 2))
    return np.diff(edges) / edges[-1]


def unigram(counts: Any, power: float = 1.0) -> np.ndarray:
    """A proposal in proportion to how often each class occurs, to a power: `[classes]` float64.

    A class that does not occur gets the share of one that occurs once, so that each can be drawn.

    Raises:
      InputError: counts that are no list of numbers >= 0.
    """
    counts = np.asarray(counts, np.float64)
    valid = counts.ndim == 1 and counts.size > 0 and bool(np.all(counts >= 0))
    check(valid, "counts", f"shape {counts.shape}", "[classes] of numbers >= 0")
    weights = np.maximum(counts, 1) ** power
    return weights / weights.sum()


def draw(key: Array, proposal: Any, count: int) -> Array:
    """So many classes from a proposal, independently, `[count]` int32: one may come more than once.

    Args:
      key: from `jax.random.key`.
      proposal: `[classes]` probabilities.
      count: how many.
    """
    known = isinstance(proposal, np.ndarray)  # or the compiler would sum up a long constant, for seconds
    rising = jnp.asarray(np.cumsum(proposal) if known else jnp.cumsum(proposal), jnp.float32)
    place = jax.random.uniform(key, (count,)) * rising[-1]
    return jnp.minimum(jnp.searchsorted(rising, place, side="right"), rising.shape[0] - 1).astype(jnp.int32)


def sampled_softmax(
    hidden: Array, kernel: Array, bias: Array, targets: Array, samples: Array, log_counts: Array
) -> Array:
    """The cross-entropy of a softmax whose sum over the classes is estimated from some of them.

        s_k = <w_k, h> + b_k
        Z ≈ exp(s_y) + sum over samples k ≠ y of exp(s_k - log c_k),   loss = log Z - s_y

    c_k is how often class k is expected among the samples: `count * q_k` for independent draws from q. The estimate of
    Z has no bias; with each class sampled once (c = 1) it is exact, and with more and more samples the loss and its
    gradient tend to those of the full softmax. For a finite sample the logarithm of the estimate lies below that of Z
    in the mean, so that a figure to report is taken from the full softmax.

    Bengio & Senécal 2008, doi:10.1109/TNN.2007.912312; Jean et al. 2015, arXiv:1412.2007.

    Args:
      hidden: `[*batch, features]`.
      kernel: `[classes, features]`, a row a class.
      bias: `[classes]`.
      targets: `[*batch]` ints.
      samples: `[samples]` ints, shared by all targets.
      log_counts: `[samples]`, log c of each.

    Returns:
      The loss of each target in nats, `[*batch]`, in float32 or wider.
    """
    wide = jnp.promote_types(hidden.dtype, jnp.float32)
    right = jnp.sum(hidden * kernel[targets], -1, dtype=wide) + bias[targets]
    others = (hidden @ kernel[samples].T).astype(wide) + (bias[samples] - log_counts)
    others = jnp.where(
        samples == targets[..., None], -1e30, others
    )  # infinity has no derivative where all are left out
    return jnp.logaddexp(right, jax.nn.logsumexp(others, -1)) - right
