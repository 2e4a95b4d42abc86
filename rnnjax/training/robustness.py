"""What a trained model is worth when its inputs are disturbed: noise, an attack, words that are missing or wrong."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.applications import Application
from rnnjax.errors import InputError, check, check_choice
from rnnjax.report import Section
from rnnjax.tasks import Batch

Array = jax.Array
PyTree = Any

FEATURES = "features"
"""The name under which a model passes through `self.perturb` what its first layer reads."""


class Disturbed(NamedTuple):
    """A model's worth under a disturbance: its kind, its strength, and the metrics."""

    kind: str
    strength: float
    metrics: dict[str, float]


def shifted(model: nn.Module, params: PyTree, batch: Batch, shifts: PyTree) -> PyTree:
    """The model's outputs where `shifts` are added to its features; of the structure of `no_shifts`. Pure."""
    outcome: Any = model.apply({"params": params, "perturbations": shifts}, batch.inputs, batch.lengths)
    return outcome[1]


def no_shifts(model: nn.Module, batch: Batch) -> PyTree:
    """Zeros of the structure and shapes of what a model lets one add to its values on this batch.

    Raises:
      InputError: a model that passes no features through `self.perturb`.
    """
    start = functools.partial(model.init, jax.random.key(0))
    shapes = jax.eval_shape(start, batch.inputs, batch.lengths).get("perturbations", {})
    named = [path for path, _ in jax.tree_util.tree_leaves_with_path(shapes) if _is_feature(path)]
    check(bool(named), "model", type(model).__name__, f"a model with self.perturb({FEATURES!r}, ...)")
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def noisy(model: nn.Module, params: PyTree, batch: Batch, key: Array, std: float | Array) -> PyTree:
    """The outputs under Gaussian noise on the features: `x + std * N(0, 1)`, in the units of the features. Pure.

    Args:
      model: passes its features through `self.perturb("features", x)`.
      params: its parameters.
      batch: whose inputs are disturbed.
      key: from `jax.random.key`.
      std: the standard deviation.
    """
    zeros = no_shifts(model, batch)

    def draw(path, leaf, number):
        noise = jax.random.normal(jax.random.fold_in(key, number), leaf.shape, leaf.dtype)
        return jnp.asarray(std, leaf.dtype) * noise if _is_feature(path) else leaf

    paths, structure = jax.tree_util.tree_flatten_with_path(zeros)
    return shifted(model, params, batch, structure.unflatten([draw(*leaf, i) for i, leaf in enumerate(paths)]))


def fgsm(
    model: nn.Module,
    params: PyTree,
    batch: Batch,
    loss: Callable[[PyTree, Batch], Array],
    epsilon: float | Array,
) -> PyTree:
    """The outputs under an attack that knows the model: each feature is moved to where the loss grows. Pure.

        x' = x + epsilon sign(dL / dx)

    The fast gradient sign method, Goodfellow, Shlens & Szegedy 2015, arXiv:1412.6572, section 4. To first order the
    loss grows by epsilon |dL / dx|_1, the most that is possible where no feature moves by more than epsilon.

    Args:
      model: passes its features through `self.perturb("features", x)`.
      params: its parameters.
      batch: with the targets that the attack is to miss.
      loss: `(outputs, batch) -> scalar`.
      epsilon: how far each feature is moved, in the units of the features.
    """
    gradients = feature_gradients(model, params, batch, loss)
    moves = jax.tree.map(lambda leaf: jnp.asarray(epsilon, leaf.dtype) * jnp.sign(leaf), gradients)
    return shifted(model, params, batch, moves)


def feature_gradients(model: nn.Module, params: PyTree, batch: Batch, loss: Callable[[PyTree, Batch], Array]) -> PyTree:
    """The gradient of the loss with respect to the features; zero for whatever else a model lets one add to."""
    gradients = jax.grad(lambda shifts: loss(shifted(model, params, batch, shifts), batch))(no_shifts(model, batch))
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf if _is_feature(path) else jnp.zeros_like(leaf), gradients
    )


