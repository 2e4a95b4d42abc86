"""The one interface of tasks on real data: examples, a model made of any cell, a loss, and a score."""

from __future__ import annotations

import abc
import dataclasses
import functools
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cell import Cell
from rnnjax.data.pipeline import Plan, buckets, evaluation_rows, training_batches
from rnnjax.errors import InputError, check, check_choice
from rnnjax.report import Section
from rnnjax.serialization import check_fields
from rnnjax.tasks import Batch

Array = jax.Array
PyTree = Any

SPLITS = ("train", "validation", "test")
_PREPARED = "prepared.json"


class Laptop(NamedTuple):
    """What the command trains unless told otherwise: minutes on two cores.

    Attributes:
      cell: name of the cell.
      hidden: width of its state.
      layers: how many on top of each other.
      steps: updates.
      batch_size: rows an update.
      evaluate_every: updates between evaluations.
      optimizer: fields of `rnnjax.training.Optimizer`.
      dropout: of the cell's inputs and recurrent connections.
      patience: evaluations without progress after which a run stops.
    """

    cell: str = "lstm"
    hidden: int = 128
    layers: int = 1
    steps: int = 2000
    batch_size: int = 32
    evaluate_every: int = 200
    optimizer: Mapping[str, Any] = {}
    dropout: float = 0.0
    patience: int | None = None


class Evaluation(NamedTuple):
    """What a model is worth on a split.

    Attributes:
      metrics: numbers by name, "loss" among them.
      answers: what it says about each row, as plain values.
    """

    metrics: dict[str, float]
    answers: list[Any]


