"""What the labelling of texts has in common, whatever a token is."""

from __future__ import annotations

import abc
import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from rnnjax import metrics
from rnnjax.applications.application import SPLITS, judged
from rnnjax.applications.network import Networked
from rnnjax.cell import Cell
from rnnjax.data import labelled_text
from rnnjax.data.labelled_text import LabelledText
from rnnjax.data.tokenizers import Tokenizer
from rnnjax.data.vocabulary import Vocabulary
from rnnjax.errors import InputError, check, check_choice
from rnnjax.models.classifier import SequenceClassifier
from rnnjax.models.layers import POOLINGS
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.folds import Fold, check_fold, fold_rows
from rnnjax.tasks.losses import cross_entropy, masked_mean

Array = jax.Array
PyTree = Any


class LabelledTokens(NamedTuple):
    """An example.

    Attributes:
      ids: `[tokens]` int32, the numbers of its tokens in the vocabulary.
      label: the number of its label; -1 where it is not known.
      text: the text.
    """

    ids: np.ndarray
    label: int
    text: str


@dataclasses.dataclass(frozen=True)
class TextClassification(Networked):
    """A label for a text.

    The baseline is a logistic regression on a bag of tokens, weighted by tf-idf (scikit-learn's `TfidfVectorizer` and
    `LogisticRegression`); its inverse regularisation C is the best of `penalties` on the validation split.

    Args:
      text_column: of a CSV, or the feature of a TFDS data set.
      label_column: likewise.
      bidirectional: whether a second cell reads from the end; of a Transformer, whether it sees what follows.
      filters: features of a convolution before the cell; 0 is none.
      pooling: over the cell's outputs: "last", "mean" or "max".
      embedding: the width of a token's vector.
      input_dropout: the rate on the vectors of tokens.
      output_dropout: the rate on what the readout reads.
      word_dropout: the rate at which whole tokens are left out in training.
      vocabulary: the most entries of the vocabulary, `<pad>` and `<unk>` included; 0 takes all tokens.
      min_count: how often a token has to occur in the training split; others become `<unk>`.
      max_length: the most tokens of a text; 0 takes all.
      kept: which end of a longer text is kept, "start" or "end".
      fold: `(2, 5)` is the third of five folds of cross-validation over the texts of training and validation;
        phrases are left out, as those of a sentence would lie in several folds.

    Raises:
      InputError: an option out of range; `data` and `tfds` both given, or neither.
    """

    metric: ClassVar[str] = "accuracy"
    mode: ClassVar[Literal["min", "max"]] = "max"
    penalties: ClassVar[tuple[float, ...]] = (1.0, 3.0, 10.0, 30.0)
    grams: ClassVar[int] = 1
    likeliest: ClassVar[int] = 1

    _: dataclasses.KW_ONLY
    text_column: str = "text"
    label_column: str = "label"
    bidirectional: bool = True
    filters: int = 0
    pooling: str = "max"
    embedding: int = 64
    input_dropout: float = 0.5
    output_dropout: float = 0.5
    word_dropout: float = 0.0
    vocabulary: int = 0
    min_count: int = 1
    max_length: int = 0
    kept: str = "start"
    fold: Fold | None = None

    def __post_init__(self):
        super().__post_init__()
        own = type(self).__name__
        check_choice(f"{own}.pooling", self.pooling, POOLINGS)
        check_choice(f"{own}.kept", self.kept, ("start", "end"))
        for field, least in (("embedding", 1), ("filters", 0), ("vocabulary", 0), ("min_count", 1), ("max_length", 0)):
            given = getattr(self, field)
            valid = isinstance(given, int) and not isinstance(given, bool) and given >= least
            check(valid, f"{own}.{field}", given, f"an int of at least {least}")
        for field in ("input_dropout", "output_dropout", "word_dropout"):
            given = getattr(self, field)
            check(
                isinstance(given, int | float) and 0 <= given < 1, f"{own}.{field}", given, "a rate from 0 to below 1"
            )
        check(not (self.data and self.tfds), f"{own}.tfds", self.tfds, "either data or tfds, not both")
        check(bool(self.data or self.tfds or self.prepared), f"{own}.data", self.data, "a file or folder, or tfds")
        check_fold(self.fold, f"{own}.fold")

    @property
    @abc.abstractmethod
    def tokenizer(self) -> Tokenizer:
        """What cuts a text into tokens."""

    def clean(self, text: str) -> str:
        """The text as the tokenizer gets it."""
        return text

    def tokens(self, text: str) -> list[str]:
        """The tokens of a text, those beyond `max_length` left out."""
        found = self.tokenizer.tokens(self.clean(text))
        if not self.max_length:
            return found
        return found[: self.max_length] if self.kept == "start" else found[-self.max_length :]

    def texts(self, split: str) -> tuple[LabelledText, ...]:
        """The texts of a split, with their labels.

        Raises:
          InputError: an unknown split, or data that cannot be read, with file and line.
        """
        check_choice("split", split, SPLITS)
        if self.fold is not None and split != "test":
            return _of_fold(self, split)
        return self._read()[split]

    def _read(self) -> labelled_text.Splits:
        return _read(self.data, self.tfds, self.data_dir, self.text_column, self.label_column)

    def fit_data(self) -> dict[str, Any]:
        rows = self.texts("train")
        tokens = itertools.chain.from_iterable(self.tokens(row.text) for row in rows)
        words = Vocabulary.of(tokens, self.vocabulary or None, self.min_count)
        return {"vocabulary": words.to_json(), "labels": sorted({row.label for row in rows})}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of their numbers."""
        return tuple(self.fitted()["labels"])

    def examples(self, split: str) -> tuple[LabelledTokens, ...]:
        return _examples(self, split)

    def length(self, example: LabelledTokens) -> int:
        return len(example.ids)

    def collate(self, examples: list[LabelledTokens], time: int) -> Batch:
        ids = np.zeros((len(examples), time), np.int32)
        for row, example in zip(ids, examples, strict=True):
            row[: len(example.ids)] = example.ids
        labels = np.array([example.label for example in examples], np.int32)
        lengths = np.array([len(example.ids) for example in examples], np.int32)
        arrays: Any = (ids, np.maximum(labels, 0), (labels >= 0).astype(np.float32), lengths)
        return Batch(*arrays)

    def model(self, cell: Cell) -> nn.Module:
        return SequenceClassifier(
            self.sequence_network(cell),
            words=len(_vocabulary(self)),
            classes=len(self.labels),
            embedding=self.embedding,
            bidirectional=self.bidirectional,
            filters=self.filters,
            pooling=self.pooling,
            input_dropout=self.input_dropout,
            output_dropout=self.output_dropout,
            word_dropout=self.word_dropout,
        )

    def loss(self, outputs: Array, batch: Batch) -> Array:
        """The cross-entropy in nats, a mean over the rows whose label is known."""
        return masked_mean(cross_entropy(outputs, batch.targets), batch.mask)

    def answers(self, outputs: PyTree, batch: Batch) -> list[int]:
        """The number of the likeliest label of each row."""
        del batch
        return np.argmax(outputs, -1).tolist()

    def score(self, answers: list[int], examples: Sequence[LabelledTokens]) -> dict[str, float]:
        """The "accuracy", and "macro_f1", the mean over labels of each one's F1."""
        labels = [example.label for example in examples]
        return {
            "accuracy": metrics.accuracy(answers, labels),
            "macro_f1": metrics.f1(answers, labels, kind="macro", classes=len(self.labels)),
        }

    def baseline(self, split: str = "test") -> dict[str, float]:
        check_choice("split", split, SPLITS)
        return self.score(_linear(self, split), self.examples(split))

    def read_inputs(self, path: str) -> list[LabelledTokens]:
        """A text each: the column `text_column` of a CSV, the lines of another file, or the files of a folder."""
        texts = labelled_text.unlabelled(path, text=self.text_column, argument="--input")
        words = _vocabulary(self)
        found = [LabelledTokens(words.encode(self.tokens(text)), -1, text) for text in texts]
        for number, example in enumerate(found, 1):
            check(len(example.ids) > 0, "--input", example.text, f"a text with a token in it (text {number})")
        return found

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[LabelledTokens]) -> list[dict[str, Any]]:
        """The likeliest labels of each text, with their probabilities."""
        found = []
        for batch, real in self.evaluation_batches(examples, max(1, min(64, len(examples)))):
            logits, _ = judged(self, model)(params, batch)
            found += list(np.asarray(jax.nn.softmax(logits))[:real])
        rows = []
        for example, odds in zip(examples, found, strict=True):
            best = np.argsort(-odds, kind="stable")
            row: dict[str, Any] = {"text": example.text, "answer": self.labels[best[0]]}
            row["probability"] = float(odds[best[0]])
            if self.likeliest > 1:
                row["likeliest"] = [[self.labels[i], float(odds[i])] for i in best[: self.likeliest]]
            rows.append(row)
        return rows

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        """The confusion matrix of the test split, and texts coloured by the share of each token in what was said."""
        from rnnjax.applications.text_figures import confusion_section, words_section

        return confusion_section(self, model, params), words_section(self, model, params)