def drop_tokens(batch: Batch, key: Array, share: float | Array, *, specials: int = 2, unknown: int = 1) -> Batch:
    """The batch with tokens replaced by the unknown one, each with the same probability. Pure.

    Tokens are the integers `[batch, time]` among the inputs; what belongs to the same steps, such as the characters of
    words, `[batch, time, ...]`, becomes unknown with them.

    Args:
      batch: of token numbers.
      key: from `jax.random.key`.
      share: the probability.
      specials: numbers below this stay, as paddings do.
      unknown: the number of the unknown token.

    Raises:
      InputError: a batch whose inputs are no tokens.
    """
    tokens = _tokens(batch)
    gone = (jax.random.uniform(key, tokens.shape) < share) & (tokens >= specials)

    def replace(leaf):
        here = gone.reshape(*gone.shape, *[1] * (leaf.ndim - 2))
        return jnp.where(here & (leaf >= specials), unknown, leaf)

    return batch._replace(
        inputs=jax.tree.map(lambda leaf: replace(leaf) if _of_steps(leaf, tokens) else leaf, batch.inputs)
    )


def swap_tokens(batch: Batch, key: Array, share: float | Array, *, specials: int = 2) -> Batch:
    """The batch with tokens replaced by others, drawn from those of the batch: wrong words as frequent as right ones.

    Args:
      batch: of token numbers.
      key: from `jax.random.key`.
      share: the probability that a token is replaced, by itself at times.
      specials: numbers below this stay, and are not drawn.

    Raises:
      InputError: a batch whose inputs are no tokens.
    """
    tokens = _tokens(batch)
    which, source = jax.random.split(key)
    ordinary = tokens >= specials
    swapped = (jax.random.uniform(which, tokens.shape) < share) & ordinary
    odds = ordinary.ravel() / jnp.maximum(ordinary.sum(), 1)
    places = jax.random.choice(source, tokens.size, tokens.shape, p=odds)

    def replace(leaf):
        others = leaf.reshape(tokens.size, *leaf.shape[2:])[places]
        return jnp.where(swapped.reshape(*swapped.shape, *[1] * (leaf.ndim - 2)), others, leaf)

    return batch._replace(
        inputs=jax.tree.map(lambda leaf: replace(leaf) if _of_steps(leaf, tokens) else leaf, batch.inputs)
    )


KINDS = ("noise", "fgsm", "dropped", "swapped")
"""Gaussian noise and the attack on features; tokens unknown and tokens wrong."""


def robustness(
    application: Application,
    model: nn.Module,
    params: PyTree,
    strengths: Mapping[str, Sequence[float]],
    split: str = "test",
    *,
    seed: int = 0,
    batch_size: int = 64,
    limit: int | None = None,
    examples: Sequence[Any] | None = None,
) -> list[Disturbed]:
    """What a model is worth on a split, undisturbed and under each disturbance at each strength.

    An application that evaluates in a way of its own (by decoding, or with a state that is handed on) reports its loss,
    batch by batch, alone.

    Args:
      application: whose examples, loss and score are used.
      model: of the application.
      params: its parameters.
      strengths: by kind, one of `KINDS`: standard deviations, epsilons, or shares of the tokens.
      split: "train", "validation" or "test".
      seed: of noise and choices.
      batch_size: rows that are computed at a time.
      limit: how many examples, the first ones; `None` is all.
      examples: some of the application's, in the place of the split.

    Returns:
      First the kind "none" at 0, then the kinds in their order.

    Raises:
      InputError: an unknown kind, a negative strength, or a model or inputs that a kind has no meaning for.
    """
    for kind, levels in strengths.items():
        check_choice("strengths", kind, KINDS)
        check(all(level >= 0 for level in levels), f"strengths[{kind!r}]", tuple(levels), "numbers >= 0")
    plan = [("none", 0.0), *((kind, float(level)) for kind, levels in strengths.items() for level in levels)]
    rows = application.examples(split) if examples is None else examples
    return [Disturbed(*at, _worth(application, model, params, *at, rows, seed, batch_size, limit)) for at in plan]


def evaluates_in_its_own_way(application: Application) -> bool:
    """Whether an application decodes, say, or hands a state on where it evaluates: not batch by batch as others do."""
    return type(application).evaluate is not Application.evaluate