@dataclasses.dataclass(frozen=True)
class Application(abc.ABC):
    """What is learned from real data.

    An application is a frozen dataclass of plain values: it is a static argument of `jax.jit`, and it goes into a
    run's configuration, in the place of a `rnnjax.tasks.Task`. It reads its data when asked, once a process. A subclass
    says what is fitted to the training data (`fit_data`), what the examples are (`examples`), how they become a batch
    (`collate`), which model learns from it (`model`), what its outputs cost (`loss`), what they say (`answers`), how
    good that is (`score`), and how good a plain method is (`baseline`).

    Args:
      data: a file or a folder, of the layout that the subclass describes.
      tfds: the name of a data set of TensorFlow Datasets in the place of `data`, prepared as array_record.
      data_dir: the folder of TensorFlow Datasets.
      prepared: the folder of a run: what was fitted to its training data is read from there, so that a trained model
        can be used without them.

    Class attributes:
      name: on the command line.
      source: the paper that the task or its data come from.
      metric: the key in the metrics that is the headline result.
      mode: whether a good value of that metric is small ("min") or large ("max").
      laptop: what the command trains unless told otherwise.
      stateful: whether the state after an update is where the next one starts, as in language models.

    Raises:
      InputError: a field that holds something else than its annotation says, such as a number that is not finite. A
        subclass that has checks of its own calls these first.
    """

    name: ClassVar[str] = ""
    source: ClassVar[str] = ""
    metric: ClassVar[str] = "loss"
    mode: ClassVar[Literal["min", "max"]] = "min"
    laptop: ClassVar[Laptop] = Laptop()
    stateful: ClassVar[bool] = False

    _: dataclasses.KW_ONLY
    data: str = ""
    tfds: str = ""
    data_dir: str = ""
    prepared: str = ""

    def __post_init__(self):
        check_fields(self, str)

    @abc.abstractmethod
    def fit_data(self) -> dict[str, Any]:
        """What is fitted to the training split, as JSON: vocabularies, names of labels, a scaling."""

    @abc.abstractmethod
    def examples(self, split: str) -> Sequence[Any]:
        """The encoded examples of "train", "validation" or "test", each a tuple of arrays and numbers; kept in memory.

        Raises:
          InputError: an unknown split, or data that cannot be read, with file and line.
        """

    @abc.abstractmethod
    def collate(self, examples: list[Any], time: int) -> Batch:
        """A batch of examples, padded to `time` steps, as NumPy arrays: pytrees are allowed as inputs and targets."""

    @abc.abstractmethod
    def model(self, cell: Cell) -> nn.Module:
        """The model, a module `(inputs, lengths, carry) -> (carry, outputs)`; `carry` may be `None` in and out.

        Masks are drawn from the random stream "dropout"; without it the model is deterministic. A recurrent layer's
        parameters lie under "cell".
        """

    @abc.abstractmethod
    def loss(self, outputs: PyTree, batch: Batch) -> Array:
        """The mean loss of the targets that count (`batch.mask`): a scalar, pure."""

    @abc.abstractmethod
    def answers(self, outputs: PyTree, batch: Batch) -> list[Any]:
        """What the outputs say, one plain value a row, computed on the host."""

    @abc.abstractmethod
    def score(self, answers: list[Any], examples: Sequence[Any]) -> dict[str, float]:
        """The metrics of answers to examples, the headline metric among them unless that is the "loss"."""

    @abc.abstractmethod
    def baseline(self, split: str = "test") -> dict[str, float]:
        """The metrics of a plain method that is no network, fitted to the training split."""

    # What follows is given, and may be overridden.

    def fitted(self) -> dict[str, Any]:
        """What was fitted to the training split: read from `prepared` where that is given."""
        return _fitted(self)

    def length(self, example: Any) -> int:
        """The number of steps of an example, by which examples are put into buckets."""
        del example
        return 1

    def batches(self, batch_size: int, seed: int, shard: tuple[int, int] = (0, 1)) -> Any:
        """The batches to train on, a `grain.MapDataset`: element i is batch i, a pure function of the seed and i.

        Args:
          batch_size: rows of a batch, over all hosts.
          seed: of the shuffling.
          shard: this host's number and the number of hosts.

        Raises:
          InputError: a batch larger than the training split, or one that the hosts cannot share.
        """
        examples = self.examples("train")
        lengths = _lengths(self, "train")
        plan = Plan(lengths, batch_size, seed, buckets(lengths))
        return training_batches(plan, lambda rows, time: self.collate([examples[row] for row in rows], time), shard)

    def evaluation_batches(
        self, examples: Sequence[Any], batch_size: int, limit: int | None = None
    ) -> Iterator[tuple[Batch, int]]:
        """Batches of examples, each once and in order, and how many rows of a batch are real.

        Rows of a like length are not put together; each batch is padded to the bucket of its longest row.
        """
        count = len(examples) if limit is None else min(limit, len(examples))
        lengths = [self.length(examples[i]) for i in range(count)]
        if not count:
            return
        bounds = buckets(lengths)
        for rows, real in evaluation_rows(count, batch_size):
            time = next(bound for bound in bounds if bound >= max(lengths[row] for row in rows))
            batch = self.collate([examples[row] for row in rows], time)
            mask = batch.mask * (np.arange(batch_size) < real).reshape(-1, *[1] * (np.ndim(batch.mask) - 1))
            yield batch._replace(mask=mask.astype(np.float32)), real

    def evaluate(
        self,
        model: nn.Module,
        params: PyTree,
        split: str = "validation",
        batch_size: int = 64,
        limit: int | None = None,
    ) -> Evaluation:
        """How good a model is on a split.

        Args:
          model: of `self.model`.
          params: its parameters.
          split: "train", "validation" or "test".
          batch_size: rows that are computed at a time.
          limit: how many examples, the first ones; `None` is all.

        Raises:
          InputError: an unknown split.
        """
        check_choice("split", split, SPLITS)
        examples = self.examples(split)
        answers: list[Any] = []
        total = counted = 0.0
        for batch, real in self.evaluation_batches(examples, batch_size, limit):
            outputs, loss = judged(self, model)(params, batch)
            weight = float(np.sum(batch.mask))
            total, counted = total + float(loss) * weight, counted + weight
            answers += self.answers(jax.device_get(outputs), batch)[:real]
        metrics = self.score(answers, [examples[i] for i in range(len(answers))])
        return Evaluation({"loss": total / max(counted, 1), **metrics}, answers)

    def read_inputs(self, path: str) -> list[Any]:
        """Examples without known targets, from a file of the user's.

        Raises:
          InputError: a file that cannot be read, with its line; or an application that predicts nothing of files.
        """
        raise InputError("--input", path, f"another task: {self.name!r} has nothing to predict from a file")

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[Any]) -> list[dict[str, Any]]:
        """What a model says about examples, a JSON object each."""
        answers: list[Any] = []
        for batch, real in self.evaluation_batches(examples, min(64, max(len(examples), 1))):
            outputs, _ = judged(self, model)(params, batch)
            answers += self.answers(jax.device_get(outputs), batch)[:real]
        return [{"answer": answer} for answer in answers]

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
        """What a model writes after a prompt.

        Raises:
          InputError: a prompt that cannot be read, or an application that writes nothing.
        """
        raise InputError("run folder", self.name, "a run of a task that generates, such as lm")

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        """What a report shows of a trained model, besides its curves."""
        del model, params
        return ()

    def windows(self, batch_size: int) -> int:
        """Of a stateful application: how many updates follow each other before the state starts anew."""
        del batch_size
        return 1

    # Training reads these where it would ask a task.

    @property
    def variable_length(self) -> bool:
        return True

    def solved(self, metrics: Mapping[str, Any]) -> Array:
        """Real data are never solved."""
        return jnp.zeros(np.shape(metrics[self.metric]), bool)

    def template(self) -> tuple[PyTree, PyTree]:
        """Inputs and lengths of one row, by shape and dtype, for the initialisation of a model."""
        if self.prepared:
            shapes = _prepared(self.prepared)["template"]
            return _from_shapes(shapes["inputs"]), _from_shapes(shapes["lengths"])
        batch = self.batches(1, 0)[0] if not self.stateful else self.batches(self.laptop.batch_size, 0)[0]
        one = lambda leaf: jax.ShapeDtypeStruct((1, *np.shape(leaf)[1:]), np.asarray(leaf).dtype)  # noqa: E731
        return jax.tree.map(one, (batch.inputs, batch.lengths))

    def record(self) -> dict[str, Any]:
        """What a run's folder keeps, so that its model can be used without the training data."""
        inputs, lengths = self.template()
        return {"fitted": self.fitted(), "template": {"inputs": _shapes(inputs), "lengths": _shapes(lengths)}}


