"""Metrics of probabilities given to sequences: negative log likelihood, perplexity, bits a character.

All take losses in nats, one a target, as the cross-entropy of a softmax gives them.
"""

from __future__ import annotations

import math

import numpy as np

from rnnjax.metrics.counting import Rows, counted, numbers


def nll(losses: Rows, mask: Rows | None = None) -> float:
    """The mean of the negative log likelihoods, in nats a target.

    Args:
      losses: `-log p(target)` in nats, one a target: an array of any shape, or rows that differ in length. A frame of
        several bits is one target, with the sum of their losses.
      mask: of the same shape, above zero where a target counts.

    Raises:
      InputError: nothing counts, a loss that counts is not finite, or shapes that differ.
    """
    values, _ = counted(losses, losses, mask)
    return float(np.mean(numbers("losses", values)))


def perplexity(losses: Rows, mask: Rows | None = None) -> float:
    """`exp` of the mean loss: how many equally likely choices the model was left with; infinite beyond floats.

    Args:
      losses: `-log p(target)` in nats, one a target, or their mean as one number.
      mask: of the same shape, above zero where a target counts.

    Raises:
      InputError: as `nll`.
    """
    mean = nll(losses, mask)
    return math.exp(mean) if mean < 709 else math.inf


def bits_per_character(losses: Rows, mask: Rows | None = None) -> float:
    """The mean loss in bits: nats divided by ln 2.

    Args:
      losses: `-log p(character)` in nats, one a character, or their mean as one number.
      mask: of the same shape, above zero where a target counts.

    Raises:
      InputError: as `nll`.
    """
    return nll(losses, mask) / math.log(2)
