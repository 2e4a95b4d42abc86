"""Retrieval: Hopfield networks that complete corrupted pictures of real digits."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.analysis.recall import CRITICAL_LOAD, Capacity, capacity, recall
from rnnjax.applications.application import SPLITS, Application, Laptop, judged
from rnnjax.cell import Cell
from rnnjax.cells.hopfield import Hopfield, ModernHopfield
from rnnjax.errors import InputError, check, check_choice
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.digits import Digits
from rnnjax.tasks.losses import masked_mean
from rnnjax.tasks.mnist_files import read as read_mnist

Array = jax.Array
PyTree = Any

_CORRUPTIONS = ("flip", "cover")


class Cue(NamedTuple):
    """A corrupted picture, the stored one that it was made of, both `[pixels]` of -1 and 1, and that one's number."""

    shown: np.ndarray
    stored: np.ndarray
    number: int


class Recall(nn.Module):
    """An associative memory whose parameters, from the start, are the patterns: nothing is left to be trained.

    Attributes:
      cell: a Hopfield network of as many units as a pattern has; its parameters lie under "cell".
      signs: the patterns, a bit a pixel, in bytes (`numpy.packbits`).
      sweeps: updates of all units.
    """

    cell: Hopfield | ModernHopfield
    signs: bytes
    sweeps: int

    @nn.compact
    def __call__(self, inputs: Array, lengths: Array | None = None, carry: None = None) -> tuple[None, Array]:
        """`[batch, pixels]` to `None` and the state that is reached, `[batch, pixels]`."""
        del lengths, carry
        start = lambda _: jnp.asarray(_unpacked(self.signs, self.cell.features), jnp.float32)  # noqa: E731
        patterns = self.param("cell", lambda key: {"patterns": start(key)})["patterns"]
        patterns = jax.lax.stop_gradient(patterns)  # they are stored, and not to be learned
        return None, recall(self.cell, patterns, self.perturb("features", inputs), self.sweeps)


