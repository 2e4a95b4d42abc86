"""Tagging: a part of speech, or any other label, for each word of a sentence."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from rnnjax import metrics
from rnnjax.applications.application import SPLITS, Laptop, judged
from rnnjax.applications.network import Networked
from rnnjax.cell import Cell
from rnnjax.data.conllu import COLUMNS, Sentence
from rnnjax.data.files import entries, lines_of
from rnnjax.data.tagged import check_tags, read_tagged, tag_set
from rnnjax.data.vocabulary import Vocabulary
from rnnjax.errors import check, check_choice
from rnnjax.models.tagger import Tagger
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import cross_entropy, masked_mean

Array = jax.Array
PyTree = Any

_ALPHA = 0.25  # a word seen n times is read as unknown with probability alpha / (alpha + n) in training


class TaggedSentence(NamedTuple):
    """A sentence as numbers.

    Attributes:
      words: `[words]` int32.
      characters: `[words, most characters]` int32, 0 past a word's end.
      rarity: `[words]` float32, the probability with which training reads a word as an unknown one.
      tags: `[words]` int32; -1 where they are not known.
      text: `[words]`, the words as written.
    """

    words: np.ndarray
    characters: np.ndarray
    rarity: np.ndarray
    tags: np.ndarray
    text: np.ndarray


@dataclasses.dataclass(frozen=True)
class Tag(Networked):
    """Which tag does each word of a sentence have?

    The data: a folder with a file in CoNLL-U each for training, validation and test, known by "train", "dev" and "test"
    in their names; or one file, of which a tenth each is drawn for validation and test. The vocabulary and the tags are
    those of the training sentences: a tag that they do not have is an error. A word is looked up without capitals, and
    spelled with them; of a long word the beginning and the end are spelled.

    Metrics: "accuracy" over words, and "macro_f1" over the tags that occur in a split.

    Baseline: each word's most frequent tag; for a word that is not in the training sentences the most frequent of all.

    Nivre et al. 2020, arXiv:2004.10643 (Universal Dependencies); Plank et al. 2016, arXiv:1604.05529.

    Args:
      column: "upos" or "xpos": universal parts of speech, or those of the language.
      features: the width of a word's vector.
      spelling: what reads the characters: "convolution", "recurrent", or "none".
      spelling_features: the width of what it gives.
      most_characters: characters of a word that are read, at most.
      min_count: how often a word has to occur in the training sentences to have a vector of its own.
      state_dropout: share of units dropped before and after the recurrent layer.

    Raises:
      InputError: an unknown choice, or a number out of range.
    """

    name: ClassVar[str] = "tag"
    source: ClassVar[str] = "Plank, Søgaard & Goldberg 2016, arXiv:1604.05529"
    metric: ClassVar[str] = "accuracy"
    mode: ClassVar[Literal["min", "max"]] = "max"
    laptop: ClassVar[Laptop] = Laptop(
        "lstm",
        128,
        steps=2500,
        batch_size=32,
        evaluate_every=500,
        optimizer=dict(name="adam", learning_rate=3e-3, schedule="cosine", clip="norm", clip_threshold=1.0),
    )

    _: dataclasses.KW_ONLY
    column: str = "upos"
    features: int = 100
    spelling: str = "convolution"
    spelling_features: int = 64
    most_characters: int = 12
    min_count: int = 2
    state_dropout: float = 0.4

    def __post_init__(self):
        super().__post_init__()
        check_choice("column", self.column, COLUMNS)
        check_choice("spelling", self.spelling, ("convolution", "recurrent", "none"))
        for field, least in (("features", 1), ("spelling_features", 2), ("most_characters", 2), ("min_count", 1)):
            given = getattr(self, field)
            valid = isinstance(given, int) and not isinstance(given, bool) and given >= least
            check(valid, field, given, f"an int of at least {least}")
        check(0 <= self.state_dropout < 1, "state_dropout", self.state_dropout, "a share in [0, 1)")

    # --- data ---

    def fit_data(self) -> dict[str, Any]:
        """Words with their counts, characters and tags of the training sentences, by number."""
        sentences = _sentences(self)["train"]
        counts = collections.Counter(word.lower() for sentence in sentences for word in sentence.words)
        words = Vocabulary.of(counts.elements(), min_count=self.min_count)
        characters = Vocabulary.of(character for sentence in sentences for word in sentence.words for character in word)
        return {
            "words": list(words.words),
            "counts": [counts[word] for word in words.words],
            "characters": list(characters.words),
            "tags": list(tag_set(sentences)),
        }

    def examples(self, split: str) -> Sequence[TaggedSentence]:
        check_choice("split", split, SPLITS)
        return _examples(self)[split]

    def length(self, example: TaggedSentence) -> int:
        return len(example.words)

    def encode(self, words: Sequence[str], tags: Sequence[str] | None = None) -> TaggedSentence:
        """A sentence as numbers; without tags these are -1."""
        known = _known(self)
        numbers = known.words.encode(word.lower() for word in words)
        characters = np.zeros((len(words), self.most_characters), np.int32)
        for row, word in zip(characters, words, strict=True):
            spelled = known.characters.encode(_ends(word, self.most_characters))
            row[: len(spelled)] = spelled
        places = np.array([-1] * len(words) if tags is None else [known.tags[tag] for tag in tags], np.int32)
        rarity = (_ALPHA / (_ALPHA + known.counts[numbers])).astype(np.float32)
        return TaggedSentence(numbers, characters, rarity, places, np.array(words, np.str_))

    def collate(self, examples: list[TaggedSentence], time: int) -> Batch:
        rows = len(examples)
        lengths = np.array([len(example.words) for example in examples], np.int32)
        inputs = {
            "words": np.zeros((rows, time), np.int32),
            "characters": np.zeros((rows, time, self.most_characters), np.int32),
            "rarity": np.zeros((rows, time), np.float32),
        }
        targets = np.zeros((rows, time), np.int32)
        for i, example in enumerate(examples):
            inputs["words"][i, : lengths[i]] = example.words
            inputs["characters"][i, : lengths[i]] = example.characters
            inputs["rarity"][i, : lengths[i]] = example.rarity
            targets[i, : lengths[i]] = np.maximum(example.tags, 0)
        mask = (np.arange(time) < lengths[:, None]).astype(np.float32)
        return Batch(inputs, targets, mask, lengths)  # type: ignore[arg-type]

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, in the order of their numbers."""
        return tuple(_known(self).tags)

    # --- model ---

    def model(self, cell: Cell) -> nn.Module:
        known = _known(self)
        spelling = "convolution" if self.spelling == "none" else self.spelling
        width = 0 if self.spelling == "none" else self.spelling_features
        sizes = len(known.words), len(known.characters), len(known.tags)
        return Tagger(self.sequence_network(cell), *sizes, self.features, width, spelling, self.state_dropout)

    def loss(self, outputs: Array, batch: Batch) -> Array:
        return masked_mean(cross_entropy(outputs, batch.targets), batch.mask)

    def answers(self, outputs: Array, batch: Batch) -> list[Any]:
        """The number of the likeliest tag of each word, a list a sentence."""
        best = np.asarray(outputs).argmax(-1)
        return [row[:length].tolist() for row, length in zip(best, np.asarray(batch.lengths), strict=True)]

    def score(self, answers: list[Any], examples: Sequence[TaggedSentence]) -> dict[str, float]:
        given = np.concatenate([np.asarray(answer, int) for answer in answers])
        wanted = np.concatenate([example.tags for example in examples])
        macro = metrics.f1(given, wanted, kind="macro")
        return {"accuracy": metrics.accuracy(given, wanted), "macro_f1": macro}

    def baseline(self, split: str = "test") -> dict[str, float]:
        """The accuracy and macro F1 of each word's most frequent tag."""
        tags_of: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
        overall: collections.Counter[int] = collections.Counter()
        for example in self.examples("train"):
            for word, tag in zip(example.text.tolist(), example.tags.tolist(), strict=True):
                tags_of[word][tag] += 1
                overall[tag] += 1
        best = {word: counts.most_common(1)[0][0] for word, counts in tags_of.items()}
        other, examples = overall.most_common(1)[0][0], self.examples(split)
        return self.score([[best.get(word, other) for word in row.text.tolist()] for row in examples], examples)

    # --- a trained model ---

    def read_inputs(self, path: str) -> list[TaggedSentence]:
        """A text file with a sentence a line, its words with spaces between them; empty lines are left out.

        Raises:
          InputError: no text, or no sentence in it.
        """
        found = entries(path, "--input")
        check(len(found) == 1, "--input", path, "a text file with a sentence a line")
        rows = [line.split() for line in lines_of(found[0]) if line.strip()]
        check(bool(rows), found[0].name, "no words", "a sentence a line, its words with spaces between them")
        return [self.encode(row) for row in rows]

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[TaggedSentence]) -> list[dict[str, Any]]:
        """The words of each sentence with their tags."""
        names, answers = self.tags, []
        for batch, real in self.evaluation_batches(examples, min(64, max(len(examples), 1))):
            outputs, _ = judged(self, model)(params, batch)
            answers += self.answers(outputs, batch)[:real]
        return [
            {"words": example.text.tolist(), "tags": [names[tag] for tag in answer]}
            for example, answer in zip(examples, answers, strict=True)
        ]

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        """What is taken for what, the precision and recall of each tag, and sentences word by word."""
        from rnnjax.applications.tag_figures import tags_section, words_section

        return tags_section(self, model, params), words_section(self, model, params)


class _Known(NamedTuple):
    words: Vocabulary
    counts: np.ndarray
    characters: Vocabulary
    tags: dict[str, int]


@functools.lru_cache(maxsize=16)
def _known(application: Tag) -> _Known:
    fitted = application.fitted()
    words, characters = (Vocabulary(tuple(fitted[name])) for name in ("words", "characters"))
    tags = {tag: number for number, tag in enumerate(fitted["tags"])}
    return _Known(words, np.array(fitted["counts"], np.float32), characters, tags)


@functools.lru_cache(maxsize=16)
def _examples(application: Tag) -> dict[str, list[TaggedSentence]]:
    splits, tags = _sentences(application), tuple(_known(application).tags)
    for sentences in splits.values():
        check_tags(sentences, tags)
    return {split: [application.encode(*sentence[:2]) for sentence in found] for split, found in splits.items()}


def _sentences(application: Tag) -> dict[str, list[Sentence]]:
    return read_tagged(application.data, application.tfds, application.data_dir, application.column)


def _ends(word: str, most: int) -> str:
    """A long word without its middle: a third from its beginning, the rest from its end."""
    return word if len(word) <= most else word[: most // 3] + word[-(most - most // 3) :]
