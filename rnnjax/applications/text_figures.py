"""What a report shows of a model that labels texts: its mistakes, and texts coloured by what the network does there."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import metrics
from rnnjax.analysis.figures_models import confusion_figure
from rnnjax.applications.token_figures import coloured, gate_means, told_of
from rnnjax.report import Section
from rnnjax.tasks import Batch

if TYPE_CHECKING:
    from rnnjax.applications.text_classification import LabelledTokens, TextClassification

PyTree = Any

_SHOWN = 4
_LONGEST = 90  # tokens of a text that is shown


def confusion_section(application: TextClassification, model: nn.Module, params: PyTree) -> Section:
    """Which labels of the test split are mistaken for which."""
    found = application.evaluate(model, params, "test")
    labels = application.labels
    truth = [example.label for example in application.examples("test")]
    matrix = metrics.confusion_matrix(found.answers, truth, classes=len(labels))
    numbers = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in sorted(found.metrics.items()))
    figure = confusion_figure(matrix, labels)
    return Section("Mistakes", f"On the test split: {numbers}.", (("The test split, by label.", figure),))


def words_section(application: TextClassification, model: nn.Module, params: PyTree) -> Section:
    """Texts from all over the test split that are short enough, each with what the network does at its tokens."""
    examples = application.examples("test")
    fitting = [example for example in examples if len(example.ids) <= _LONGEST]
    fitting = fitting or sorted(examples, key=lambda example: len(example.ids))[:_SHOWN]
    places = np.linspace(0, len(fitting) - 1, min(_SHOWN, len(fitting))).round().astype(int)
    chosen = [fitting[place] for place in places]  # labels may stand together, so not the first ones
    figures, shown = [], explained(application, model, params, chosen)
    for example, found in zip(chosen, shown, strict=True):
        true = application.labels[example.label]
        caption = f"True: {true}; said: {found.said} (probability {found.probability:.2f})."
        figures.append((caption, coloured(application.tokens(example.text), found.values)))
    told = (
        f"Texts of at most {_LONGEST} tokens, evenly from the whole test split. First the share of each token in what "
        "was said, as gradient times input: orange speaks for it, blue against. "
    )
    cell: Any = getattr(model, "cell", None)
    told += told_of(cell, any("gate" in name for name in shown[0].values))
    return Section("Texts, token by token", told, tuple(figures))


class Explained(NamedTuple):
    """What a network does at each token of a text.

    Attributes:
      values: by name, `[tokens]`: the token's share in what is said, each gate, and a unit.
      said: the label that is said.
      probability: its probability.
    """

    values: dict[str, np.ndarray]
    said: str
    probability: float


def explained(
    application: TextClassification, model: nn.Module, params: PyTree, examples: Sequence[LabelledTokens]
) -> list[Explained]:
    """What the network does at each token of texts.

    The share of a token is `sum_i x_i d(l_said - log sum exp of the others)/dx_i` over its vector x.
    """
    counts = [len(example.ids) for example in examples]
    batch = application.collate(list(examples), max(counts))
    odds, vectors, slopes, read, states = map(np.asarray, _looked_into(model)(params, batch))
    stride = -(-max(counts) // states.shape[1])  # tokens a step, more than one behind a convolution
    lengths = np.array([-(-count // stride) for count in counts])
    gates = gate_means(getattr(model, "cell"), params["recurrent"], jnp.asarray(read), lengths)  # noqa: B009
    found = []
    for row, count in enumerate(counts):
        said = int(odds[row].argmax())
        steps = -(-count // stride)
        values = {f"share in {application.labels[said]!r}": (slopes[row] * vectors[row]).sum(-1)[:count]}
        for name, means in gates.items():
            own = means[row, :steps]
            values[name] = np.repeat(own - own.mean(), stride)[:count]
        unit = int(np.argmax(states[row, :steps].std(0)))
        values[f"output of unit {unit}"] = np.repeat(states[row, :steps, unit], stride)[:count]
        found.append(Explained(values, application.labels[said], float(odds[row, said])))
    return found


@functools.lru_cache(maxsize=4)
def _looked_into(model: nn.Module) -> Any:
    """Probabilities, the vectors of words, slopes of the margin in them, what the cell reads, and its outputs."""

    def look(params: PyTree, batch: Batch) -> tuple[jax.Array, ...]:
        def margin(added: jax.Array) -> tuple[jax.Array, Any]:
            variables = {"params": params, "perturbations": {"features": added}}
            outcome: Any = model.apply(variables, batch.inputs, batch.lengths, mutable=["intermediates"])
            (_, logits), sown = outcome
            said = jnp.arange(logits.shape[-1]) == logits.argmax(-1, keepdims=True)
            margins = jnp.where(said, logits, 0).sum(-1) - jax.nn.logsumexp(jnp.where(said, -jnp.inf, logits), -1)
            return margins.sum(), (jax.nn.softmax(logits), sown["intermediates"])  # rows do not touch each other

        outcome: Any = model.apply({"params": params}, batch.inputs, batch.lengths, mutable=["intermediates"])
        vectors = outcome[1]["intermediates"]["vectors"][0]
        slopes, (odds, sown) = jax.grad(margin, has_aux=True)(jnp.zeros_like(vectors))
        return odds, vectors, slopes, sown["read"][0], sown["states"][0]

    return jax.jit(look)