@dataclasses.dataclass(frozen=True)
class Retrieve(Application):
    """Which of the stored pictures is it? Pictures of digits are stored, and shown again corrupted.

    "Training" is the storing: the patterns are the network's parameters from the start, and updates do not change them.
    Pixels are 1 where there is more than half of the ink that there can be, else -1. Real digits resemble each other,
    so that a classical network holds far fewer of them than random patterns (`rnnjax.analysis.recall.capacity` counts
    both). "recalled": the share of cues from which the stored picture is found, to the last pixel; "pixels": the share
    of right pixels; "loss": that of wrong ones, for continuous states half their distance.

    Baselines: "recalled" and "pixels" of the cues as they are, and "nearest_recalled", the share of cues to which no
    stored picture is nearer, in pixels, than the right one: what no memory can do much better than.

    Args:
      data: the folder with the files of MNIST, 28 by 28 pixels; "" are the digits of 8 by 8 that scikit-learn brings.
      memories: how many pictures are stored, drawn from the training images.
      corruption: "flip" turns single pixels at random, "cover" makes the lower part of the picture white.
      share: how many of the pixels.
      repeats: cues for each stored picture.
      sweeps: updates of all units.
      beta: the sharpness of a `modern_hopfield` that has none of its own.
      seed: of the choice of pictures and of the cues.

    Raises:
      InputError: a number out of range; from `model`, a cell that is no Hopfield network.
    """

    name: ClassVar[str] = "retrieve"
    source: ClassVar[str] = "Hopfield 1982, doi:10.1073/pnas.79.8.2554; Ramsauer et al. 2020, arXiv:2008.02217"
    metric: ClassVar[str] = "recalled"
    mode: ClassVar[Literal["min", "max"]] = "max"
    laptop: ClassVar[Laptop] = Laptop(
        cell="modern_hopfield",
        steps=1,
        batch_size=1,
        evaluate_every=1,
        optimizer={"name": "sgd"},
    )

    _: dataclasses.KW_ONLY
    memories: int = 40
    corruption: str = "flip"
    share: float = 0.1
    repeats: int = 4
    sweeps: int = 10
    beta: float = 1.0
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        for field in ("memories", "repeats", "sweeps"):
            given = getattr(self, field)
            check(given >= 1, f"Retrieve.{field}", given, "a positive int")
        check(self.seed >= 0, "Retrieve.seed", self.seed, "an int >= 0")
        check_choice("Retrieve.corruption", self.corruption, _CORRUPTIONS)
        check(0 <= self.share < 1, "Retrieve.share", self.share, "a share in [0, 1)")
        check(self.beta > 0, "Retrieve.beta", self.beta, "a number > 0")
        check(not self.tfds, "Retrieve.tfds", self.tfds, "nothing: pictures are read from `data`")

    def fit_data(self) -> dict[str, Any]:
        """The stored pictures, a bit a pixel, as hexadecimal digits, and the digits that they show."""
        images, labels = _images(self.data, "train")
        check(self.memories <= len(images), "Retrieve.memories", self.memories, f"at most {len(images)}, all images")
        drawn = np.random.default_rng([self.seed, 0]).choice(len(images), self.memories, replace=False)
        patterns = images[drawn] > 0
        return {
            "pixels": patterns.shape[1],
            "patterns": np.packbits(patterns).tobytes().hex(),
            "digits": labels[drawn].tolist(),
        }

    def stored(self) -> np.ndarray:
        """The stored pictures, `[memories, pixels]` of -1 and 1."""
        fitted = self.fitted()
        return _unpacked(bytes.fromhex(fitted["patterns"]), fitted["pixels"])

    def examples(self, split: str) -> Sequence[Cue]:
        check_choice("split", split, SPLITS)
        return _cues(self, split)

    def collate(self, examples: list[Cue], time: int) -> Batch:
        del time
        shown, stored = (np.stack([getattr(example, name) for example in examples]) for name in ("shown", "stored"))
        ones = np.ones(len(examples), np.float32)
        return Batch(shown, stored, ones, ones.astype(np.int32))  # pyright: ignore[reportArgumentType]

    def model(self, cell: Cell) -> nn.Module:
        fitted = self.fitted()
        if not isinstance(cell, Hopfield | ModernHopfield):
            raise InputError("cell", type(cell).__name__, "hopfield or modern_hopfield")
        changes: dict[str, Any] = {"features": fitted["pixels"], "memories": len(fitted["digits"])}
        if isinstance(cell, ModernHopfield) and cell.beta is None:
            changes["beta"] = self.beta
        return Recall(dataclasses.replace(cell, **changes), bytes.fromhex(fitted["patterns"]), self.sweeps)

    def loss(self, outputs: PyTree, batch: Batch) -> Array:
        return masked_mean(jnp.mean(1 - outputs * batch.targets, axis=-1) / 2, batch.mask)

    def answers(self, outputs: PyTree, batch: Batch) -> list[np.ndarray]:
        """What was recalled, `[pixels]` of -1 and 1 for each row."""
        del batch
        return list(np.where(np.asarray(outputs) > 0, 1, -1).astype(np.int8))

    def score(self, answers: list[np.ndarray], examples: Sequence[Cue]) -> dict[str, float]:
        return _scores(np.stack(answers), np.stack([example.stored for example in examples]))

    def baseline(self, split: str = "test") -> dict[str, float]:
        cues, patterns = self.examples(split), self.stored()
        shown = np.stack([cue.shown for cue in cues])
        overlaps = shown @ patterns.T
        right = overlaps[np.arange(len(cues)), [cue.number for cue in cues]]
        metrics = _scores(shown, np.stack([cue.stored for cue in cues]))
        return {
            **metrics,
            "loss": 1 - metrics["pixels"],
            "nearest_recalled": float((right >= overlaps.max(1)).mean()),
        }

    def read_inputs(self, path: str) -> list[Cue]:
        """Pictures from a `.npy` file, `[pictures, ...]` with as many pixels each; ink is what is large."""
        pixels = self.fitted()["pixels"]
        try:
            found = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError("--input", path, f"an array in a .npy file ({error})") from None
        found = np.asarray(found)
        numbers = found.ndim >= 2 and found.dtype.kind in "biuf" and found[0].size == pixels
        check(numbers, "--input", f"{found.dtype} {found.shape}", f"pictures of {pixels} pixels each")
        flat = found.reshape(len(found), pixels).astype(float)
        check(bool(np.isfinite(flat).all()), "--input", path, "pixels that are finite numbers")
        return [Cue(row, np.zeros_like(row), -1) for row in _signs(flat)]

    def predict(self, model: nn.Module, params: PyTree, examples: Sequence[Cue]) -> list[dict[str, Any]]:
        """For each picture, the number of the stored one that was found, its digit, and the share of equal pixels."""
        patterns, digits = self.stored(), self.fitted()["digits"]
        rows = []
        for batch, real in self.evaluation_batches(examples, min(64, max(len(examples), 1))):
            outputs, _ = judged(self, model)(params, batch)
            for found in self.answers(jax.device_get(outputs), batch)[:real]:
                equal = (patterns == found).mean(1)
                number = int(equal.argmax())
                rows.append({"pattern": number, "digit": digits[number], "equal": round(float(equal[number]), 4)})
        return rows

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        from rnnjax.analysis.figures_recall import capacity_figure, image_rows_figure

        cues = self.examples("test")[:10]
        ((batch, _),) = self.evaluation_batches(cues, len(cues))
        outputs, _ = judged(self, model)(params, batch)
        side = round(len(cues[0].shown) ** 0.5)
        pictures = {"stored": [cue.stored for cue in cues], "shown": [cue.shown for cue in cues], "recalled": outputs}
        rows = {name: np.asarray(found, float).reshape(-1, side, side) for name, found in pictures.items()}
        curves, few = recall_curves(200, (0, 1), self.data)
        text = "Patterns that are stable or fall back into themselves, against the load: random ones, and real digits."
        return (
            Section(
                "Pictures", "", (("What was stored, what was shown, and what was recalled.", image_rows_figure(rows)),)
            ),
            Section("Capacity", text, ((f"{few} seeds.", capacity_figure(curves, mark=CRITICAL_LOAD, log=True)),)),
        )


