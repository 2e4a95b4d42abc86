"""Is a review good or bad? Many to one over words."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from rnnjax.applications.application import Laptop
from rnnjax.applications.text_classification import TextClassification
from rnnjax.data.labelled_text import LabelledText
from rnnjax.data.tokenizers import Tokenizer, Words


@dataclasses.dataclass(frozen=True)
class Sentiment(TextClassification):
    """What is said of a film, or any other label of a text that its words tell.

    `data` is a file, folder or archive in one of the layouts of `rnnjax.data.labelled_text.read`: the reviews of Maas
    et al. 2011 as they are distributed (`aclImdb`, in its archive or out of it), the trees of Socher et al. 2013 as
    files train.txt, dev.txt and test.txt, or texts and labels of the user's own. Words are made small, marks are
    tokens, and the tag `<br />` is a space. Of texts longer than `max_length` the end is left out, with `kept="end"`
    the start.

    Of the trees, sentences of the middle grade are left out, as in the usual two-class task.

    Args:
      phrases: whether the phrases of trees are trained on besides the sentences; validation and test are sentences.

    Source: Maas et al. 2011, aclanthology.org/P11-1015; Socher et al. 2013, aclanthology.org/D13-1170.
    """

    name: ClassVar[str] = "sentiment"
    source: ClassVar[str] = "Maas et al. 2011, aclanthology.org/P11-1015; Socher et al. 2013, aclanthology.org/D13-1170"
    laptop: ClassVar[Laptop] = Laptop(
        cell="gru",
        hidden=64,
        steps=840,
        batch_size=32,
        evaluate_every=140,
        optimizer={"learning_rate": 4e-3, "schedule": "cosine", "clip": "norm", "clip_threshold": 1.0},
    )

    _: dataclasses.KW_ONLY
    phrases: bool = True
    vocabulary: int = 10_000
    min_count: int = 2
    max_length: int = 300
    word_dropout: float = 0.1

    @property
    def tokenizer(self) -> Tokenizer:
        return Words(lower=True)

    def clean(self, text: str) -> str:
        return text.replace("<br />", " ")

    def texts(self, split: str) -> tuple[LabelledText, ...]:
        found = super().texts(split)
        return found if self.phrases else tuple(row for row in found if not row.phrase)
