"""Language modelling: which character or word comes next in a text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax import metrics
from rnnjax.applications.application import Evaluation, Laptop
from rnnjax.applications.language_levels import ORDERS, PASSAGE, UNLESS_GIVEN, LaptopByLevel
from rnnjax.applications.network import NO_GATES, check_unset
from rnnjax.applications.passage import passage
from rnnjax.applications.running_text import RunningText
from rnnjax.applications.stream_losses import stream_losses
from rnnjax.cell import Cell
from rnnjax.data import corpus
from rnnjax.data.files import entries, text_of
from rnnjax.data.pipeline import evaluation_rows
from rnnjax.data.streams import Streams
from rnnjax.errors import check
from rnnjax.models.decoding import check_sampling
from rnnjax.models.language_model import LanguageModel, states_of, writer
from rnnjax.models.ngram import ngram_losses
from rnnjax.models.sequence_layer import Blocks
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import cross_entropy, masked_mean
from rnnjax.wrappers import Dropout, Stack

Array = jax.Array
PyTree = Any

_ENDLESS = 2**40
_LOGITS = 2**22  # that an evaluation holds at once


@dataclasses.dataclass(frozen=True)
class LanguageModeling(RunningText):
    """Which character, or which word, comes next?

    The training text is cut into `batch_size` streams of the same length, side by side. Each update sees the next
    `window` tokens of every stream and starts from the state in which the one before ended: stateful truncated
    back-propagation through time. At the end of the streams they are cut anew, a little further on, and the state
    starts anew. A split is evaluated as one stream from its first token to its last, with the full softmax; each token
    but the first is predicted.

    A Transformer hands nothing on: its windows are independent, and it sees at most the `window` tokens before the one
    that it predicts. In evaluation and in writing it is moved on by half a window at a time, so that it sees at least
    half of one, as far as the text has begun.

    Metrics: "loss" in nats a token, "perplexity", and for characters "bits_per_character".

    Baseline: an interpolated n-gram model, of five characters or of three words; and the unigram model.

    Mikolov et al. 2010, doi:10.21437/Interspeech.2010-343.

    Args:
      window: tokens of an update; 64 characters or 35 words unless given.
      embedding: the width of a token's vector; 64 or 200 unless given.
      tied: whether the softmax has the embedding for its weights; for words, unless given.
      samples: tokens from which the softmax is estimated in training; 0 takes all. 2048 for words unless given.
      input_dropout: share of a token's vector that is dropped; 0 for characters and 0.1 for words unless given.
      hidden_dropout: share of units dropped between the layers of a stack.
      output_dropout: share of units dropped before the softmax; 0.1 and 0.3 unless given.
      evaluated: in an evaluation on the validation split, at most so many tokens from its beginning; 0 takes all. All
        characters and 30,000 words unless given. The test split is always taken whole.

    Raises:
      InputError: an unknown level or a number out of range.
    """

    name: ClassVar[str] = "lm"
    source: ClassVar[str] = "Mikolov et al. 2010, doi:10.21437/Interspeech.2010-343"
    laptop: ClassVar[Laptop] = LaptopByLevel()  # type: ignore[assignment]

    _: dataclasses.KW_ONLY
    window: int | None = None
    embedding: int | None = None
    tied: bool | None = None
    samples: int | None = None
    input_dropout: float | None = None
    hidden_dropout: float = 0.0
    output_dropout: float | None = None
    evaluated: int | None = None

    def __post_init__(self):
        super().__post_init__()
        for field, least in (("window", 1), ("embedding", 1), ("samples", 0), ("evaluated", 0)):
            given = getattr(self, field)
            valid = given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= least)
            check(valid, field, given, f"an int of at least {least}, or None")
        for field in ("input_dropout", "hidden_dropout", "output_dropout"):
            given = getattr(self, field)
            check(given is None or 0 <= given < 1, field, given, "a share in [0, 1)")
        if self.network == "transformer":
            check_unset(self, ("hidden_dropout",))  # it has block_dropout

    @property
    def stateful(self) -> bool:  # type: ignore[override]
        return self.network == "recurrent"

    def setting(self, field: str) -> Any:
        """The value of a field, or that of the level where none was given."""
        given = getattr(self, field)
        return UNLESS_GIVEN[self.level][field] if given is None else given

    def windows(self, batch_size: int) -> int:
        """How many updates it takes to go through the training text once.

        Raises:
          InputError: a text too short for the batch and the window.
        """
        return self._streams(batch_size).epoch

    def _streams(self, batch_size: int, seed: int = 0) -> Streams:
        return Streams(len(self.examples("train")), batch_size, self.setting("window"), seed)

    def batches(self, batch_size: int, seed: int, shard: tuple[int, int] = (0, 1)) -> Any:
        import grain

        host, hosts = shard
        check(batch_size % hosts == 0, "batch_size", batch_size, f"a multiple of the {hosts} hosts")
        codes, streams = np.asarray(self.examples("train")), self._streams(batch_size, seed)
        own = slice(host * batch_size // hosts, (host + 1) * batch_size // hosts)

        def load(update: int) -> Batch:
            rows = codes[streams[update][own]]
            return self._batch(rows[:, :-1], rows[:, 1:])

        return grain.MapDataset.range(_ENDLESS).map(load)

    def collate(self, examples: list[Any], time: int) -> Batch:
        """Rows of token numbers `[time + 1]`, each with the one that follows as its target."""
        rows = np.stack([np.asarray(row)[: time + 1] for row in examples])
        return self._batch(rows[:, :-1], rows[:, 1:])

    def _batch(self, tokens: np.ndarray, targets: np.ndarray) -> Batch:
        inputs = {"tokens": tokens} | ({"targets": targets} if self.setting("samples") else {})
        return Batch(inputs, targets, np.ones(targets.shape, np.float32), None)  # type: ignore[arg-type]

    def template(self) -> tuple[PyTree, PyTree]:
        return {"tokens": jax.ShapeDtypeStruct((1, 1), np.dtype(np.int32))}, None

    # --- model ---

    def model(self, cell: Cell) -> nn.Module:
        if self.hidden_dropout and isinstance(cell, Stack):
            above = (Dropout(layer, input=self.hidden_dropout) for layer in cell.cells[1:])
            cell = dataclasses.replace(cell, cells=(cell.cells[0], *above))
        names = ("embedding", "tied", "input_dropout", "output_dropout", "samples")
        network = self.sequence_network(cell, self.setting("window"))
        return LanguageModel(network, len(self.fitted()["tokens"]), **{name: self.setting(name) for name in names})

    def loss(self, outputs: Array, batch: Batch) -> Array:
        sampled = jnp.ndim(outputs) == jnp.ndim(batch.targets)
        return masked_mean(outputs if sampled else cross_entropy(outputs, batch.targets), batch.mask)

    def answers(self, outputs: Array, batch: Batch) -> list[Any]:
        """The loss of each target, a list a row."""
        return np.asarray(cross_entropy(jnp.asarray(outputs), batch.targets)).tolist()

    def score(self, answers: list[Any], examples: Sequence[Any] = ()) -> dict[str, float]:
        """Metrics of losses in nats a token."""
        del examples
        scores = {"loss": metrics.nll(answers), "perplexity": metrics.perplexity(answers)}
        return scores | ({"bits_per_character": metrics.bits_per_character(answers)} if self.level == "char" else {})

    def baseline(self, split: str = "test") -> dict[str, float]:
        """An interpolated n-gram model, and under "unigram_..." how often each token occurs."""
        train, text = np.asarray(self.examples("train")), np.asarray(self.examples(split))
        classes = len(self.fitted()["tokens"])
        scores = self.score(list(ngram_losses(train, text, classes, ORDERS[self.level])[1:]))
        unigram = self.score(list(ngram_losses(train, text, classes, 1)[1:]))
        return scores | {f"unigram_{name}": value for name, value in unigram.items()}

    # --- a trained model ---

    def evaluate(
        self,
        model: nn.Module,
        params: PyTree,
        split: str = "validation",
        batch_size: int = 64,
        limit: int | None = None,
    ) -> Evaluation:
        """The losses of a split, from the first token to the last with the state handed on, as answers.

        Args:
          model: of `self.model`.
          params: its parameters.
          split: "train", "validation" or "test".
          batch_size: not used: the split is one stream.
          limit: how many tokens, the first ones; `None` is all, save for the field `evaluated`.

        Raises:
          InputError: an unknown split, or one of less than two tokens.
        """
        codes = np.asarray(self.examples(split))
        if limit is None and split == "validation":
            limit = self.setting("evaluated") or None
        losses = self.losses(model, params, codes if limit is None else codes[: limit + 1])
        return Evaluation(self.score(losses.tolist()), losses.tolist())

    def evaluation_batches(
        self, examples: Any, batch_size: int, limit: int | None = None
    ) -> Iterator[tuple[Batch, int]]:
        """Windows that follow each other without overlap, each without a past: for what is not read as one stream.

        Args:
          examples: a split, `[tokens]`.
          batch_size: windows at a time; the last batch is filled up with windows that do not count.
          limit: how many windows, the first ones; `None` is all. What is left over at the end is left out.
        """
        codes = np.asarray(examples)
        window = max(min(self.setting("window"), len(codes) - 1), 1)
        count = (len(codes) - 1) // window
        for rows, real in evaluation_rows(count if limit is None else min(limit, count), batch_size):
            cut = codes[rows[:, None] * window + np.arange(window + 1)]
            mask = np.broadcast_to((np.arange(batch_size) < real)[:, None], (batch_size, window)).astype(np.float32)
            yield Batch({"tokens": cut[:, :-1]}, cut[:, 1:], mask, None), real  # type: ignore[arg-type]

    def losses(self, model: Any, params: PyTree, codes: np.ndarray) -> np.ndarray:
        """The loss in nats of each token but the first, `[tokens] -> [tokens - 1]`.

        Raises:
          InputError: less than two tokens.
        """
        check(len(codes) >= 2, "text", f"{len(codes)} tokens", "at least two tokens: one to start from")
        chunk = min(max(_LOGITS // len(self.fitted()["tokens"]), 1), 2048, len(codes) - 1)
        return stream_losses(model, params, codes, chunk)

    def read_inputs(self, path: str) -> list[Any]:
        """The lines of a text file.

        Raises:
          InputError: no text, or unknown characters, with their line.
        """
        found = entries(path, "--input")
        check(len(found) == 1, "--input", path, "a text file")
        text = text_of(found[0])
        check(bool(text.strip()), found[0].name, "an empty file", "a text")
        lines = text.split("\n")[: -1 if text.endswith("\n") else None]
        return [(line, self.encode(line + "\n", f"{found[0].name}, line {i}")) for i, line in enumerate(lines, 1)]

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """How well each line was foreseen after those before it, its end included."""
        codes = np.concatenate([self._start(), *(codes for _, codes in examples)])
        losses = self.losses(model, params, codes)
        parts = np.split(losses, np.cumsum([len(codes) for _, codes in examples])[:-1])
        return [{"text": line, **self.score(part.tolist())} for (line, _), part in zip(examples, parts, strict=True)]

    def generate(
        self,
        model: nn.Module,
        params: PyTree,
        prompt: str,
        length: int,
        key: Array,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> str:
        """The prompt and `length` tokens after it. An empty prompt is the beginning of a line.

        Raises:
          InputError: a prompt with unknown characters, or numbers that do not say how to sample.
        """
        check_sampling(temperature, top_k, top_p)
        check(isinstance(length, int) and length >= 1, "length", length, "a positive int")
        codes = self.encode(prompt, "prompt")
        written = writer(model, length, temperature, top_k, top_p)
        made = self.decode(written(params, codes[None] if len(codes) else self._start()[None], key)[0])
        space = "" if self.level == "char" or not prompt or prompt[-1].isspace() else " "
        return prompt + space + made

    def _start(self) -> np.ndarray:
        """What stands before a line: the end of another, or the first token where no line ends."""
        end, tokens = {"char": "\n", "word": corpus.END}[self.level], self.fitted()["tokens"]
        return np.array([tokens.index(end) if end in tokens else 0], np.int32)

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        """A passage of the validation text: what was not foreseen, and what three units do over it."""
        codes = np.asarray(self.examples("validation"))[: PASSAGE[self.level] + 1]
        tokens = [self.decode([code]) + (" " if self.level == "word" else "") for code in codes]
        losses = self.losses(model, params, codes)
        if isinstance(model, LanguageModel) and isinstance(model.cell, Blocks):
            return (passage(tokens, losses, note=NO_GATES),)
        return (passage(tokens, losses, states_of(model)(params, codes[None, :-1])[0]),)
