"""What a report shows of a translation: sentences side by side, and what the decoder attended to."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from rnnjax.analysis.figures_attention import attention_figure
from rnnjax.applications.parallel_text import Example, Languages
from rnnjax.models.encoder_decoder import EncoderDecoder
from rnnjax.report import Section
from rnnjax.tasks import Batch

PyTree = Any


def translations(shown: Sequence[tuple[Example, str]]) -> Section:
    """Sentences with their references and translations."""
    rows = [(example.sentence, example.reference, answer) for example, answer in shown]
    text = f"The first {len(rows)} sentences of the test that are neither short nor long."
    return Section("Translations", text, tables=((("sentence", "reference", "translation"), rows),))


def where_it_looked(
    model: EncoderDecoder, params: PyTree, languages: Languages, written: Sequence[Example], batch: Batch
) -> Section:
    """Maps of attention.

    Args:
      model: with attention.
      params: its parameters.
      languages: of the sentences.
      written: sentences, with what the model made of them as their targets.
      batch: of these.
    """
    run: Any = jax.jit(functools.partial(model.apply, method="weights"))
    weights = np.asarray(run({"params": params}, batch.inputs, batch.lengths))
    figures = []
    for example, row in zip(written, weights, strict=True):
        source, target = languages.pieces(example)
        rows = [*target, "end"]
        figure = attention_figure(row[: len(rows), : len(source)], _marked(source), _marked(rows))
        figures.append((f"{example.sentence} → {example.reference}", figure))
    text = "The shares of the source's pieces (columns) in the attention with which each piece was written (rows)."
    return Section("Attention", text, figures=tuple(figures))


def _marked(pieces: Sequence[str]) -> list[str]:
    """Pieces as labels: a dot in the place of a space, which a figure loses, and a mark where there is no letter."""
    return ["".join(letter if letter.isprintable() else "�" for letter in piece.replace(" ", "·")) for piece in pieces]
