"""Connectionist temporal classification: labels for sequences whose alignment is unknown.

Graves et al. 2006, doi:10.1145/1143844.1143891. Class 0 is the blank; a path of one class a step stands for the
labelling that is left when repetitions and then blanks are taken out of it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnjax.errors import check

Array = jax.Array

BLANK = 0
_NONE = -1e30  # the logarithm of zero, finite so that sums of it make no NaN


def ctc_loss(logits: Array, lengths: Array, labels: Array) -> Array:
    """The negative log-probability of each labelling, the sum over all paths that stand for it, in nats.

    Args:
      logits: `[batch, time, 1 + classes]`.
      lengths: `[batch]`, the valid steps of each row.
      labels: `[batch, most]` ints, 0 from the end of a labelling on.

    Returns:
      `[batch]`, float32 or wider. A row with too few steps for its labels (`least_steps`) costs about 1e5.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    beyond = (jnp.arange(logits.shape[1]) >= lengths[:, None]).astype(logits.dtype)
    return optax.ctc_loss(logits, beyond, labels, (labels == BLANK).astype(logits.dtype), blank_id=BLANK)


def least_steps(labels: Iterable[int]) -> int:
    """How many steps the shortest path of a labelling takes: one a label, and a blank between two that are equal."""
    labels = list(labels)
    return len(labels) + sum(a == b for a, b in itertools.pairwise(labels))


class Labelling(NamedTuple):
    """Labels found.

    Attributes:
      labels: `[batch, most]` int32, 0 from the end of a labelling on.
      lengths: `[batch]` int32, the number of labels.
      log_probability: `[batch]`, of the path ("greedy") or of the labelling as far as the search summed it.
    """

    labels: Array
    lengths: Array
    log_probability: Array


def greedy_labelling(logits: Array, lengths: Array) -> Labelling:
    """What the likeliest path stands for, which need not be the likeliest labelling.

    Args:
      logits: `[batch, time, 1 + classes]`.
      lengths: `[batch]`.
    """
    logs = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
    path = jnp.argmax(logs, -1)
    valid = jnp.arange(path.shape[1]) < lengths[:, None]
    before = jnp.pad(path, [(0, 0), (1, 0)], constant_values=BLANK)[:, :-1]
    kept = valid & (path != BLANK) & (path != before)
    order = jnp.argsort(~kept, axis=1, stable=True)  # those kept first, in their order
    count = kept.sum(1)
    labels = jnp.where(jnp.arange(path.shape[1]) < count[:, None], jnp.take_along_axis(path, order, 1), BLANK)
    best = jnp.sum(jnp.where(valid, logs.max(-1), 0), 1)
    return Labelling(labels.astype(jnp.int32), count.astype(jnp.int32), best)


def likeliest_labelling(logits: Array, lengths: Array, labellings: Array) -> Array:
    """Which of some labellings is the likeliest of each row, `[batch]` int32; all their alignments count.

    Args:
      logits: `[batch, time, 1 + classes]`.
      lengths: `[batch]`.
      labellings: `[known, most]` ints, 0 from the end of a labelling on.
    """

    def cost(labels: Array) -> Array:
        return ctc_loss(logits, lengths, jnp.broadcast_to(labels, (logits.shape[0], labels.shape[0])))

    return jnp.argmin(jax.vmap(cost)(jnp.asarray(labellings)), 0).astype(jnp.int32)


class _Beam(NamedTuple):
    """Prefixes `[width, most]` with their lengths, and the log-probabilities of paths that end in a blank or not."""

    prefixes: Array
    lengths: Array
    blank: Array
    label: Array