_TOLD = {
    "noise": "Noise is Gaussian, of that standard deviation, on what the first layer reads.",
    "fgsm": "The fast gradient sign method (fgsm) moves each feature of that by so much to where the loss grows.",
    "dropped": "Dropped is the share of the words made unknown.",
    "swapped": "Swapped is the share of the words replaced by others.",
}


def robustness_section(
    found: Sequence[Disturbed], metric: str, baseline: float | None = None, note: str = ""
) -> Section:
    """A report's part on `robustness`: a curve of the metric (or the loss) for each kind, and a table of all metrics.

    A note is said before the rest.
    """
    from rnnjax.analysis.figures_models import robustness_figure

    metric = metric if all(metric in row.metrics for row in found) else "loss"
    rows = {kind: [row for row in found if row.kind == kind] for kind in dict.fromkeys(row.kind for row in found)}
    clean = next((row.metrics[metric] for row in rows.pop("none", [])), None)
    curves = {kind: ([row.strength for row in of], [row.metrics[metric] for row in of]) for kind, of in rows.items()}
    names = list(dict.fromkeys(name for row in found for name in row.metrics))
    lines = [
        [row.kind, f"{row.strength:g}", *(f"{row.metrics[name]:.4g}" if name in row.metrics else "" for name in names)]
        for row in found
    ]
    text = " ".join(part for part in (note, *(_TOLD[kind] for kind in curves)) if part)
    figures = ()
    if curves:
        figures = ((f"{metric} by strength.", robustness_figure(curves, metric, clean=clean, baseline=baseline)),)
    return Section("Robustness", text, figures, ((["disturbance", "strength", *names], lines),))


def _worth(application, model, params, kind, strength, examples, seed, batch_size, limit) -> dict[str, float]:
    run = _disturbed(application, model, kind)
    own_way = evaluates_in_its_own_way(application)
    answers: list[Any] = []
    total = counted = 0.0
    for number, (batch, real) in enumerate(application.evaluation_batches(examples, batch_size, limit)):
        key = jax.random.fold_in(jax.random.key(seed), number)
        outputs, loss = run(params, batch, key, strength)
        weight = float(np.sum(batch.mask))
        total, counted = total + float(loss) * weight, counted + weight
        if not own_way:
            answers += application.answers(jax.device_get(outputs), batch)[:real]
    scores = {} if own_way else application.score(answers, [examples[i] for i in range(len(answers))])
    return {"loss": total / max(counted, 1), **scores}


@functools.lru_cache(maxsize=32)
def _disturbed(application: Application, model: nn.Module, kind: str) -> Any:
    """`(params, batch, key, strength) -> (outputs, loss)`, compiled once a shape."""

    def run(params, batch, key, strength):
        if kind == "noise":
            outputs = noisy(model, params, batch, key, strength)
        elif kind == "fgsm":
            outputs = fgsm(model, params, batch, application.loss, strength)
        else:
            change = {"dropped": drop_tokens, "swapped": swap_tokens}.get(kind)
            shown = batch if change is None else change(batch, key, strength)
            outcome: Any = model.apply({"params": params}, shown.inputs, shown.lengths)
            outputs = outcome[1]
        return outputs, application.loss(outputs, batch)

    return jax.jit(run)


def _is_feature(path: tuple[Any, ...]) -> bool:
    return bool(path) and getattr(path[-1], "key", None) == FEATURES


def _tokens(batch: Batch) -> Array:
    """The first of the inputs that are integers `[batch, time]`."""
    found = [leaf for leaf in jax.tree.leaves(batch.inputs) if jnp.ndim(leaf) == 2 and _is_integer(leaf)]
    if not found:
        shapes = [f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(batch.inputs)]
        raise InputError("batch.inputs", ", ".join(shapes), "tokens: integers [batch, time]")
    return jnp.asarray(found[0])


def _of_steps(leaf: Any, tokens: Array) -> bool:
    return _is_integer(leaf) and jnp.ndim(leaf) >= 2 and jnp.shape(leaf)[:2] == tokens.shape


def _is_integer(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.integer)
