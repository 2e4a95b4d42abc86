"""What a report shows of a tagger: its mistakes, and sentences coloured by what the network does at their words."""

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
    from rnnjax.applications.tag import Tag, TaggedSentence

PyTree = Any

_SHOWN = 4
_LENGTHS = range(6, 31)  # words of a sentence that is shown


def tags_section(application: Tag, model: nn.Module, params: PyTree) -> Section:
    """Which tags of the test split are taken for which, and the precision and recall of each."""
    wanted = np.concatenate([example.tags for example in application.examples("test")])
    given = np.concatenate([np.asarray(row) for row in application.evaluate(model, params, "test").answers])
    names = application.tags
    matrix = metrics.confusion_matrix(given, wanted, classes=len(names))
    right, due, answered = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    share = lambda part, whole: f"{part / whole:.3f}" if whole else "–"  # noqa: E731
    rows = [
        [name, f"{due[i]:,}", share(right[i], answered[i]), share(right[i], due[i])] for i, name in enumerate(names)
    ]
    table = (("tag", "words", "precision", "recall"), rows)
    figures = (("The tags of the test split: a row a tag.", confusion_figure(matrix, names)),)
    return Section("Tags on the test split", "Which tags are taken for which.", figures, (table,))


def words_section(application: Tag, model: nn.Module, params: PyTree) -> Section:
    """Sentences from all over the test split, with what the network does at their words."""
    examples = application.examples("test")
    fitting = [example for example in examples if len(example.words) in _LENGTHS] or list(examples)
    places = np.linspace(0, len(fitting) - 1, min(_SHOWN, len(fitting))).round().astype(int)
    chosen = [fitting[place] for place in places]
    figures, shown = [], explained(application, model, params, chosen)
    for example, found in zip(chosen, shown, strict=True):
        words, true = example.text.tolist(), application.tags[example.tags[found.place]]
        caption = (
            f"The least certain tag is that of {words[found.place]!r}, word {found.place + 1}. True: {true}; "
            f"said: {found.said} (probability {found.probability:.2f})."
        )
        figures.append((caption, coloured(words, found.values)))
    told = (
        "Sentences evenly from the whole test split. First the share of each word, its spelling included, in the tag "
        "that the network is least certain of, as gradient times input: orange speaks for that tag, blue against it. "
    )
    cell: Any = getattr(model, "cell", None)
    told += told_of(cell, any("gate" in name for name in shown[0].values))
    return Section("Sentences, word by word", told, tuple(figures))


class ExplainedTag(NamedTuple):
    """What a network does at each word of a sentence.

    Attributes:
      values: by name, `[words]`: the share of each word in the least certain tag, each gate, and a unit.
      place: the word with that tag, the first being 0.
      said: the tag that is said of it.
      probability: its probability.
    """

    values: dict[str, np.ndarray]
    place: int
    said: str
    probability: float


def explained(
    application: Tag, model: nn.Module, params: PyTree, examples: Sequence[TaggedSentence]
) -> list[ExplainedTag]:
    """What the network does at each word of sentences.

    The share of a word is `sum_i x_i d(l_said - log sum exp of the others)/dx_i` over its vector x, of the scores l of
    the word whose tag is least certain.
    """
    counts = np.array([len(example.words) for example in examples])
    batch = application.collate(list(examples), int(counts.max()))
    odds, places, vectors, slopes, states = map(np.asarray, _looked_into(model)(params, batch))
    gates = gate_means(getattr(model, "cell"), params["layer"], jnp.asarray(vectors), counts)  # noqa: B009
    found = []
    for row, (count, place) in enumerate(zip(counts.tolist(), places.tolist(), strict=True)):
        said = int(odds[row, place].argmax())
        word = str(examples[row].text[place])
        values = {
            f"share in {application.tags[said]} of {word!r}": (slopes[row] * vectors[row]).sum(-1)[:count],
        }
        for name, means in gates.items():
            values[name] = means[row, :count] - means[row, :count].mean()
        unit = int(np.argmax(states[row, :count].std(0)))
        values[f"output of unit {unit}"] = states[row, :count, unit]
        found.append(ExplainedTag(values, place, application.tags[said], float(odds[row, place, said])))
    return found


@functools.lru_cache(maxsize=4)
def _looked_into(model: nn.Module) -> Any:
    """Probabilities, the least certain words, the vectors of words, slopes of its margin in them, and the outputs."""

    def run(params: PyTree, batch: Batch, added: jax.Array | None) -> tuple[jax.Array, Any]:
        variables = {"params": params} | ({} if added is None else {"perturbations": {"features": added}})
        outcome: Any = model.apply(variables, batch.inputs, batch.lengths, mutable=["intermediates"])
        (_, scores), sown = outcome
        return scores, sown["intermediates"]

    def look(params: PyTree, batch: Batch) -> tuple[jax.Array, ...]:
        scores, sown = run(params, batch, None)
        odds, vectors = jax.nn.softmax(scores), sown["vectors"][0]
        places = jnp.argmin(jnp.where(batch.mask > 0, odds.max(-1), 2), -1)

        def margin(added: jax.Array) -> jax.Array:
            one = jnp.take_along_axis(run(params, batch, added)[0], places[:, None, None], 1)[:, 0]
            said = jnp.arange(one.shape[-1]) == one.argmax(-1, keepdims=True)
            margins = jnp.where(said, one, 0).sum(-1) - jax.nn.logsumexp(jnp.where(said, -jnp.inf, one), -1)
            return margins.sum()  # sentences do not touch each other

        slopes = jax.grad(margin)(jnp.zeros_like(vectors))
        return odds, places, vectors, slopes, sown["states"][0]

    return jax.jit(look)
