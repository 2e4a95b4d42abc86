"""The one interface: a task draws batches, scores outputs, and knows what a predictor without memory can reach."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from rnnjax.errors import check, check_choice
from rnnjax.tasks.losses import masked_mean

Array = jax.Array

SPLITS = ("train", "validation", "test")


class Batch(NamedTuple):
    """Sequences with their targets. A single row is a `Batch` without the first axis.

    Attributes:
      inputs: `[batch, time, in_features]` float32; zero from a row's length on.
      targets: many to one, `[batch]` int32 classes or `[batch, outputs]` float32 values; else with a time axis after
        the batch axis.
      mask: float32, 1 where a target counts and 0 elsewhere: `[batch]` many to one, else `[batch, time]`.
      lengths: `[batch]` int32, the number of valid steps of each row.
    """

    inputs: Array
    targets: Array
    mask: Array
    lengths: Array


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
    """A source of sequences, a loss, and a criterion of success.

    A task is a frozen dataclass of ints, floats, strings and bools: it is a static argument of `jax.jit`, and
    `dataclasses.asdict` of it goes into a run's configuration. A subclass says how to draw rows (`sample`,
    `evaluation`), what each target costs (`target_loss`), what to report (`metrics`) and when it counts as solved
    (`solved`).

    Losses are means over the targets that count (`mask`): nats for classes and bits, squared units of the target for
    values.

    Class attributes:
      name: the name in the registry.
      source: the paper that the task comes from, with year and identifier.
      variants: for a task that differs between papers, each variant's name and its own source.
      metric: the key in `metrics()` that is the headline result.
      mode: whether a good value of that metric is small ("min") or large ("max").
      many_to_one: whether a row has one target, due after its last step, or one at each step.
    """

    name: ClassVar[str] = ""
    source: ClassVar[str] = ""
    variants: ClassVar[Mapping[str, str]] = {}
    metric: ClassVar[str] = "loss"
    mode: ClassVar[Literal["min", "max"]] = "min"
    many_to_one: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def in_features(self) -> int:
        """The last axis of the inputs."""

    @property
    @abc.abstractmethod
    def outputs(self) -> int:
        """The width of the readout that `loss` and `metrics` expect."""

    @property
    @abc.abstractmethod
    def time(self) -> int:
        """The number of steps of a padded row; no row is longer."""

    @property
    def variable_length(self) -> bool:
        """Whether rows differ in length; if not, every length is `time`."""
        return False

    @property
    @abc.abstractmethod
    def baseline(self) -> float:
        """The loss of the best memoryless predictor, in the units of `loss`, as a closed form.

        Memoryless: it knows the task and which kind of target is due, but nothing of what the row showed before. Each
        task says what exactly that means for it. A model that does not beat this number has learned nothing that
        needs memory.
        """

    @abc.abstractmethod
    def sample(self, key: Array, batch_size: int, split: str = "train") -> Batch:
        """Draws independent rows. Pure and jittable; `batch_size` and `split` are static.

        The first rows of a larger batch under the same key are those of a smaller one. Rows of different splits are
        drawn independently, even under the same key.

        Args:
          key: from `jax.random.key`.
          batch_size: the number of rows.
          split: "train", "validation" or "test".

        Raises:
          InputError: a batch size below 1, or an unknown split.
        """

    @abc.abstractmethod
    def evaluation(self, split: str = "validation", size: int = 1000) -> Batch:
        """The fixed batch to evaluate on, the same at each call.

        A synthetic task draws `size` rows from a key of its own, set apart from every training key by the split. A
        task on real data returns the whole split, each example once, whatever `size` is.

        Raises:
          InputError: a split other than "validation" and "test", or a size below 1.
        """

    @abc.abstractmethod
    def target_loss(self, outputs: Array, batch: Batch) -> Array:
        """The loss of each target, of the shape of `batch.mask`, whether it counts or not."""

    @abc.abstractmethod
    def metrics(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """Scalars by name: "loss", the headline metric, and what else is worth a curve.

        Args:
          outputs: `[batch, outputs]` many to one, else `[batch, time, outputs]`; logits for classes and bits.
          batch: what the outputs answer.

        Raises:
          InputError: outputs of another shape.
        """

    @abc.abstractmethod
    def solved(self, metrics: Mapping[str, ArrayLike]) -> Array:
        """Whether metrics of an evaluation batch meet the task's criterion: a bool array, elementwise.

        Numbers that were written to a file and read again will do.
        """

    def loss(self, outputs: Array, batch: Batch) -> Array:
        """The mean of `target_loss` over the targets that count: a scalar.

        Args:
          outputs: `[batch, outputs]` many to one, else `[batch, time, outputs]`; logits for classes and bits.
          batch: what the outputs answer.

        Raises:
          InputError: outputs of another shape.
        """
        expected = (*batch.mask.shape, self.outputs)
        check(jnp.shape(outputs) == expected, "outputs", f"shape {jnp.shape(outputs)}", f"shape {expected}")
        return masked_mean(self.target_loss(outputs, batch), batch.mask)

    def _check_int(self, field: str, least: int, why: str = "") -> None:
        given = getattr(self, field)
        expected = f"an int of at least {least}" + (f" ({why})" if why else "")
        check(_is_int(given) and given >= least, f"{type(self).__name__}.{field}", given, expected)

    def _check_choice(self, field: str, choices: Iterable[str]) -> None:
        check_choice(f"{type(self).__name__}.{field}", getattr(self, field), tuple(choices))


def check_draw(batch_size: int, split: str) -> None:
    """Raises `InputError` unless these are a positive int and the name of a split."""
    check_choice("split", split, SPLITS)
    check(_is_int(batch_size) and batch_size >= 1, "batch_size", batch_size, "a positive int")


def check_evaluation(split: str, size: int) -> None:
    """Raises `InputError` unless these are a split to evaluate on and a positive int."""
    check_choice("split", split, SPLITS[1:])
    check(_is_int(size) and size >= 1, "size", size, "a positive int")


def _is_int(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)