@functools.lru_cache(maxsize=8)
def _read(data: str, tfds: str, data_dir: str, text: str, label: str) -> labelled_text.Splits:
    if tfds:
        return labelled_text.from_tfds(tfds, data_dir, text=text, label=label)
    return labelled_text.read(data, text=text, label=label)


@functools.lru_cache(maxsize=16)
def _of_fold(application: TextClassification, split: str) -> tuple[LabelledText, ...]:
    assert application.fold is not None
    parts = application._read()
    held = [row for row in (*parts["train"], *parts["validation"]) if not row.phrase]
    rows = fold_rows([row.label for row in held], application.fold)[0 if split == "train" else 1]
    return tuple(held[row] for row in rows)


@functools.lru_cache(maxsize=16)
def _vocabulary(application: TextClassification) -> Vocabulary:
    return Vocabulary.from_json(application.fitted()["vocabulary"])


@functools.lru_cache(maxsize=16)
def _examples(application: TextClassification, split: str) -> tuple[LabelledTokens, ...]:
    words, numbers = _vocabulary(application), {label: i for i, label in enumerate(application.labels)}
    found = []
    for row in application.texts(split):
        if row.label not in numbers:
            raise InputError(row.place, row.label, f"one of the labels {', '.join(numbers)}")
        ids = words.encode(application.tokens(row.text))
        check(len(ids) > 0, row.place, row.text, "a text with a token in it")
        found.append(LabelledTokens(ids, numbers[row.label], row.text))
    return tuple(found)


@functools.lru_cache(maxsize=8)
def _linear(application: TextClassification, split: str) -> list[int]:
    """What the logistic regression says of a split."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    def grams(text: str) -> list[str]:
        tokens = application.tokens(text)
        longer = (
            "\0".join(tokens[i : i + n]) for n in range(2, application.grams + 1) for i in range(len(tokens) - n + 1)
        )
        return [*tokens, *longer]

    seen, held, asked = (application.examples(name) for name in ("train", "validation", split))
    weigh = TfidfVectorizer(analyzer=grams, sublinear_tf=True)  # pyright: ignore[reportArgumentType]
    bags: Any = weigh.fit_transform([row.text for row in seen])
    labels = [row.label for row in seen]
    tuning, answers = weigh.transform([row.text for row in held]), [row.label for row in held]
    wanted = weigh.transform([row.text for row in asked])
    fit = LogisticRegression(max_iter=1000, warm_start=True)  # each starts where the one before has ended
    best, said = -1.0, []
    for penalty in sorted(application.penalties):
        fit.set_params(C=penalty).fit(bags, labels)
        if (found := fit.score(tuning, answers)) > best:
            best, said = found, np.asarray(fit.predict(wanted)).tolist()
    return said
