"""A sentence in another language: many to many of different lengths."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax
import numpy as np

from rnnjax import attention, metrics
from rnnjax.applications.application import SPLITS, Application, Evaluation, Laptop, judged
from rnnjax.applications.network import NETWORKS, check_unset, check_width_alone
from rnnjax.applications.parallel_text import BOS, EOS, Example, Languages, by_length
from rnnjax.applications.translate_figures import translations, where_it_looked
from rnnjax.cell import Cell
from rnnjax.data.pairs import Sentences, read_pairs, read_sources, read_tfds
from rnnjax.data.pipeline import Plan, buckets, training_batches
from rnnjax.data.tokenizers import Words
from rnnjax.data.word_dictionary import word_by_word
from rnnjax.errors import check, check_choice
from rnnjax.models.beam import Beams, decoder
from rnnjax.models.encoder_decoder import EncoderDecoder, Pair
from rnnjax.models.label_smoothing import smoothed_cross_entropy
from rnnjax.models.scheduled_sampling import SCHEDULES, own_share
from rnnjax.models.transformer import TransformerEncoderDecoder
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import masked_mean

Array = jax.Array
PyTree = Any

_RECURRENT = ("attention", "feed", "bidirectional", "shared_cell", "residual", "sampling")


@dataclasses.dataclass(frozen=True)
class Translate(Application):
    """Sentences from one language into another, by an encoder-decoder with attention, without, or by a Transformer.

    `data` is a folder or an archive with files by split and language (such as Multi30k), or a table of pairs (such as
    Tatoeba's): see `rnnjax.data.pairs.read_pairs`; `tfds` is a set whose features are languages. Validation decodes
    greedily, the test with a beam; BLEU and chrF are sacrebleu's, of the text as it is written. The baseline translates
    word by word with a dictionary fitted to the training split (model 1 of Brown et al. 1993).

    Args:
      source_language: how the files to read end, or the feature of a TFDS set, such as "en".
      target_language: likewise of what is written.
      test_files: the name of the files to test on, where there are several.
      source_column: of a table, the field to read, the first being 0.
      target_column: of a table, the field to write.
      tokens: "bpe", one vocabulary of byte pairs for both languages, or "words", one for each.
      vocabulary: the most entries of a vocabulary.
      longest: pairs with more tokens than this on either side are left out of training, and no translation is longer.
      network: "recurrent" or "transformer"; a Transformer is as wide as the cell's outputs.
      attention: of the recurrent network: "general", "additive", "dot", "concat" or "none".
      feed: whether the decoder reads its last attention too.
      bidirectional: whether the encoder reads in both directions.
      shared_cell: whether the decoder has the parameters of the encoder.
      residual: adds the inputs of layers to their outputs, above the first.
      embedding: the width of word vectors.
      blocks: layers of a Transformer's encoder, and of its decoder.
      heads: of a Transformer.
      vector_dropout: of word vectors, and of what is read out.
      smoothing: the share of the target's probability that is spread over all words in the loss (Szegedy et al. 2016,
        arXiv:1512.00567).
      sampling: scheduled sampling: "none", "fixed", "linear", "exponential" or "inverse_sigmoid".
      sampling_speed: the k of `rnnjax.models.scheduled_sampling.own_share`, in updates.
      sampling_most: the largest probability of the decoder's own word.
      beam: the width of the beam at the test.
      penalty: the exponent of the length penalty.

    Raises:
      InputError: an option out of range.
    """

    name: ClassVar[str] = "translate"
    source: ClassVar[str] = "Elliott et al. 2016, arXiv:1605.00459 (Multi30k); Bahdanau et al. 2015, arXiv:1409.0473"
    metric: ClassVar[str] = "bleu"
    mode: ClassVar[Literal["min", "max"]] = "max"
    laptop: ClassVar[Laptop] = Laptop(
        cell="lstm",
        hidden=256,
        steps=2700,
        batch_size=64,
        evaluate_every=450,
        optimizer=dict(learning_rate=2e-3, schedule="cosine", warmup_steps=100, clip="norm", clip_threshold=1.0),
    )

    _: dataclasses.KW_ONLY
    source_language: str = "en"
    target_language: str = "de"
    test_files: str = ""
    source_column: int = 0
    target_column: int = 1
    tokens: str = "bpe"
    vocabulary: int = 6000
    longest: int = 60
    network: str = "recurrent"
    attention: str = "general"
    feed: bool = False
    bidirectional: bool = True
    shared_cell: bool = False
    residual: bool = False
    embedding: int = 256
    blocks: int = 3
    heads: int = 4
    vector_dropout: float = 0.2
    smoothing: float = 0.1
    sampling: str = "none"
    sampling_speed: float = 1000.0
    sampling_most: float = 0.25
    beam: int = 5
    penalty: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_choice("Translate.tokens", self.tokens, ("bpe", "words"))
        check_choice("Translate.network", self.network, NETWORKS)
        check_unset(self, _RECURRENT if self.network == "transformer" else ("blocks", "heads"))
        check_choice("Translate.attention", self.attention, ("none", *attention.KINDS))
        check_choice("Translate.sampling", self.sampling, SCHEDULES)
        least = dict.fromkeys(("longest", "embedding", "blocks", "heads", "beam"), 1)
        least |= {"source_column": 0, "target_column": 0, "vocabulary": 300 if self.tokens == "bpe" else 5}
        for field, low in least.items():
            given = getattr(self, field)
            check(given >= low, f"Translate.{field}", given, f"an int of at least {low}")
        for field in ("vector_dropout", "smoothing"):
            given = getattr(self, field)
            check(0 <= given < 1, f"Translate.{field}", given, "a share from 0 to below 1")
        own_share(self.sampling, 0, self.sampling_speed, self.sampling_most)
        check(self.penalty >= 0, "Translate.penalty", self.penalty, "a number >= 0")
        check(not (self.data and self.tfds), "tfds", self.tfds, "either data or tfds, not both")
        given = self.data or self.tfds or self.prepared
        check(bool(given), "data", self.data, "a folder, an archive or a table of pairs; or tfds")

    def fit_data(self) -> dict[str, Any]:
        return Languages.fitted(_pairs(self)["train"], self.tokens, self.vocabulary)

    def examples(self, split: str) -> Sequence[Example]:
        check_choice("split", split, SPLITS)
        return _examples(self, split)

    def length(self, example: Example) -> int:
        """Of the longer side: the source, or the target with the word that ends it."""
        return max(len(example.source), len(example.target) + 1)

    def collate(self, examples: list[Example], time: int) -> Batch:
        shape = len(examples), time
        source, prefix, target = (np.zeros(shape, np.int32) for _ in range(3))
        mask = np.zeros(shape, np.float32)
        for row, example in enumerate(examples):
            count = len(example.target)
            source[row, : len(example.source)] = example.source
            prefix[row, : count + 1] = [BOS, *example.target]
            target[row, : count + 1] = [*example.target, EOS]
            mask[row, : count + 1] = 1
        own = np.zeros(len(examples), np.float32)
        lengths = np.array([len(example.source) for example in examples], np.int32)
        arrays: Any = (Pair(source, prefix, own), target, mask, lengths)  # pyright: ignore[reportArgumentType]
        return Batch(*arrays)

    def batches(self, batch_size: int, seed: int, shard: tuple[int, int] = (0, 1)) -> Any:
        examples = self.examples("train")
        lengths = tuple(map(self.length, examples))
        plan = Plan(lengths, batch_size, seed, buckets(lengths, count=6, multiple=4))
        found = training_batches(plan, lambda rows, time: self.collate([examples[row] for row in rows], time), shard)
        if self.sampling == "none":
            return found

        def scheduled(index: int, batch: Batch) -> Batch:
            share = own_share(self.sampling, index, self.sampling_speed, self.sampling_most)
            pair: Any = batch.inputs
            inputs: Any = pair._replace(own=np.full_like(pair.own, share))
            return batch._replace(inputs=inputs)

        return found.map_with_index(scheduled)

    def model(self, cell: Cell) -> nn.Module:
        languages = _languages(self)
        words, shared = (len(languages.source), len(languages.target)), self.tokens == "bpe"
        if self.network == "transformer":
            check_width_alone(cell)
            shape = dict(layers=self.blocks, heads=self.heads, shared_words=shared, dropout=self.vector_dropout)
            return TransformerEncoderDecoder(*words, cell.output_features, **shape)  # pyright: ignore
        return EncoderDecoder(
            cell,
            *words,
            features=self.embedding,
            attention=self.attention,
            feed=self.feed,
            bidirectional=self.bidirectional,
            shared_cell=self.shared_cell,
            shared_words=shared,
            residual=self.residual,
            dropout=self.vector_dropout,
            scheduled=self.sampling != "none",
        )

    def loss(self, outputs: Array, batch: Batch) -> Array:
        """The cross-entropy in nats a token, with `smoothing`."""
        return masked_mean(smoothed_cross_entropy(outputs, batch.targets, self.smoothing), batch.mask)

    def answers(self, outputs: Array, batch: Batch) -> list[str]:
        """The likeliest word at each step, given the reference's words before it: no translation of its own."""
        del batch
        return [_languages(self).text(row) for row in np.argmax(outputs, axis=-1)]

    def score(self, answers: list[str], examples: Sequence[Example]) -> dict[str, float]:
        references = [example.reference for example in examples]
        return {"bleu": metrics.bleu(answers, references), "chrf": metrics.chrf(answers, references)}

    def baseline(self, split: str = "test") -> dict[str, float]:
        """Word by word, with the likeliest word of a dictionary fitted to the training split."""
        pairs = _pairs(self)
        answers = word_by_word(pairs["train"], [pair.source for pair in pairs[split]], Words())
        references = [pair.target for pair in pairs[split]]
        return {"bleu": metrics.bleu(answers, references), "chrf": metrics.chrf(answers, references)}

    def evaluate(
        self,
        model: nn.Module,
        params: PyTree,
        split: str = "validation",
        batch_size: int = 64,
        limit: int | None = None,
    ) -> Evaluation:
        """Translates a split: greedily, the test with a beam.

        Metrics are "bleu" and "chrf", and under teacher forcing "loss", in nats a token and without `smoothing`.
        """
        examples = self.examples(split)[:limit]
        answers = [answer for answer, _ in self._translated(model, params, examples, split == "test", batch_size)]
        plain = dataclasses.replace(self, smoothing=0.0)
        total = counted = 0.0
        for batch, _ in self.evaluation_batches(by_length(examples)[0], batch_size):
            count = float(np.sum(batch.mask))
            total += count * float(judged(plain, model)(params, batch)[1])
            counted += count
        return Evaluation({"loss": total / max(counted, 1.0), **self.score(answers, examples)}, answers)

    def read_inputs(self, path: str) -> list[Example]:
        """Sentences of a text file, one a line."""
        return [_languages(self).encode(Sentences(sentence, "")) for sentence in read_sources(path)]

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[Example]) -> list[dict[str, Any]]:
        """Translations by a beam, with their scores: logarithms of probabilities over the length penalty."""
        found = self._translated(model, params, examples, True, min(64, max(len(examples), 1)))
        return [
            {"source": example.sentence, "translation": answer, "score": score}
            for example, (answer, score) in zip(examples, found, strict=True)
        ]

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        """Translations of sentences of the test, and what the decoder attended to at each word."""
        examples = [example for example in self.examples("test")[:200] if 6 <= len(example.source) <= 18][:8]
        if not examples:
            return ()
        answers = [answer for answer, _ in self._translated(model, params, examples, True, len(examples))]
        shown = list(zip(examples, answers, strict=True))
        sections = [translations(shown)]
        if isinstance(model, EncoderDecoder) and model.attention != "none":
            written = [_languages(self).encode(Sentences(e.sentence, answer)) for e, answer in shown[:3]]
            batch = self.collate(written, max(map(self.length, written)))
            sections.append(where_it_looked(model, params, _languages(self), written, batch))
        return tuple(sections)

    def _translated(
        self, model: nn.Module, params: PyTree, examples: Sequence[Example], wide: bool, batch_size: int
    ) -> list[tuple[str, float]]:
        """Translations and their scores, in the order of the examples."""
        ordered, places = by_length(examples)
        languages, width = _languages(self), self.beam if wide else 1
        found: list[tuple[str, float]] = []
        for batch, real in self.evaluation_batches(ordered, batch_size):
            source = batch.inputs[0]
            run = decoder(model, width, self.longest + 1, self.penalty, BOS, EOS)
            beams: Beams = jax.device_get(run(params, source, batch.lengths))
            rows = zip(beams.tokens[:real, 0], beams.scores[:real, 0], strict=True)
            found += [(languages.text(tokens), float(score)) for tokens, score in rows]
        return [found[place] for place in np.argsort(places)]


@functools.lru_cache(maxsize=8)
def _languages(application: Translate) -> Languages:
    return Languages.from_json(application.fitted())


@functools.lru_cache(maxsize=4)
def _pairs(application: Translate) -> dict[str, tuple[Sentences, ...]]:
    sides = application.source_language, application.target_language
    if application.tfds:
        return read_tfds(application.tfds, application.data_dir, *sides)
    columns = application.source_column, application.target_column
    return read_pairs(application.data, *sides, test=application.test_files, columns=columns)


@functools.lru_cache(maxsize=12)
def _examples(application: Translate, split: str) -> tuple[Example, ...]:
    languages = _languages(application)
    found = tuple(languages.encode(pair) for pair in _pairs(application)[split])
    if split != "train":
        return found
    longest = application.longest
    kept = tuple(e for e in found if len(e.source) <= longest and len(e.target) <= longest)
    check(bool(kept), "Translate.longest", longest, "a length that some of the training pairs have")
    return kept
