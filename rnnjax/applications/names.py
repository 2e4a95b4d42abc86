"""Of which language is a name? Many to one over characters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from rnnjax import metrics
from rnnjax.applications.application import Laptop
from rnnjax.applications.text_classification import LabelledTokens, TextClassification
from rnnjax.data.tokenizers import Characters, Tokenizer


@dataclasses.dataclass(frozen=True)
class Names(TextClassification):
    """The language of a surname, from its characters; or any other label of a short text.

    `data` is a folder with a file `.txt` a language and a name a line, or any other layout of
    `rnnjax.data.labelled_text.read`. The split is fixed: a tenth of the lines is the test and a tenth the validation,
    drawn by `rnnjax.data.three_ways`. Languages are as frequent as they are in the data.

    The usual set, 20,050 names of 18 languages, has names more than once (2000 Arabic lines are 108 names), so that a
    name of the test may stand in the training split. They stay, as the lines are what is usually counted;
    "accuracy_unseen" is the accuracy on the names of the split that do not stand in the training split in any language.

    Source: the tutorial "Classifying names with a character-level RNN" of PyTorch, S. Robertson 2017.
    """

    name: ClassVar[str] = "names"
    source: ClassVar[str] = "S. Robertson 2017, PyTorch: classifying names with a character-level RNN"
    likeliest: ClassVar[int] = 3
    grams: ClassVar[int] = 2
    laptop: ClassVar[Laptop] = Laptop(
        cell="gru",
        hidden=128,
        steps=2500,
        batch_size=64,
        evaluate_every=250,
        optimizer={"learning_rate": 5e-3, "schedule": "cosine", "clip": "norm", "clip_threshold": 1.0},
    )

    _: dataclasses.KW_ONLY
    input_dropout: float = 0.0
    output_dropout: float = 0.2

    @property
    def tokenizer(self) -> Tokenizer:
        return Characters()

    def score(self, answers: list[int], examples: Sequence[LabelledTokens]) -> dict[str, float]:
        """The "accuracy", "macro_f1", and "accuracy_unseen" where there are such names."""
        found = super().score(answers, examples)
        if not (self.data or self.tfds):
            return found
        seen = {example.text for example in self.examples("train")}
        fresh = np.array([example.text not in seen for example in examples])
        if fresh.any():
            labels = np.array([example.label for example in examples])
            found["accuracy_unseen"] = metrics.accuracy(np.asarray(answers)[fresh], labels[fresh])
        return found