def beam_labelling(logits: Array, lengths: Array, width: int = 8, most: int | None = None) -> Labelling:
    """The likeliest labelling that a search over prefixes finds, keeping so many of them at each step.

    Each prefix carries the summed probability of the paths that stand for it, so that unlike the likeliest path the
    result counts all alignments (Hannun et al. 2014, arXiv:1408.2873, algorithm 1, without a language model). With a
    width of all labellings it is exact. Pure and jittable; `width` and `most` are static.

    Args:
      logits: `[batch, time, 1 + classes]`.
      lengths: `[batch]`.
      width: prefixes kept.
      most: labels at most; `None` is the time. A prefix of that length grows no further.

    Raises:
      InputError: a width or a number of labels below 1.
    """
    check(isinstance(width, int) and width >= 1, "width", width, "a positive int")
    most = logits.shape[1] if most is None else most
    check(isinstance(most, int) and most >= 1, "most", most, "a positive int, or None")
    logs = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
    return jax.vmap(functools.partial(_search, width=width, most=most))(logs, lengths)


def _search(logs: Array, length: Array, *, width: int, most: int) -> Labelling:
    start = _Beam(
        prefixes=jnp.zeros((width, most), jnp.int32),
        lengths=jnp.zeros(width, jnp.int32),
        blank=jnp.full(width, _NONE, logs.dtype).at[0].set(0),
        label=jnp.full(width, _NONE, logs.dtype),
    )

    def advance(beam: _Beam, now: tuple[Array, Array]) -> tuple[_Beam, None]:
        t, log = now
        grown = _grown(beam, log, most)
        return jax.tree.map(lambda new, old: jnp.where(t < length, new, old), grown, beam), None

    beam, _ = jax.lax.scan(advance, start, (jnp.arange(len(logs)), logs))
    total = jnp.logaddexp(beam.blank, beam.label)
    best = jnp.argmax(total)
    return Labelling(beam.prefixes[best], beam.lengths[best], total[best])


def _grown(beam: _Beam, log: Array, most: int) -> _Beam:
    """The likeliest prefixes after one more step with these log-probabilities `[1 + classes]`."""
    width, classes = len(beam.lengths), len(log)
    total = jnp.logaddexp(beam.blank, beam.label)
    places = jnp.arange(most)
    last = jnp.take_along_axis(beam.prefixes, jnp.maximum(beam.lengths - 1, 0)[:, None], 1)[:, 0]

    # A prefix stays as it is by a blank, or by its last label once more.
    stays_blank = total + log[BLANK]
    stays_label = jnp.where(beam.lengths > 0, beam.label + log[last], _NONE)
    # It grows by any label; by its last one only over a blank.
    onward = jnp.where(jnp.arange(classes) == last[:, None], beam.blank[:, None], total[:, None]) + log
    onward = onward.at[:, BLANK].set(_NONE)
    onward = jnp.where((beam.lengths < most)[:, None], onward, _NONE)

    # Where prefix j grows into prefix i, which is kept already, its paths are i's. Prefixes that no path leads to
    # (what fills the beam at the start) are nobody's.
    alike = (beam.prefixes[:, None] == beam.prefixes[None]) | (places >= beam.lengths[None, :, None])
    into = alike.all(-1) & (beam.lengths[:, None] == beam.lengths[None] + 1)  # [i, j]: i is j and one label more
    into &= (total > _NONE / 2)[:, None] & (total > _NONE / 2)[None]
    joined = jnp.where(into, onward[jnp.arange(width)[None], last[:, None]], _NONE)
    stays_label = jnp.logaddexp(stays_label, jax.nn.logsumexp(joined, axis=1))
    taken = (into[:, :, None] & (jnp.arange(classes) == last[:, None, None])).any(0)
    onward = jnp.where(taken, _NONE, onward)

    scores = jnp.concatenate([jnp.logaddexp(stays_blank, stays_label), onward.reshape(-1)])
    _, chosen = jax.lax.top_k(scores, width)
    grew = chosen >= width
    parent = jnp.where(grew, (chosen - width) // classes, chosen)
    label = (chosen - width) % classes
    lengths = beam.lengths[parent]
    prefixes = jnp.where(grew[:, None] & (places == lengths[:, None]), label[:, None], beam.prefixes[parent])
    return _Beam(
        prefixes=prefixes.astype(jnp.int32),
        lengths=lengths + grew,
        blank=jnp.where(grew, _NONE, stays_blank[parent]),
        label=jnp.where(grew, onward[parent, label], stays_label[parent]),
    )