def recall_curves(
    units: int = 500, seeds: Sequence[int] = (0, 1, 2, 3, 4), data: str = ""
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], int]:
    """Loads and recalled shares of the classical and the modern network, for random patterns and for real digits.

    Args:
      units: of the networks that store random patterns; those for digits have as many as pixels.
      seeds: one curve each.
      data: as in `Retrieve`.

    Returns:
      The curves by name, as `capacity_figure` takes them, and the number of seeds.
    """
    loads = (0.02, 0.05, 0.08, 0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.18, 0.2, 0.25, 0.3)
    many = (0.02, 0.1, 0.3, 1.0, 3.0, 10.0)
    pool = _images(data, "train")[0]
    pixels = pool.shape[1]
    largest = len(pool) / pixels
    found = {
        "classical, random": capacity(Hopfield(units), loads, seeds=seeds),
        "classical, digits": capacity(Hopfield(pixels), loads, seeds=seeds, pool=pool),
        "modern, random": _modern(units, many, seeds, None),
        "modern, digits": _modern(pixels, [load for load in many if load <= largest], seeds, pool),
    }
    return {name: (curve.loads, curve.recalled) for name, curve in found.items()}, len(seeds)


def _modern(units: int, loads: Sequence[float], seeds: Sequence[int], pool: Any) -> Capacity:
    return capacity(ModernHopfield(units, beta=1.0), loads, seeds=seeds, sweeps=3, pool=pool)


def _scores(found: np.ndarray, stored: np.ndarray) -> dict[str, float]:
    equal = found == stored
    return {"recalled": float(equal.all(1).mean()), "pixels": float(equal.mean())}


@functools.lru_cache(maxsize=8)
def _images(data: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures `[images, pixels]` of -1 and 1, and the digits that they show."""
    images, labels = read_mnist(data)[split] if data else Digits().read(split)
    return _signs(images.reshape(len(images), -1)), np.asarray(labels)


def _signs(images: np.ndarray) -> np.ndarray:
    """1 for what exceeds half of the largest value, else -1."""
    return np.where(images > images.max() / 2, 1, -1).astype(np.float32)


@functools.lru_cache(maxsize=8)
def _cues(retrieve: Retrieve, split: str) -> tuple[Cue, ...]:
    stored = retrieve.stored()
    draw = np.random.default_rng([retrieve.seed, 1 + SPLITS.index(split)])
    cues = []
    for _ in range(retrieve.repeats):
        for number, pattern in enumerate(stored):
            shown = pattern.copy()
            if retrieve.corruption == "flip":
                shown[draw.random(len(pattern)) < retrieve.share] *= -1
            else:
                shown[len(pattern) - round(retrieve.share * len(pattern)) :] = -1
            cues.append(Cue(shown, pattern, number))
    return tuple(cues)


def _unpacked(signs: bytes, pixels: int) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(signs, np.uint8))
    bits = bits[: len(bits) // pixels * pixels].reshape(-1, pixels)
    return np.where(bits > 0, 1, -1).astype(np.float32)