@functools.lru_cache(maxsize=32)
def judged(application: Application, model: nn.Module) -> Any:
    """`(params, batch) -> (outputs, loss)`, compiled once a shape."""

    def run(params: PyTree, batch: Batch) -> tuple[PyTree, Array]:
        outcome: Any = model.apply({"params": params}, batch.inputs, batch.lengths)
        return outcome[1], application.loss(outcome[1], batch)

    return jax.jit(run)


@functools.lru_cache(maxsize=32)
def _fitted(application: Application) -> dict[str, Any]:
    return _prepared(application.prepared)["fitted"] if application.prepared else application.fit_data()


@functools.lru_cache(maxsize=32)
def _prepared(folder: str) -> dict[str, Any]:
    path = pathlib.Path(folder) / _PREPARED
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        raise InputError("run folder", folder, f"a folder with a {_PREPARED}") from None
    check(isinstance(found, dict) and {"fitted", "template"} <= found.keys(), _PREPARED, str(path), "what a run wrote")
    return found


@functools.lru_cache(maxsize=32)
def _lengths(application: Application, split: str) -> tuple[int, ...]:
    return tuple(int(application.length(example)) for example in application.examples(split))


def _shapes(tree: PyTree) -> Any:
    """A pytree of dicts, tuples and arrays as JSON."""
    if isinstance(tree, dict):
        return {"dict": {key: _shapes(value) for key, value in tree.items()}}
    if isinstance(tree, tuple | list):
        return {"tuple": [_shapes(value) for value in tree]}
    return None if tree is None else {"shape": list(tree.shape), "dtype": np.dtype(tree.dtype).name}


def _from_shapes(found: Any) -> PyTree:
    if found is None:
        return None
    if "dict" in found:
        return {key: _from_shapes(value) for key, value in found["dict"].items()}
    if "tuple" in found:
        return tuple(map(_from_shapes, found["tuple"]))
    return jax.ShapeDtypeStruct(tuple(found["shape"]), np.dtype(found["dtype"]))
