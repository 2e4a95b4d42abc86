"""What a report shows of a model of spoken words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import numpy as np

from rnnjax import metrics
from rnnjax.data.spectral import MFCC
from rnnjax.report import Section

if TYPE_CHECKING:
    from rnnjax.applications.speech import Speech

_SHOWN = 3


def confusion_section(speech: Speech, model: nn.Module, params: Any) -> Section:
    """Which words of the test split are taken for which."""
    from rnnjax.analysis.figures_models import confusion_figure

    answers, labels = speech.evaluate(model, params, "test").answers, speech.fitted()["labels"]
    said = [example.label for example in speech.examples("test")]
    figure = confusion_figure(metrics.confusion_matrix(answers, said, classes=labels), labels)
    return Section("Which words are mistaken", "", (("Recordings of the test split.", figure),))


def letters_section(speech: Speech, model: nn.Module, params: Any) -> Section:
    """The first recording of the first few labels in the test split: what is heard when."""
    from rnnjax.analysis.figures_speech import alignment_figure

    first = {example.label: example for example in reversed(speech.examples("test"))}
    transform = speech.transform(speech.fitted()["rate"])
    hop = transform.mel.hop if isinstance(transform, MFCC) else transform.hop
    figures = []
    for label in sorted(first)[:_SHOWN]:
        example = first[label]
        batch = speech.collate([example], len(example.features))
        outcome: Any = model.apply({"params": params}, batch.inputs, batch.lengths)
        shares = np.asarray(jax.nn.softmax(outcome[1], -1))[0]
        caption = f"{example.name}, recognised as {speech.answers(outcome[1], batch)[0]!r}."
        figures.append((caption, alignment_figure(example.features, shares, speech.fitted()["letters"], hop)))
    text = "Above the features, below the probability of each letter in each frame; the blank is not drawn."
    return Section("Letters in time", text, tuple(figures))
